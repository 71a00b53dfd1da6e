"""`history`: every event, the newest first."""

from __future__ import annotations

import time

from mlops_ci.message import rollback_in, sentence_in
from mlops_ci.outcomes.registry import EventRow, HistoryReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Place
from mlops_ci.registry import Event, read

_NAMES = {
    "assignment": "deploy",
    "unassignment": "undeploy",
    "deregistration": "retire",
    "deprecation": "deprecate",
}


def history(place: Place, *, model: str | None = None, at: str | None = None) -> Outcome[HistoryReport]:
    """Return a model's events, or all; each model's own are in the order of its log, and models are interleaved by date.

    `at` takes the registry as it was. Raises UsageProblem for a model of which nothing is recorded, and for an `at` that is
    neither a time nor a commit.
    """
    registry = now = read(place.repo)
    moment = None
    if at is not None:
        from mlops_ci.past import as_it_was

        registry, moment = as_it_was(place.repo, now, at)
    if model:
        now.known(model)
    states = [registry.model(model)] if model else registry.models.values()
    events = [(event, place) for state in states for place, event in enumerate(state.events)]
    events.sort(key=lambda item: (item[0].date, item[1]), reverse=True)
    return Outcome(HistoryReport(tuple(_row(event) for event, _ in events), moment), now.gaps)


def _row(event: Event) -> EventRow:
    sentence = sentence_in(event.contents)
    return EventRow(
        on=time.strftime("%Y-%m-%d %H:%M", time.gmtime(event.date)),
        model=event.model,
        event="rollback"
        if event.kind == "assignment" and rollback_in(event.contents)
        else _NAMES.get(event.kind, event.kind),
        version=event.version,
        environment=event.environment,
        tag=event.name,
        commit=event.commit[:10],
        actor=event.actor,
        sentence="no record" if sentence is None else sentence,
    )
