"""`validate`: checks every spec of the repository, alone and together with the others, and tries their estimators."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.diagnostics import has_errors
from mlops_ci.core.errors import Exit
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.core.verbs import ALL_SURFACES, Verb
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from mlops_ci.repository.spec_names import history_findings, name_findings, read_names
from mlops_ci.spec.load import read_all_specs
from mlops_ci.spec.validation.signers import unsatisfiable_policy_findings

SPEC = Verb(
    "validate",
    "Check every spec: its schema, its references and its code.",
    (),
    needs="folder",
    formats=("text", "json", "github", "sarif"),
    surfaces=ALL_SURFACES,
    icon="check-circle",
    details="In a repository, also try each estimator that a spec names: fit it on 50 generated rows with the declared types, and package it."
    " The answers are kept in the clone, so that an unchanged spec costs nothing.",
)


def validate(context: Context) -> Outcome[ValidateReport]:
    """Return the specs of the project and all their problems; with an error, the exit code is 2 (usage).

    In a repository, the names of its projects, models and datasets must be unique over all of its projects. Without a cache
    nothing is tried: each run would cost seconds.
    """
    reading = read_all_specs(context.spec_root)
    found = list(reading.diagnostics)
    if reading.specs is not None:
        found += unsatisfiable_policy_findings(context.root, reading.specs.project, context.clock())
    if reading.specs is not None and context.cache is not None:
        # imported here: without a model by estimator, none of this is needed
        from mlops_ci.evaluation.estimator_trials import trial_findings

        found += trial_findings(context, reading.specs)
    if context.repo is not None and not context.repo.bare:
        names, folder = read_names(context.repo), _folder_in_repository(context.repo, context.root)
        found += [*name_findings(names, folder), *history_findings(names, folder)]
    code = Exit.USAGE if has_errors(found) else Exit.OK
    return Outcome(ValidateReport(reading.files, reading.counts), tuple(found), exit_code_override=code)


def _folder_in_repository(repo: Repository, root: Path) -> str:
    return root.resolve().relative_to(repo.root.resolve()).as_posix()
