"""What only the records of a model's events say: their order, by the chain in which each names the one before it, and a version."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_ci.registry.events import EVENT_RANKS, Event, EventName
from mlops_ci.repository.refs import Ref


def order_events(events: list[Event], follows: dict[str, str]) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Return the events in the order of the chain, and the object ids of events that are named but missing.

    `follows` maps the object id of an event to that of its predecessor. An event whose predecessor is missing or not
    named (a gap, or another tool's tag) is placed by its date.
    """
    by_date = sorted(events, key=lambda event: (event.date, EVENT_RANKS[event.kind], event.number, event.name))
    known = {event.oid for event in events}
    after: dict[str, list[Event]] = {}
    roots: list[Event] = []
    gaps: list[str] = []
    for event in by_date:
        previous = follows.get(event.oid)
        if previous in known:
            after.setdefault(previous, []).append(event)
        else:
            roots.append(event)
            if previous is not None:
                gaps.append(previous)
    ordered: list[Event] = []
    stack = roots[::-1]
    while stack:
        event = stack.pop()
        ordered.append(event)
        if event.oid in after:
            stack.extend(reversed(after[event.oid]))
    return tuple(ordered), tuple(gaps)


def recorded_version(ref: Ref, name: EventName, there: Sequence[str]) -> str:
    """Return the version of an event on a commit with none or several of them: the record's, else the last one, else the commit.

    Whoever adds a release to the commit of another one so takes nothing from the events of the first.
    """
    place = (ref.peeled or "", "", 0, name.environment, name.number, ref.contents)
    record = Event(name.kind, ref.name, ref.oid, name.model, "", *place).record
    if record is not None:
        return record.version
    return there[-1] if there else (ref.peeled or "") if name.environment else ""
