"""`validate`: checks every spec of the repository, alone and together with the others, and tries their estimators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.core.verbs import ALL_SURFACES, Verb
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from mlops_ci.repository.spec_names import history_findings, name_findings, read_names
from mlops_ci.spec.load import Specs, read_all_specs
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
        found += _trial_findings(context, reading.specs)
    if context.repo is not None and not context.repo.bare:
        names, folder = read_names(context.repo), _folder_in_repository(context.repo, context.root)
        found += [*name_findings(names, folder), *history_findings(names, folder)]
    code = Exit.USAGE if has_errors(found) else Exit.OK
    return Outcome(ValidateReport(reading.files, reading.counts), tuple(found), exit_code_override=code)


def _folder_in_repository(repo: Repository, root: Path) -> str:
    return root.resolve().relative_to(repo.root.resolve()).as_posix()


def _trial_findings(context: Context, specs: Specs) -> Iterator[Diagnostic]:
    """Yield the findings of trying each model's estimator; equal trials run once, and an earlier answer is used again."""
    # imported here: without a model by estimator, none of this is needed
    from mlops_ci.data.cache import read_cache_entry, write_cache_entry

    # the same
    from mlops_ci.training.trial import TrialResult, plan_trial, run_trial

    results: dict[str, TrialResult] = {}
    for name, model in specs.models.items():
        dataset = specs.datasets.get(model.spec.dataset)
        trial = plan_trial(model.spec, dataset.spec) if dataset else None
        if trial is None:
            continue
        key = trial.key
        if key not in results:
            known = read_cache_entry(context.cache, key, TrialResult)
            if known is None:
                context.progress(f"trying the estimator of {name} on generated rows")
                known = run_trial(trial, context.root, context.scratch)
                write_cache_entry(context.cache, key, known)
            results[key] = known
        yield from results[key].findings_at(model)
