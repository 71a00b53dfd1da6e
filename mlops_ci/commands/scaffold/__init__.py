"""The files that `init` writes: a template's files, its data, and specs for a table."""

from mlops_ci.commands.scaffold.catalog import template_files, write_template_data
from mlops_ci.commands.scaffold.github_workflows import CODEOWNERS_PATH, codeowners_text, workflow_files
from mlops_ci.commands.scaffold.infer_specs import specs_from_table
from mlops_ci.commands.scaffold.neighbours import require_own_folder, taken_name_findings
from mlops_ci.commands.scaffold.project_name import name_project, project_name
from mlops_ci.commands.scaffold.sniff_source import columns_of_table
from mlops_ci.commands.scaffold.table_facts import NamedColumns
from mlops_ci.commands.scaffold.table_project import project_for_table

__all__ = [
    "CODEOWNERS_PATH",
    "NamedColumns",
    "codeowners_text",
    "columns_of_table",
    "name_project",
    "project_for_table",
    "project_name",
    "require_own_folder",
    "specs_from_table",
    "taken_name_findings",
    "template_files",
    "workflow_files",
    "write_template_data",
]
