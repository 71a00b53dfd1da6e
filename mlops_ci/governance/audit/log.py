"""Audit of a model's log against its tags, in both directions: every event is in both, and the log is one line."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.codec import decode_json
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.governance.audit.inventory import LogEntry, ModelInventory
from mlops_ci.registry.events import parse_event_name
from mlops_ci.repository.ref_listing import LOG_PREFIX, TAG_PREFIX

_REWRITTEN_HELP = (
    "the registry was rewritten: compare with another clone (git ls-remote), and restore the original refs from a clone that"
    " has them"
)


def breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    """Yield the differences between a model's log and its tags, and the faults in the log itself."""
    yield from _shape_breaks(held)
    told: set[str] = set()
    for entry in held.log:
        if entry.tag in told:
            yield _malformed_finding(held, entry, f"repeats the tag {entry.tag}")
        told.add(entry.tag)
        yield from _entry_breaks(held, entry)
    for event in held.state.events:
        if event.name not in told and held.claims_record(event) and held.log:
            yield Diagnostic(
                "audit-tag-unlogged",
                f"tag {event.name} is not in the log of '{held.model}'",
                help="another tool wrote the tag, or entries were removed from the log: compare with another clone (git ls-remote)",
                about=f"{TAG_PREFIX}{event.name}",
            )


def _shape_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    ref = f"{LOG_PREFIX}{held.model}"
    if not held.log and any(held.claims_record(event) for event in held.state.events):
        yield Diagnostic(
            "audit-log-missing",
            f"'{held.model}' has events, but this clone has no {ref}"
            if held.state.log is None
            else f"{ref} is not a log",
            help="`git clone` does not fetch the log: git fetch origin 'refs/mlops/*:refs/mlops/*'. If the remote does not have it"
            " either, it was deleted: restore it from another clone",
            about=ref,
        )
    elif held.is_incomplete:
        yield Diagnostic(
            "audit-log-malformed",
            f"{ref} is incomplete: its first event is missing",
            help="this clone is shallow (git fetch --unshallow), or the log was replaced",
            about=ref,
        )


def _entry_breaks(held: ModelInventory, entry: LogEntry) -> Iterator[Diagnostic]:
    if len(entry.parents) > 1:
        yield _malformed_finding(
            held, entry, f"has {len(entry.parents)} parents, but a commit of a log has at most one"
        )
    if entry.ref is None or entry.ref.name != entry.title:
        said = "no tag" if entry.ref is None else entry.ref.name
        yield _malformed_finding(held, entry, f"has the title {entry.title!r:.80} but names {said}")
        return
    name = parse_event_name(f"{TAG_PREFIX}{entry.ref.name}")
    if name is None or name.model != held.model:
        yield _malformed_finding(held, entry, f"names {entry.ref.name}, which is not an event of this model")
        return
    oid = held.tags.get(entry.ref.name)
    about = f"{TAG_PREFIX}{entry.ref.name}"
    if oid is None:
        yield Diagnostic(
            "audit-tag-missing",
            f"tag {entry.ref.name} is in the log of '{held.model}', but the tag was deleted",
            help=f"{_REWRITTEN_HELP}; the tag's object was {entry.ref.oid}",
            about=about,
        )
    elif oid != entry.ref.oid:
        yield Diagnostic(
            "audit-tag-moved",
            f"tag {entry.ref.name} is object {oid[:10]}, but the log of '{held.model}' names {entry.ref.oid[:10]}",
            help=_REWRITTEN_HELP,
            about=about,
        )
    elif why := _disagreement(held, entry):
        yield Diagnostic(
            "audit-log-disagrees",
            f"commit {entry.oid[:10]} of {LOG_PREFIX}{held.model} {why} {entry.ref.name}",
            help=_REWRITTEN_HELP,
            about=about,
        )


def _disagreement(held: ModelInventory, entry: LogEntry) -> str | None:
    record = held.records.get(entry.tag)
    if record is None:
        return None  # the tag itself is at fault
    if entry.record is None:
        return "lacks the record of"
    try:
        same = decode_json(type(record), entry.record) == record
    except ValueError:  # DecodeError is a ValueError; a path outside its folder raises one too
        same = False
    return None if same else "has a record that differs from the record of the tag"


def _malformed_finding(held: ModelInventory, entry: LogEntry, why: str) -> Diagnostic:
    return Diagnostic(
        "audit-log-malformed",
        f"commit {entry.oid[:10]} of {LOG_PREFIX}{held.model} {why}",
        help=_REWRITTEN_HELP,
        about=f"{LOG_PREFIX}{held.model}",
    )
