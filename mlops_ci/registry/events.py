"""Events parsed from tag names: the grammar of GTO, with SemVer versions.

Names and order do not need the records, so a record is read only when a command uses it. A listing of a hundred thousand
tags takes little longer than git's own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from mlops_ci.registry.tag_message import find_project, find_sentence
from mlops_ci.repository.ref_listing import TAG_PREFIX

if TYPE_CHECKING:  # records are imported when the first one is read: listings need none
    from mlops_ci.core.records.base import EventRef
    from mlops_ci.registry.statement import EventRecord

EventKind = Literal["release", "deregistration", "assignment", "unassignment", "deprecation", "set-aside"]

_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_LABEL = r"(?:0|[1-9][0-9]{0,8}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_LABEL}(?:\.{_LABEL})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
# GTO's grammar, in full, and one kind of event that GTO ignores: `<model>@set-aside#<n>`
_GRAMMAR = re.compile(
    rf"(?P<model>(?:[a-zA-Z0-9_./-]+=)?{_WORD})"
    rf"(?:@v(?P<version>{_SEMVER})(?P<gone>!)?|\#(?P<environment>{_WORD})(?P<left>!)?|@deprecated|@(?P<aside>set-aside))"
    r"(?:\#(?P<number>[0-9]{1,9}))?"
)
# the order in which GTO reads events with the same date
EVENT_RANKS: dict[EventKind, int] = {
    "deprecation": 0,
    "release": 1,
    "deregistration": 2,
    "assignment": 3,
    "unassignment": 4,
    "set-aside": 5,
}


class EventName(NamedTuple):
    """The parts of an event's tag name."""

    kind: EventKind
    model: str
    version: str | None
    environment: str | None
    number: int


class Event(NamedTuple):
    """One event tag: it registers a version, assigns one to an environment, reverts either, or sets another event aside.

    The `version` of an assignment is the version registered on its commit, if there is exactly one; else the version in its record;
    else the commit.
    `model` is the model's name in GTO: `folder:name` for a tag named `folder=name`. The class is a tuple because a registry
    can have a hundred thousand events.
    """

    kind: EventKind
    name: str
    oid: str
    model: str
    version: str
    commit: str
    actor: str
    date: int
    environment: str | None
    number: int
    contents: str
    address: str = ""  # the tagger's e-mail address

    @property
    def ref(self) -> EventRef:
        """The tag's name and object id."""
        from mlops_ci.core.records.base import EventRef

        return EventRef(self.name, self.oid)

    @property
    def record(self) -> EventRecord | None:
        """The record in the tag's message; None when there is none, or when it does not match the tag's name or commit."""
        return _read_record(self)

    @property
    def project(self) -> tuple[str, str] | None:
        """The name and folder of the project that the record names; None without a record."""
        named = find_project(self.contents)
        if named is None and find_sentence(self.contents) is not None and self.record is not None:
            named = (
                self.record.project.name,
                self.record.project.path,
            )  # a folder whose name JSON writes with a backslash
        return named

    @property
    def is_rollback(self) -> bool:
        """Whether the event is a rollback to an earlier version."""
        from mlops_ci.core.records.events import Assignment

        return isinstance(self.record, Assignment) and self.record.rollback_of is not None


def parse_event_name(ref: str) -> EventName | None:
    """Return the parts of an event's ref name; None for a ref that is not an event."""
    match = _GRAMMAR.fullmatch(ref, len(TAG_PREFIX)) if ref.startswith(TAG_PREFIX) else None
    if match is None:
        return None
    named, version, gone, environment, left, aside, number = match.groups()
    model, count = named.replace("=", ":"), int(number or 0)
    if version:
        return EventName("deregistration" if gone else "release", model, version, None, count)
    if environment:
        return EventName("unassignment" if left else "assignment", model, None, environment, count)
    return EventName("set-aside" if aside else "deprecation", model, None, None, count)


def next_version(latest: str | None, bump: Literal["major", "minor", "patch"]) -> str:
    """Return the SemVer version after `latest`; the first release is 1.0.0."""
    if latest is None:
        return "1.0.0"
    major, minor, patch = (int(part) for part in re.split(r"[-+]", latest)[0].split("."))
    return {"major": f"{major + 1}.0.0", "minor": f"{major}.{minor + 1}.0", "patch": f"{major}.{minor}.{patch + 1}"}[
        bump
    ]


def next_versions(latest: str | None) -> tuple[str, ...]:
    """Return the versions that can follow `latest`."""
    steps: tuple[Literal["major", "minor", "patch"], ...] = ("major", "minor", "patch")
    return tuple(dict.fromkeys(next_version(latest, step) for step in steps))


class _LabelRank(NamedTuple):
    """The sort key of one pre-release label: numbers come before words."""

    is_word: bool
    number: int
    word: str


class VersionKey(NamedTuple):
    """The sort key of a version: SemVer's precedence."""

    major: int
    minor: int
    patch: int
    is_final: bool
    labels: tuple[_LabelRank, ...]


def version_key(version: str) -> VersionKey:
    """Return the sort key of a version: SemVer's precedence, in which pre-releases come before their release."""
    core, _, labels = version.partition("+")[0].partition("-")
    major, minor, patch = (int(part) for part in core.split("."))
    ranks = ((False, int(label), "") if label.isdigit() else (True, 0, label) for label in labels.split(".") if label)
    return VersionKey(major, minor, patch, not labels, tuple(_LabelRank(*rank) for rank in ranks))


@lru_cache(maxsize=4096)
def _read_record(event: Event) -> EventRecord | None:
    from mlops_ci.core.codec import DecodeError
    from mlops_ci.registry.statement import decode_event_record, parse_statement

    statement = parse_statement(event.contents)
    if statement is None:
        return None
    try:
        record = decode_event_record(statement)
    except DecodeError:
        return None
    return record if _matches_event(record, event) else None


def _matches_event(record: EventRecord, event: Event) -> bool:
    """Return whether a record matches its tag's name and commit."""
    from mlops_ci.core.records.events import Assignment, Release

    said: tuple[object, ...] = (record.model, record.version)
    told: tuple[object, ...] = (event.model, event.version or record.version)
    if isinstance(record, Release):
        return (*said, "release", record.commit) == (*told, event.kind, event.commit)
    kind = "assignment" if isinstance(record, Assignment) else record.event
    return (*said, kind, record.environment, record.number) == (*told, event.kind, event.environment, event.number)
