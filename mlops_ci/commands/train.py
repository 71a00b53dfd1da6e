"""`train`: fits and packages a candidate, or finds the stored run if no input of the training has changed."""

from __future__ import annotations

from mlops_ci.core.diagnostics import has_errors
from mlops_ci.core.plan import Outcome, Plan, Stages
from mlops_ci.core.results.gate import TrainedCandidate, TrainReport
from mlops_ci.core.verbs import ALL_SURFACES, DETERMINISM_OPTION, MODELS_OPTION, Option, Verb
from mlops_ci.evaluation.pipeline import ModelOutcome, train_model
from mlops_ci.registry.run_store import run_ref, store_target
from mlops_ci.registry.run_transfer import BUNDLE_TARGET, plan_bundle
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository, select_models

SPEC = Verb(
    "train",
    "Fit, package and store a candidate.",
    (
        MODELS_OPTION,
        Option("explain", "Explain why a stored run was used, or why it was not used.", kind="flag"),
        DETERMINISM_OPTION,
        Option(
            "out",
            "Also write the runs to FILE (a git bundle), for another job.",
            kind="path",
            metavar="FILE",
        ),
    ),
    writes=True,
    surfaces=ALL_SURFACES,
    icon="cpu",
    trains=True,
)


def train(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    explain: bool = False,
    check_determinism: bool = False,
    out: str | None = None,
) -> Stages[Outcome[TrainReport]]:
    """Train the named models, or all, unless their runs are already stored; `explain` reports the reason in full.

    `out` is a file (a git bundle) that takes the runs to another job. With `check_determinism`, each model is fitted twice;
    if the two models differ, that is a finding, and the run is not stored. Raises UsageProblem for a model without a spec,
    and Findings when the checks refuse its data or the training fails.
    """
    require_repository(project.context.repo)  # fails before anything is trained
    store = BUNDLE_TARGET if out else store_target(project.specs.project.spec)
    outcomes: list[ModelOutcome] = []
    for name in select_models(project, models):
        outcome = yield from train_model(project, name, store, explain=explain, check_determinism=check_determinism)
        outcomes.append(outcome)
    found = tuple(dict.fromkeys(item for one in outcomes for item in one.findings))
    trained = [one.trained for one in outcomes if one.trained is not None]
    plan = Plan(tuple(write for one in outcomes for write in one.plan.writes))
    if out and has_errors(found):
        plan = Plan()  # nothing is handed to another job
    elif out:
        refs = [run_ref(one.run.model, one.run.key) for one in trained]
        plan = plan_bundle(plan, refs, project.context.start_folder / out)
    report = TrainReport(tuple(TrainedCandidate(one.run, one.fitted, one.why) for one in trained))
    return Outcome(report, found, plan)
