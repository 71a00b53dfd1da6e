"""`compare`: scores candidate and champion on the same holdout rows of today's data, and applies the gate to them."""

from __future__ import annotations

from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.results.gate import CompareReport
from mlops_ci.core.verbs import ALL_SURFACES, BASE_OPTION, FETCH_PERMISSION, MODELS_OPTION, Verb
from mlops_ci.evaluation.base_branch_rules import find_base
from mlops_ci.evaluation.holdout.budget import plan_publish
from mlops_ci.evaluation.pipeline import ModelOutcome, Pipeline, compare_model, verdict_exit_code
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.run_store import store_target
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository, select_models

SPEC = Verb(
    "compare",
    "Score candidate and champion on the same holdout.",
    (MODELS_OPTION, BASE_OPTION),
    writes=True,
    syncs="try",
    surfaces=ALL_SURFACES,
    permissions=(FETCH_PERMISSION,),
    icon="bar-chart-2",
    judges=True,
    lists_requirements=True,
)


def compare(project: Project, *, models: tuple[str, ...] = (), base: str | None = None) -> Outcome[CompareReport]:
    """Evaluate the trained candidates of the named models, or of all, by the rules of `base` (see `find_base`).

    Raises UsageProblem for a model without a spec, and Findings when the checks refuse its data or it has not been trained.
    """
    repo = require_repository(project.context.repo)
    store = store_target(project.specs.project.spec)
    names = select_models(project, models)
    verified = verify_project(project, *names)
    pipeline = Pipeline(project, repo, verified.state, store, project.context.trust, base=find_base(project, base))
    outcomes: list[ModelOutcome] = []
    for name in names:
        pending = [question for one in outcomes for question in one.questions]
        outcomes.append(compare_model(pipeline, name, pending))
    found = tuple(dict.fromkeys((*verified.warnings(*names), *(item for one in outcomes for item in one.findings))))
    plan = plan_publish(
        project,
        Plan(tuple(write for one in outcomes for write in one.plan.writes)),
        [question for one in outcomes for question in one.questions],
    )
    report = CompareReport(tuple(one.comparison for one in outcomes if one.comparison is not None))
    return Outcome(report, found, plan, verdict_exit_code(outcomes))
