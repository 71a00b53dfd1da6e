"""What `init` writes: files of a template, its data, and specs for a table."""

from mlops_ci.commands.scaffold.catalog import files, write_data
from mlops_ci.commands.scaffold.github_workflows import github
from mlops_ci.commands.scaffold.infer_specs import from_table

__all__ = ["files", "from_table", "github", "write_data"]
