"""What `init` writes: files of a template, its data, and specs for a table."""

from mlops_ci.templates.github import github
from mlops_ci.templates.infer import from_table
from mlops_ci.templates.templates import files, write_data

__all__ = ["files", "from_table", "github", "write_data"]
