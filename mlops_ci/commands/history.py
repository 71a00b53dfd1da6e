"""`history`: every event, the newest first."""

from __future__ import annotations

from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.registry import HistoryReport
from mlops_ci.registry import views as overview
from mlops_ci.registry.state import read
from mlops_ci.repository.context import Place


def history(place: Place, *, model: str | None = None, at: str | None = None) -> Outcome[HistoryReport]:
    """Return a model's events, or all; each model's own are in the order of its log, and models are interleaved by date.

    `at` takes the registry as it was. Raises UsageProblem for a model of which nothing is recorded, and for an `at` that is
    neither a time nor a commit.
    """
    registry = now = read(place.repo)
    moment = None
    if at is not None:
        from mlops_ci.registry.point_in_time import as_it_was

        registry, moment = as_it_was(place.repo, now, at)
    if model:
        now.known(model)
    return Outcome(overview.events(registry, model, moment), now.gaps)
