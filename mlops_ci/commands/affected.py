"""`affected`: the models and datasets that a change touches, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.impact import LIMIT, AffectedReport, Touched
from mlops_ci.evaluation.impact.analysis import Reasons, Touching
from mlops_ci.evaluation.impact.changes import Start, changes, start_of
from mlops_ci.repository.context import Project


def affected(project: Project, *, models: tuple[str, ...] = (), base: str | None = None) -> Outcome[AffectedReport]:
    """Return what the change touches since it left `base`, by default what CI says; models that are named are the answer.

    Everything is touched where nothing tells what a change starts from, and the reason is told. Raises UsageProblem for a model
    that has no spec, and EnvironmentProblem `base-missing` when the base is not in this clone.
    """
    if models:
        from mlops_ci.evaluation.candidates.candidate import chosen  # which needs much that a diff does not

        return _told(_every(project, chosen(project, models), "it was asked for", "the models were named"))
    repo, every = project.context.repo, tuple(project.specs.models)
    if repo is None:
        why = "this is no git repository"
        return _told(_every(project, every, f"everything counts: {why}", why))
    start = start_of(project, repo, base)
    if isinstance(start, str):
        return _told(_every(project, every, f"everything counts: {start}", start))
    found = [Touching(project, repo, changes(repo, one, project.context.job), one).reasons() for one in start.commits]
    return _told(_report(project, start, found))


def _report(project: Project, start: Start, found: list[Reasons]) -> AffectedReport:
    specs, everything = project.specs, [reason for one in found for reason in one.everything]
    models = {name: [*everything, *_of(name, (one.models for one in found))] for name in specs.models}
    datasets = {name: [*everything, *_of(name, (one.datasets for one in found))] for name in specs.datasets}
    return AffectedReport(
        tuple(_touched(project, name, reasons) for name, reasons in models.items() if reasons),
        tuple(Touched(name, tuple(dict.fromkeys(reasons))) for name, reasons in datasets.items() if reasons),
        tuple(dict.fromkeys(name for one in found for name in one.removed)),
        len(specs.models),
        compared=str(start),
        commits=start.commits,
    )


def _of(name: str, found: Iterable[Mapping[str, Mapping[str, None]]]) -> list[str]:
    return [reason for one in found for reason in one.get(name, ())]


def _every(project: Project, names: Iterable[str], reason: str, because: str) -> AffectedReport:
    models = tuple(_touched(project, name, [reason]) for name in names)
    datasets = dict.fromkeys(project.specs.models[model.name].spec.dataset for model in models)
    if len(models) == len(project.specs.models):
        datasets |= dict.fromkeys(project.specs.datasets)
    listed = tuple(Touched(name, (reason,)) for name in datasets)
    return AffectedReport(models, listed, (), len(project.specs.models), because=because)


def _touched(project: Project, name: str, reasons: Iterable[str]) -> Touched:
    train = project.specs.models[name].spec.train
    custom = bool(train.entrypoint or train.trusted)  # as `arrivals.own_code` has it
    return Touched(name, tuple(dict.fromkeys(reasons)), custom)


def _told(report: AffectedReport) -> Outcome[AffectedReport]:
    if len(report.models) <= LIMIT:
        return Outcome(report)
    most = max(map(len, report.batches))
    note = Diagnostic(
        "affected-batched",
        f"{len(report.models):,} models are touched, and a matrix of GitHub has at most {LIMIT} jobs:"
        f" the output `matrix` has {len(report.batches)} batches of up to {most} models",
        help="let a job take a whole batch: mlops-ci train ${{ matrix.models }} through an `env:` variable",
        severity="note",
    )
    return Outcome(report, (note,))
