"""`history`: every event, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops_ci.assignment import known_model
from mlops_ci.outcomes import EventRow, HistoryReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Project
from mlops_ci.records import Assignment, Release
from mlops_ci.registry import Event, read


def history(project: Project, *, model: str | None = None) -> Outcome[HistoryReport]:
    """Return a model's events, or all; each model's own are in the order of its log, and models are interleaved by date."""
    registry = read(project.context.repo)
    names = [known_model(project, registry, model)] if model else list(registry.models)
    events = [(event, place) for name in names for place, event in enumerate(registry.model(name).events)]
    newest_first = sorted(events, key=lambda item: (item[0].date, item[1]), reverse=True)
    return Outcome(HistoryReport(tuple(_row(event) for event, _ in newest_first)))


def _row(event: Event) -> EventRow:
    return EventRow(
        on=datetime.fromtimestamp(event.date, UTC).strftime("%Y-%m-%d %H:%M"),
        model=event.model,
        event=_name(event),
        version=event.version,
        environment=event.environment,
        tag=event.ref.name,
        commit=event.commit[:10],
        actor=event.actor,
        sentence=_sentence(event),
    )


def _name(event: Event) -> str:
    names: dict[str, str] = {"assignment": "deploy", "unassignment": "undeploy"}
    return "rollback" if event.rollback else names.get(event.kind, event.kind)


def _sentence(event: Event) -> str:
    match event.record:
        case Release() as release:
            return release.evidence.sentence
        case Assignment(reason=str() as reason):
            return reason
        case Assignment():
            return ""
        case _:
            return "no record"
