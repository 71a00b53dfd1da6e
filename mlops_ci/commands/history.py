"""`history`: lists every event, newest first."""

from __future__ import annotations

from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.registry import HistoryReport
from mlops_ci.core.verbs import AT_OPTION, Option, Verb
from mlops_ci.governance.query_registry import read_verified_registry
from mlops_ci.registry import views
from mlops_ci.registry.point_in_time import state_at
from mlops_ci.repository.context import Workspace
from mlops_ci.repository.project_identity import find_identity

SPEC = Verb(
    "history",
    "List every event, newest first.",
    (Option("model", "A model; by default all.", positional=True, metavar="MODEL"), AT_OPTION),
    needs="repository",
    syncs="gaps",
)


def history(place: Workspace, *, model: str | None = None, at: str | None = None) -> Outcome[HistoryReport]:
    """Return the events of one model, or of all models; in a project's folder, of that project's models.

    The events of each model are in the order of its log; events of different models are interleaved by date. `at` selects a
    past state of the registry. Raises UsageProblem for a model without any record, and for an `at` that is neither a time
    nor a commit. Raises Findings for a model of another project.
    """
    now, unverified = read_verified_registry(
        place.repo, find_identity(place.repo, place.start_folder), *([model] if model else [])
    )
    registry = now
    moment = None
    if at is not None:
        registry, moment = state_at(place.repo, now, at)
    if model:
        now.require_model(model)
    return Outcome(views.history_view(registry, model, moment), (*now.gap_warnings, *unverified))
