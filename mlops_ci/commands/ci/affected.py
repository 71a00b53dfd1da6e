"""`ci affected`: lists the models and datasets that a change affects, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.impact import MATRIX_LIMIT, AffectedItem, AffectedReport
from mlops_ci.core.verbs import ALL_SURFACES, ActionOutput, Option, Verb
from mlops_ci.evaluation.impact.analysis import ImpactAnalysis, ImpactReasons
from mlops_ci.evaluation.impact.changes import ChangeStart, changes, find_change_start
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import select_models
from mlops_ci.spec.read_apart import is_read_apart

SPEC = Verb(
    "affected",
    "List the models and datasets that a change affects, and why.",
    (
        Option(
            "models", "Models to report without looking at the change.", positional=True, multiple=True, metavar="MODEL"
        ),
        Option(
            "base",
            "The branch, tag or commit to compare with; by default, the commit that CI names as the start of the change, or"
            " else the target branch.",
            metavar="REF",
        ),
    ),
    formats=("text", "json", "github", "markdown"),
    surfaces=ALL_SURFACES,
    icon="git-pull-request",
    details="Compares with the merge base, so that other people's merges do not count. Outside CI, uncommitted changes count as well."
    " If the start of the change is unknown, every model is affected.",
    outputs=(
        ActionOutput("models", "The affected models: a JSON list of names."),
        ActionOutput("datasets", "The affected datasets: a JSON list of names."),
        ActionOutput(
            "custom",
            "The affected models that run the repository's own code, whose specs trust additional types, or that are of XGBoost or LightGBM: a JSON list of names.",
        ),
        ActionOutput("any", "true if a model is affected, otherwise false."),
        ActionOutput("count", "The number of affected models."),
        ActionOutput(
            "matrix",
            "The affected models for a job matrix: a JSON list of at most 256 entries; an entry is one or more names, separated by spaces.",
        ),
    ),
    group="ci",
    asks=True,
)


def affected(project: Project, *, models: tuple[str, ...] = (), base: str | None = None) -> Outcome[AffectedReport]:
    """Return the models and datasets that the change since `base` affects; by default, CI names the base.

    If `models` are given, they are the result. If the start of the change is unknown, every model is affected, and the report
    gives the reason. Raises UsageProblem for a model without a spec, and EnvironmentProblem `base-missing` when the base is
    not in this clone.
    """
    if models:
        return _report_outcome(
            _report_without_diff(
                project, select_models(project, models), "named on the command line", "the models were named"
            )
        )
    repo, every = project.context.repo, tuple(project.specs.models)
    if repo is None:
        why = "this is not a git repository"
        return _report_outcome(_report_without_diff(project, every, f"every model is affected: {why}", why))
    start = find_change_start(project, repo, base)
    if isinstance(start, str):
        return _report_outcome(_report_without_diff(project, every, f"every model is affected: {start}", start))
    found = [ImpactAnalysis(project, repo, changes(repo, one, project.context.job), one).run() for one in start.commits]
    return _report_outcome(_build_report(project, start, found))


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


def _report_outcome(report: AffectedReport) -> Outcome[AffectedReport]:
    if len(report.models) <= MATRIX_LIMIT:
        return Outcome(report)
    most = max(map(len, report.batches))
    note = Diagnostic(
        "affected-batched",
        f"{len(report.models):,} models are affected, but a GitHub matrix has at most {MATRIX_LIMIT} jobs: the output"
        f" `matrix` has {len(report.batches)} batches of up to {most} models",
        help="let each job train a whole batch: mlops-ci train ${{ matrix.models }}, through an `env:` variable",
        severity="note",
    )
    return Outcome(report, (note,))
