"""`validate`: checks every spec of the repository, alone and together with the others."""

from __future__ import annotations

from mlops_ci.core.diagnostics import has_errors
from mlops_ci.core.errors import Exit
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.core.verbs import ALL_SURFACES, Verb
from mlops_ci.repository.context import Context
from mlops_ci.spec.load import read_all_specs

SPEC = Verb(
    "validate",
    "Check every spec: its schema, its references and its code.",
    (),
    needs="folder",
    formats=("text", "json", "github", "sarif"),
    surfaces=ALL_SURFACES,
    icon="check-circle",
)


def validate(context: Context) -> Outcome[ValidateReport]:
    """Return the specs of the project and all their problems; with an error, the exit code is 2 (usage)."""
    reading = read_all_specs(context.root)
    code = Exit.USAGE if has_errors(reading.diagnostics) else Exit.OK
    return Outcome(ValidateReport(reading.files, reading.counts), reading.diagnostics, exit_code_override=code)
