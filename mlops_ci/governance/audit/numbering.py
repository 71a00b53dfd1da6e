"""Audit of the numbering: versions rise by one step, event numbers have no gaps, and assignments match their releases."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.events import EventName, next_versions, parse_event_name, version_key
from mlops_ci.repository.ref_listing import TAG_PREFIX

_NUMBERING_HELP = "the tag was written by hand, or an event was removed: compare with another clone (git ls-remote)"


def breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    """Yield the faults in a model's versions, in the numbers of its other events, and in the releases that these name."""
    names = _event_names(held)
    yield from _version_breaks(names, held)
    yield from _number_breaks(names, held)
    yield from _commit_breaks(held)
    yield from _assignment_breaks(held)


def _event_names(held: ModelInventory) -> tuple[tuple[str, EventName], ...]:
    """Return the names of all events in order: foreign tags, the log's entries (also of deleted tags), then unlogged tags."""
    logged = dict.fromkeys(entry.tag for entry in held.log)
    foreign = [
        event.name for event in held.ordered_events if event.name not in logged and not held.claims_record(event)
    ]
    others = [event.name for event in held.ordered_events if event.name not in logged and held.claims_record(event)]
    every = ((name, parse_event_name(f"{TAG_PREFIX}{name}")) for name in (*foreign, *logged, *others))
    return tuple((tag, name) for tag, name in every if name is not None and name.model == held.model)


def _version_breaks(names: tuple[tuple[str, EventName], ...], held: ModelInventory) -> Iterator[Diagnostic]:
    highest: str | None = None
    unverified = held.unverified_tags
    for tag, name in names:
        if name.kind != "release" or name.version is None:
            continue
        wanted = next_versions(highest)
        if name.version not in wanted and tag in held.records:
            before = f"the highest version before it was v{highest}" if highest else "no version came before it"
            yield Diagnostic(
                "audit-version-step",
                f"{tag} is out of sequence: {before}, so {' or '.join(wanted)} was expected",
                help=_NUMBERING_HELP,
                about=f"{TAG_PREFIX}{tag}",
            )
        if tag in unverified and name.version not in wanted:
            continue  # a forged tag may have any version, and what follows it is counted without it
        if highest is None or version_key(name.version) > version_key(highest):
            highest = name.version


def _number_breaks(names: tuple[tuple[str, EventName], ...], held: ModelInventory) -> Iterator[Diagnostic]:
    taken: dict[int, str] = {}
    unverified = held.unverified_tags
    # an honest event leaves out the numbers that tags have which are no events, or do not verify
    blocked = {name.number for name in held.state.occupied} | {name.number for tag, name in names if tag in unverified}
    for tag, name in names:
        if not name.number:
            continue
        expected = max(taken, default=0) + 1
        while expected < name.number and expected in blocked and tag not in unverified:
            expected += 1
        if name.number in taken:
            yield Diagnostic(
                "audit-number-repeated",
                f"{tag} has the same number as {taken[name.number]}",
                help=_NUMBERING_HELP,
                about=f"{TAG_PREFIX}{tag}",
            )
        elif name.number != expected:
            yield Diagnostic(
                "audit-number-skipped",
                f"{tag} has number {name.number}, but number {expected} was expected",
                help=_NUMBERING_HELP,
                about=f"{TAG_PREFIX}{tag}",
            )
        if tag not in unverified or name.number == expected:
            taken.setdefault(name.number, tag)


def _commit_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    holders: dict[str, str] = {}
    for event in held.ordered_events:
        if event.kind != "release" or event.name not in held.records:
            continue
        if event.commit in holders:
            yield Diagnostic(
                "audit-commit-shared",
                f"{event.name} is on the same commit as {holders[event.commit]}, but a commit can have only one version of a model",
                help="tools that identify a version by its commit, such as gto, cannot distinguish the two: release from another"
                " commit",
                about=f"{TAG_PREFIX}{event.name}",
            )
        if event.oid not in held.state.unverified:
            holders.setdefault(event.commit, event.name)


def _assignment_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    released: set[str] = set()
    for event in held.ordered_events:
        released.add(event.oid)
        record = held.records.get(event.name)
        if record is None or isinstance(record, Release) or event.kind == "set-aside":
            continue
        target = held.records.get(record.release.name)
        at = held.events.get(record.release.name)
        why = None
        if at is None or at.oid != record.release.oid:
            why = f"names the release {record.release.name} ({record.release.oid[:10]}), which does not exist here"
        elif at.oid not in released:
            why = f"names the release {at.name}, which is newer than this event"
        elif not isinstance(target, Release):
            # a release of another tool can be retired, but it cannot be assigned
            why = f"names {at.name}, which has no release record" if isinstance(record, Assignment) or target else None
        elif different := _differences(record, target):
            why = f"and its release {at.name} differ in {', '.join(different)}"
        if why:
            yield Diagnostic(
                "audit-assignment-differs",
                f"{event.name} {why}",
                help="the assigned version does not match the released version: roll back to a valid version, and compare with another clone",
                about=f"{TAG_PREFIX}{event.name}",
            )


def _differences(record: object, release: Release) -> list[str]:
    """Return the names of the fields in which an assignment or retirement differs from its release."""
    names = ["version", "model_files"]
    if isinstance(record, Assignment):
        names += ["model_digest", "run_key"]
    found = [name.replace("_", " ") for name in names if getattr(record, name) != getattr(release, name)]
    if isinstance(record, Assignment) and record.train_digest != release.data[0].train_digest:
        found.append("train digest")
    return found
