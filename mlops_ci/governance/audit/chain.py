"""Audit of the chain of a model's records: each names the previous record, has a later date and matches its tag's name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.records.base import EventRef
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.statement import decode_event_record, parse_statement
from mlops_ci.repository.ref_listing import TAG_PREFIX


def breaks(held: ModelInventory, *, signing: bool) -> Iterator[Diagnostic]:
    """Yield the faults in a model's records and their order; with `signing`, every tag without a record is an error too."""
    yield from _record_breaks(held)
    yield from _foreign_tag_breaks(held, strict=signing)
    yield from _link_breaks(held)
    yield from _date_breaks(held)


def _record_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    logged = {entry.tag for entry in held.log}
    for event in held.state.events:
        if event.name in held.records or not (held.claims_record(event) or event.name in logged):
            continue
        yield Diagnostic(
            "audit-record-invalid",
            f"tag {event.name} {_record_fault(event.contents)}",
            help="the tag was edited, or another tool wrote it: compare with another clone (git ls-remote)",
            about=f"{TAG_PREFIX}{event.name}",
        )


def _record_fault(contents: str) -> str:
    statement = parse_statement(contents)
    if statement is None:
        return "has no record"
    try:
        decode_event_record(statement)
    except DecodeError as error:
        return f"has a record that cannot be read: {error}"
    return "has a record that does not match the tag's name and commit"


def _foreign_tag_breaks(held: ModelInventory, *, strict: bool) -> Iterator[Diagnostic]:
    """Yield the tags without a record. One from before the first recorded event is a note; a later one is an error."""
    started = min((event.date for event in held.state.events if event.name in held.records), default=None)
    logged = {entry.tag for entry in held.log}
    for name in held.tags:
        event = held.events.get(name)
        if name in logged or (event is not None and held.claims_record(event)):
            continue
        before = event is not None and (started is None or event.date <= started)
        severity: Severity = "note" if before and not strict else "error"
        yield Diagnostic(
            "audit-tag-foreign",
            f"tag {name} has no record: {'another tool wrote it' if before else 'it was written without an entry in the log'}",
            help="the tag has no evidence: delete it, or release this version with mlops-ci"
            if severity == "error"
            else None,
            severity=severity,
            about=f"{TAG_PREFIX}{name}",
        )


def _link_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    before = {entry.tag: held.log[at - 1].ref if at else None for at, entry in enumerate(held.log)}
    first: dict[str, str] = {}
    for event in held.ordered_events:
        record = held.records.get(event.name)
        if record is None:
            continue
        said, wanted = record.previous, before.get(event.name)
        about = f"{TAG_PREFIX}{event.name}"
        if said is not None and said.oid in first:
            yield Diagnostic(
                "audit-chain-forked",
                f"the records of {event.name} and {first[said.oid]} both name {said.name} as their predecessor",
                help="one of the two tags was written without an entry in the log: compare with another clone, and delete the tag that"
                " the other clone does not have",
                about=about,
            )
        elif event.name in before and said != wanted and not (wanted is None and _is_foreign_tag(held, said)):
            yield Diagnostic(
                "audit-chain-broken",
                f"the record of {event.name} names {_ref_text(said)} as its predecessor, but its predecessor in the log is {_ref_text(wanted)}",
                help="an event was removed, inserted or replaced: compare with another clone (git ls-remote)",
                about=about,
            )
        if said is not None:
            first.setdefault(said.oid, event.name)


def _is_foreign_tag(held: ModelInventory, ref: EventRef | None) -> bool:
    """Return whether another tool wrote a tag; the first recorded event may follow such a tag."""
    event = held.events.get(ref.name) if ref else None
    return event is not None and ref is not None and event.oid == ref.oid and event.name not in held.records


def _ref_text(ref: EventRef | None) -> str:
    return f"{ref.name} ({ref.oid[:10]})" if ref else "no event"


def _date_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    dated = [held.events[entry.tag] for entry in held.log if entry.tag in held.events]
    for earlier, later in pairwise(dated):
        if later.date <= earlier.date and earlier.oid not in held.state.unverified:
            yield Diagnostic(
                "audit-date-order",
                f"the date of {later.name} is not later than that of {earlier.name}, the event before it in the log",
                help="the tag was backdated or replaced: tools that sort by date show another order than the log. Compare with"
                " another clone (git ls-remote)",
                about=f"{TAG_PREFIX}{later.name}",
            )
