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
from mlops_ci.git import Ref, Repository
from mlops_ci.records import Assignment, EventRef, Release
from mlops_ci.statement import record_of, statement_in

TAGS = "refs/tags/"
LOGS = "refs/mlops/log/"
RELEASES = "refs/mlops/releases/"
RUNS = "refs/mlops/runs/"

_NAME = r"(?P<model>[a-zA-Z0-9](?:[a-zA-Z0-9/_=-]*[a-zA-Z0-9])?)"
_VERSION = re.compile(
    _NAME + r"@v(?P<version>(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)"
)
_STAGE = re.compile(_NAME + r"#(?P<environment>[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)#(?P<number>\d+)")


@dataclass(frozen=True)
class Event:
    """One tag: a version registered, or a version assigned to an environment.

    `version` of an assignment is the record's, else the version registered on its commit.
    """

    kind: Literal["release", "assignment"]
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
        """Every registered version, oldest first."""
        return {event.version: event for event in self.events if event.kind == "release"}

    @property
    def latest(self) -> Event | None:
        """The newest release."""
        return next(reversed(self.releases.values()), None)

    @property
    def assigned(self) -> dict[str, Event]:
        """What runs in each environment now."""
        return {event.environment: event for event in self.events if event.kind == "assignment" and event.environment}

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
        """Return the release to beat: the one assigned to the environment, else the newest."""
        holder = self.assigned.get(environment)
        return self.releases.get(holder.version) if holder else self.latest

    def assignments(self, environment: str) -> tuple[Event, ...]:
        """Return the environment's assignments, oldest first."""
        return tuple(event for event in self.events if event.environment == environment)


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
    versions: dict[tuple[str, str], str] = {}
    stages: list[tuple[Ref, re.Match[str]]] = []
    for ref in refs:
        if ref.name.startswith(LOGS):
            logs[ref.name.removeprefix(LOGS)] = ref.oid
        elif ref.name.startswith(TAGS) and ref.type == "tag" and ref.peeled:
            name = ref.name.removeprefix(TAGS)
            if found := _VERSION.fullmatch(name):
                versions[found["model"], ref.peeled] = found["version"]
                events.setdefault(found["model"], []).append(_event(ref, "release", found["model"], found["version"]))
            elif found := _STAGE.fullmatch(name):
                stages.append((ref, found))
    for ref, found in stages:
        record = _record(ref)
        registered = versions.get((found["model"], ref.peeled or ""))
        version = record.version if isinstance(record, Assignment) else registered
        if version is not None:
            event = _event(ref, "assignment", found["model"], version, found["environment"], int(found["number"]))
            events.setdefault(found["model"], []).append(event)
    names = sorted({*events, *logs})
    return RegistryState({name: ModelState(name, _ordered(events.get(name, [])), logs.get(name)) for name in names})


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
    ref: Ref,
    kind: Literal["release", "assignment"],
    model: str,
    version: str,
    environment: str | None = None,
    number: int = 0,
) -> Event:
    return Event(
        kind=kind,
        ref=EventRef(ref.name.removeprefix(TAGS), ref.oid),
        model=model,
        version=version,
        commit=ref.peeled or "",
        actor=ref.tagger,
        date=ref.date,
        environment=environment,
        number=number,
        record=_record(ref),
    )


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
