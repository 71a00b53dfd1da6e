"""What a change affects in one project, as the report that `ci affected` and `ci projects` give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_ci.core.results.impact import AffectedItem, AffectedReport
from mlops_ci.evaluation.impact.analysis import ImpactAnalysis, ImpactReasons
from mlops_ci.evaluation.impact.changes import ChangeStart, changes, find_change_start
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import select_models
from mlops_ci.spec.read_apart import is_read_apart


def measure_impact(project: Project, models: tuple[str, ...] = (), base: str | None = None) -> AffectedReport:
    """Return the models and datasets that the change since `base` affects; `models`, if given, are the result.

    Raises UsageProblem for a model without a spec, and EnvironmentProblem `base-missing` when the base is not in this clone.
    """
    if models:
        return _report_without_diff(
            project, select_models(project, models), "named on the command line", "the models were named"
        )
    repo, every = project.context.repo, tuple(project.specs.models)
    if repo is None:
        why = "this is not a git repository"
        return _report_without_diff(project, every, f"every model is affected: {why}", why)
    start = find_change_start(project, repo, base)
    if isinstance(start, str):
        return _report_without_diff(project, every, f"every model is affected: {start}", start)
    found = [ImpactAnalysis(project, repo, changes(repo, one, project.context.job), one).run() for one in start.commits]
    return _build_report(project, start, found)


def is_folder_touched(project: Project, folder: str, base: str | None = None) -> bool:
    """Return whether the change since `base` touches a file below a folder of the repository; True if its start is unknown."""
    repo = project.context.repo
    start = find_change_start(project, repo, base) if repo else ""
    if repo is None or isinstance(start, str):
        return True
    paths = (one.path for commit in start.commits for one in changes(repo, commit, project.context.job))
    return folder == "." or any(path.startswith(f"{folder}/") for path in paths)


def _build_report(project: Project, start: ChangeStart, found: list[ImpactReasons]) -> AffectedReport:
    specs, everything = project.specs, [reason for one in found for reason in one.everything]
    models = {name: [*everything, *_merge_reasons(name, (one.models for one in found))] for name in specs.models}
    datasets = {name: [*everything, *_merge_reasons(name, (one.datasets for one in found))] for name in specs.datasets}
    return AffectedReport(
        tuple(_affected_model(project, name, reasons) for name, reasons in models.items() if reasons),
        tuple(AffectedItem(name, tuple(dict.fromkeys(reasons))) for name, reasons in datasets.items() if reasons),
        tuple(dict.fromkeys(name for one in found for name in one.removed_specs)),
        len(specs.models),
        compared=str(start),
        commits=start.commits,
    )


def _merge_reasons(name: str, found: Iterable[Mapping[str, Mapping[str, None]]]) -> list[str]:
    return [reason for one in found for reason in one.get(name, ())]


def _report_without_diff(project: Project, names: Iterable[str], reason: str, because: str) -> AffectedReport:
    models = tuple(_affected_model(project, name, [reason]) for name in names)
    datasets = dict.fromkeys(project.specs.models[model.name].spec.dataset for model in models)
    if len(models) == len(project.specs.models):
        datasets |= dict.fromkeys(project.specs.datasets)
    listed = tuple(AffectedItem(name, (reason,)) for name in datasets)
    return AffectedReport(models, listed, (), len(project.specs.models), because=because)


def _affected_model(project: Project, name: str, reasons: Iterable[str]) -> AffectedItem:
    train = project.specs.models[name].spec.train
    return AffectedItem(name, tuple(dict.fromkeys(reasons)), is_read_apart(train))
