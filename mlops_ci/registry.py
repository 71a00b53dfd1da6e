"""The registry: tags to typed events to one state, by a pure fold.

The grammar of tag names is GTO's. Order is that of the chain (each event names the one before it); tags without a record
(written by another tool) come first, by their date and number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops_ci.codec import DecodeError
from mlops_ci.errors import Findings
from mlops_ci.git import Ref, Repository
from mlops_ci.records import Assignment, EventRef, Release
from mlops_ci.statement import record_of, statement_in

TAGS = "refs/tags/"
LOGS = "refs/mlops/log/"

Kind = Literal["release", "deregistration", "assignment", "unassignment", "deprecation"]

_NAME = r"(?P<model>[a-zA-Z0-9](?:[a-zA-Z0-9/_=-]*[a-zA-Z0-9])?)"
_SEMVER = r"(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_STAGE = r"(?P<environment>[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)"
# GTO's grammar, in full
_GRAMMAR: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("release", re.compile(rf"{_NAME}@v(?P<version>{_SEMVER})")),
    ("deregistration", re.compile(rf"{_NAME}@v(?P<version>{_SEMVER})!")),
    ("assignment", re.compile(rf"{_NAME}#{_STAGE}#(?P<number>\d{{1,9}})")),
    ("unassignment", re.compile(rf"{_NAME}#{_STAGE}!#(?P<number>\d{{1,9}})")),
    ("deprecation", re.compile(rf"{_NAME}@deprecated(?:#(?P<number>\d{{1,9}}))?")),
)


@dataclass(frozen=True)
class Event:
    """One tag: a version registered or put into an environment, or either taken back.

    `version` of an assignment is the record's, else the version registered on its commit.
    """

    kind: Kind
    ref: EventRef
    model: str
    version: str
    commit: str
    actor: str
    date: int
    environment: str | None = None
    number: int = 0
    record: Release | Assignment | None = None

    @property
    def rollback(self) -> bool:
        """Whether the event put an earlier version back."""
        return isinstance(self.record, Assignment) and self.record.rollback_of is not None


@dataclass(frozen=True)
class ModelState:
    """One model: its events in order, and what follows from them. `log` is the head of its log, if it has one."""

    model: str
    events: tuple[Event, ...] = ()
    log: str | None = None

    @property
    def releases(self) -> dict[str, Event]:
        """Every version that is registered, oldest first."""
        found: dict[str, Event] = {}
        for event in self.events:
            if event.kind == "release":
                found[event.version] = event
            elif event.kind == "deregistration":
                found.pop(event.version, None)
        return found

    @property
    def latest(self) -> Event | None:
        """The newest release."""
        return next(reversed(self.releases.values()), None)

    @property
    def assigned(self) -> dict[str, Event]:
        """What runs in each environment now."""
        found: dict[str, Event] = {}
        for event in self.events:
            if event.kind == "assignment" and event.environment:
                found[event.environment] = event
            elif event.kind == "unassignment" and event.environment:
                found.pop(event.environment, None)
        return found

    @property
    def highest(self) -> str | None:
        """The highest version ever registered: the next one is counted from it, whatever came last."""
        return max((event.version for event in self.events if event.kind == "release"), key=version_key, default=None)

    @property
    def next_number(self) -> int:
        """The next assignment's number: they are dense over all environments, from 1."""
        return 1 + max((event.number for event in self.events), default=0)

    @property
    def last(self) -> Event | None:
        """The newest event."""
        return self.events[-1] if self.events else None

    @property
    def last_date(self) -> int:
        """The latest tagger date so far, in seconds since 1970; 0 when there is none."""
        return max((event.date for event in self.events), default=0)

    def champion(self, environment: str) -> Event | None:
        """Return the release to beat: the one assigned to the environment, else the newest; None before the first.

        Raises Findings `champion-missing` when the assigned version's tag is not here: that is not "no champion".
        """
        holder = self.assigned.get(environment)
        if holder is not None and holder.version not in self.releases:
            raise Findings.of(
                "champion-missing",
                f"{holder.ref.name} says that v{holder.version} is the champion, and there is no tag {self.model}@v{holder.version}",
                help="fetch the tags (git fetch --tags); if they are gone from the remote too, somebody deleted them",
            )
        return self.releases[holder.version] if holder else self.latest

    def assignments(self, environment: str) -> tuple[Event, ...]:
        """Return the environment's assignments, oldest first."""
        return tuple(event for event in self.events if event.environment == environment and event.kind == "assignment")


@dataclass(frozen=True)
class RegistryState:
    """Every model's state, by name."""

    models: Mapping[str, ModelState] = field(default_factory=dict)

    def model(self, name: str) -> ModelState:
        """Return a model's state; one that has no events is empty."""
        return self.models.get(name, ModelState(name))


def read(repo: Repository | None) -> RegistryState:
    """Return the registry as a clone knows it, from one listing of refs; empty outside a repository."""
    return fold(repo.refs(TAGS, LOGS) if repo else ())


def fold(refs: Iterable[Ref]) -> RegistryState:
    """Turn refs (tags and log heads) into the registry's state. Tags that are not in the grammar are not ours."""
    events: dict[str, list[Event]] = {}
    logs: dict[str, str] = {}
    found: list[tuple[Ref, Kind, re.Match[str]]] = []
    for ref in refs:
        if ref.name.startswith(LOGS):
            logs[ref.name.removeprefix(LOGS)] = ref.oid
        elif ref.type == "tag" and ref.peeled and (named := event_name(ref.name)):
            found.append((ref, *named))
    versions = {(name["model"], ref.peeled): name["version"] for ref, kind, name in found if kind == "release"}
    for ref, kind, name in found:
        if (event := _event(ref, kind, name.groupdict(), versions)) is not None:
            events.setdefault(event.model, []).append(event)
    names = sorted({*events, *logs})
    return RegistryState({name: ModelState(name, _ordered(events.get(name, [])), logs.get(name)) for name in names})


def event_name(ref: str) -> tuple[Kind, re.Match[str]] | None:
    """Return what kind of event a ref's name stands for, and its parts; None for every other ref."""
    name = ref.removeprefix(TAGS)
    if name == ref:
        return None
    matches = ((kind, pattern.fullmatch(name)) for kind, pattern in _GRAMMAR)
    return next(((kind, match) for kind, match in matches if match), None)


def next_version(latest: str | None, bump: Literal["major", "minor", "patch"]) -> str:
    """Return the SemVer that follows `latest`; the first release is 1.0.0."""
    if latest is None:
        return "1.0.0"
    major, minor, patch = (int(part) for part in re.split(r"[-+]", latest)[0].split("."))
    return {"major": f"{major + 1}.0.0", "minor": f"{major}.{minor + 1}.0", "patch": f"{major}.{minor}.{patch + 1}"}[
        bump
    ]


def version_key(version: str) -> tuple[int, int, int]:
    """Return what versions are compared by; pre-releases of other tools' tags count as their release."""
    major, minor, patch = (int(part) for part in re.split(r"[-+]", version)[0].split("."))
    return major, minor, patch


def _event(
    ref: Ref, kind: Kind, name: Mapping[str, str | None], versions: Mapping[tuple[str, str | None], str]
) -> Event | None:
    """Make the event of a tag; None for an assignment whose version nothing tells."""
    model, record = str(name["model"]), _record(ref)
    if record is not None and not _agrees(record, kind, name, ref):
        record = None
    version = name.get("version") or (record.version if record else versions.get((model, ref.peeled)))
    if version is None and kind == "assignment":
        return None
    return Event(
        kind=kind,
        ref=EventRef(ref.name.removeprefix(TAGS), ref.oid),
        model=model,
        version=version or "",
        commit=ref.peeled or "",
        actor=ref.tagger,
        date=ref.date,
        environment=name.get("environment"),
        number=int(name.get("number") or 0),
        record=record,
    )


def _agrees(record: Release | Assignment, kind: Kind, name: Mapping[str, str | None], ref: Ref) -> bool:
    """Tell whether a record is about what its tag's name says, on the commit that the tag is on."""
    if isinstance(record, Release):
        told = ("release", record.model, record.version, record.commit)
        return told == (kind, name["model"], name.get("version"), ref.peeled)
    said = ("assignment", record.model, record.environment, record.number)
    return said == (kind, name["model"], name.get("environment"), int(name.get("number") or 0))


def _record(ref: Ref) -> Release | Assignment | None:
    statement = statement_in(ref.contents)
    if statement is None:
        return None
    try:
        return record_of(statement)
    except DecodeError:
        return None


def _ordered(events: list[Event]) -> tuple[Event, ...]:
    """Order by the chain. Whatever hangs on nothing that is here (a hole, a fork, another tool) keeps its date's place."""
    by_date = sorted(events, key=lambda event: (event.date, event.number, event.ref.name))
    known = {event.ref.oid for event in events}
    after: dict[str, list[Event]] = {}
    roots: list[Event] = []
    for event in by_date:
        previous = event.record.previous if event.record else None
        if previous is not None and previous.oid in known:
            after.setdefault(previous.oid, []).append(event)
        else:
            roots.append(event)
    ordered: list[Event] = []
    stack = list(reversed(roots))
    while stack:
        event = stack.pop()
        ordered.append(event)
        stack.extend(reversed(after.get(event.ref.oid, ())))
    return tuple(ordered)
