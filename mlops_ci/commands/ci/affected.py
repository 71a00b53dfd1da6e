"""`ci affected`: lists the models and datasets that a change affects, and why."""

from __future__ import annotations

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.impact import MATRIX_LIMIT, AffectedReport
from mlops_ci.core.verbs import ALL_SURFACES, ActionOutput, Option, Verb
from mlops_ci.evaluation.impact.report import measure_impact
from mlops_ci.repository.context import Project

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
    report = measure_impact(project, models, base)
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
