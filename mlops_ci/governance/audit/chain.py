"""The chain of a model's records: each names the one before it, later than it, and is about what its tag's name says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.records import EventRef
from mlops_ci.governance.audit.inventory import Holdings
from mlops_ci.registry.statement import record_of, statement_in
from mlops_ci.repository.ref_listing import TAGS


def breaks(held: Holdings, *, signing: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong with a model's records and their order; where signing is required, tags of others count too."""
    yield from _records(held)
    yield from _foreign(held, strict=signing)
    yield from _links(held)
    yield from _dates(held)


def _records(held: Holdings) -> Iterator[Diagnostic]:
    logged = {entry.tag for entry in held.log}
    for event in held.state.events:
        if event.name in held.records or not (held.claims(event) or event.name in logged):
            continue
        yield Diagnostic(
            "audit-record-invalid",
            f"tag {event.name} {_why(event.contents)}",
            help="it was edited or made by something else: compare with another clone (git ls-remote)",
            about=f"{TAGS}{event.name}",
        )


def _why(contents: str) -> str:
    statement = statement_in(contents)
    if statement is None:
        return "holds no record"
    try:
        record_of(statement)
    except DecodeError as error:
        return f"holds a record that cannot be read: {error}"
    return "holds a record of something else than its name and commit say"


def _foreign(held: Holdings, *, strict: bool) -> Iterator[Diagnostic]:
    """Yield tags without a record. What another tool made before our first event is history; what it made since, is not ours."""
    started = min((event.date for event in held.state.events if event.name in held.records), default=None)
    logged = {entry.tag for entry in held.log}
    for name in held.tags:
        event = held.events.get(name)
        if name in logged or (event is not None and held.claims(event)):
            continue
        before = event is not None and (started is None or event.date <= started)
        severity: Severity = "note" if before and not strict else "error"
        yield Diagnostic(
            "audit-tag-foreign",
            f"tag {name} has no record: {'another tool made it' if before else 'it was made beside the log'}",
            help="nothing vouches for it: delete it, or release with mlops-ci what it stands for"
            if severity == "error"
            else None,
            severity=severity,
            about=f"{TAGS}{name}",
        )


def _links(held: Holdings) -> Iterator[Diagnostic]:
    before = {entry.tag: held.log[at - 1].ref if at else None for at, entry in enumerate(held.log)}
    first: dict[str, str] = {}
    for event in held.sequence:
        record = held.records.get(event.name)
        if record is None:
            continue
        said, wanted = record.previous, before.get(event.name)
        about = f"{TAGS}{event.name}"
        if said is not None and said.oid in first:
            yield Diagnostic(
                "audit-chain-forked",
                f"{event.name} and {first[said.oid]} both say that they follow {said.name}",
                help="one of the two was made beside the log: compare with another clone, and delete the one that it does not have",
                about=about,
            )
        elif event.name in before and said != wanted and not (wanted is None and _made_elsewhere(held, said)):
            yield Diagnostic(
                "audit-chain-broken",
                f"{event.name} says that it follows {_called(said)}, and in the log it follows {_called(wanted)}",
                help="an event was taken out, put in or replaced: compare with another clone",
                about=about,
            )
        if said is not None:
            first.setdefault(said.oid, event.name)


def _made_elsewhere(held: Holdings, ref: EventRef | None) -> bool:
    """Tell whether a tag is one of another tool, which the first event of ours may follow."""
    event = held.events.get(ref.name) if ref else None
    return event is not None and ref is not None and event.oid == ref.oid and event.name not in held.records


def _called(ref: EventRef | None) -> str:
    return f"{ref.name} ({ref.oid[:10]})" if ref else "nothing"


def _dates(held: Holdings) -> Iterator[Diagnostic]:
    dated = [held.events[entry.tag] for entry in held.log if entry.tag in held.events]
    for earlier, later in pairwise(dated):
        if later.date <= earlier.date:
            yield Diagnostic(
                "audit-date-order",
                f"{later.name} is dated no later than {earlier.name}, which the log has before it",
                help="it was backdated, or replaced: tools that sort by date would show another order than the log's",
                about=f"{TAGS}{later.name}",
            )
