"""The registry: tags to typed events to one state, by a pure fold.

The grammar of tag names is GTO's. Order is that of the chain (each event names the one before it); tags without a record
(written by another tool) come first, by their date and number. Names and order need no record, so that records are read
only of the events that somebody looks at: a listing of a hundred thousand tags takes little longer than git's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import Findings, UsageProblem
from mlops_ci.git import Ref, Repository
from mlops_ci.message import previous_in, sentence_in

if TYPE_CHECKING:  # records are imported when the first one is read: listings need none
    from mlops_ci.records import EventRef
    from mlops_ci.statement import Record

TAGS = "refs/tags/"
LOGS = "refs/mlops/log/"

Kind = Literal["release", "deregistration", "assignment", "unassignment", "deprecation"]

_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_LABEL = r"(?:0|[1-9][0-9]{0,8}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_LABEL}(?:\.{_LABEL})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
# GTO's grammar, in full
_GRAMMAR = re.compile(
    rf"(?P<model>(?:[a-zA-Z0-9_./-]+=)?{_WORD})"
    rf"(?:@v(?P<version>{_SEMVER})(?P<gone>!)?|\#(?P<environment>{_WORD})(?P<left>!)?|@deprecated)"
    r"(?:\#(?P<number>[0-9]{1,9}))?"
)
# of events of the same second, the order in which GTO reads them
_RANKS: Mapping[Kind, int] = {
    "deprecation": 0,
    "release": 1,
    "deregistration": 2,
    "assignment": 3,
    "unassignment": 4,
}


class Name(NamedTuple):
    """What a tag's name says."""

    kind: Kind
    model: str
    version: str | None
    environment: str | None
    number: int


class Event(NamedTuple):
    """One tag: a version registered or put into an environment, or either taken back.

    `version` of an assignment is the one registered on its commit, else the record's, else the commit. `model` is as GTO
    names it: `folder:name` for tags that say `folder=name`. A tuple, because registries hold a hundred thousand of them.
    """

    kind: Kind
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

    @property
    def ref(self) -> EventRef:
        """The tag's name and object id."""
        from mlops_ci.records import EventRef

        return EventRef(self.name, self.oid)

    @property
    def record(self) -> Record | None:
        """The record in the tag's message; None when it has none, or one that disagrees with the tag's name or commit."""
        return _record(self)

    @property
    def rollback(self) -> bool:
        """Whether the event put an earlier version back."""
        from mlops_ci.records import Assignment

        return isinstance(self.record, Assignment) and self.record.rollback_of is not None


@dataclass(frozen=True)
class ModelState:
    """One model: its events in order, and what follows from them. `log` is the head of its log, if it has one.

    `gaps` are object ids and names of events that others name, and that are not here.
    """

    model: str
    events: tuple[Event, ...] = ()
    log: str | None = None
    gaps: tuple[str, ...] = ()

    @cached_property
    def releases(self) -> dict[str, Event]:
        """Every version that is registered, oldest first."""
        found: dict[str, Event] = {}
        for event in self.events:
            if event.kind == "release":
                found[event.version] = event
            elif event.kind == "deregistration":
                found.pop(event.version, None)
        return found

    @cached_property
    def latest(self) -> Event | None:
        """The release of the highest version."""
        return max(self.releases.values(), key=lambda event: version_key(event.version), default=None)

    @cached_property
    def assigned(self) -> dict[str, Event]:
        """What runs in each environment now: the newest assignment that stands.

        As with GTO, what is taken back is one version's assignment, or a version: the one that was there before it stands.
        """
        return {environment: event for (environment, _), event in self._standing.items()}

    def standing(self, environment: str) -> tuple[Event, ...]:
        """Return the newest assignment of each version that stands in an environment, the newest first; none: it is empty."""
        return tuple(event for event in reversed(self._standing.values()) if event.environment == environment)

    @cached_property
    def _standing(self) -> dict[tuple[str, str], Event]:
        gone = {event.version for event in self.events if event.kind == "deregistration"} - set(self.releases)
        standing: dict[tuple[str, str], Event] = {}
        for event in self.events:
            if event.environment and event.version not in gone:
                standing.pop((event.environment, event.version), None)
                if event.kind == "assignment":
                    standing[event.environment, event.version] = event
        return standing

    @property
    def deprecated(self) -> bool:
        """Whether the model has been retired; any later event brings it back."""
        return bool(self.events) and self.events[-1].kind == "deprecation"

    @cached_property
    def highest(self) -> str | None:
        """The highest version ever registered: the next one is counted from it, whatever came last."""
        return max((event.version for event in self.events if event.kind == "release"), key=version_key, default=None)

    @cached_property
    def next_number(self) -> int:
        """The next assignment's number: they are dense over all environments, from 1."""
        return 1 + max((event.number for event in self.events), default=0)

    @cached_property
    def last(self) -> Event | None:
        """The newest event."""
        return self.events[-1] if self.events else None

    @cached_property
    def last_date(self) -> int:
        """The latest tagger date so far, in seconds since 1970; 0 when there is none."""
        return max((event.date for event in self.events), default=0)

    @property
    def unlogged(self) -> bool:
        """Whether there are recorded events, and no log that says which is the newest: there may be more of them."""
        return self.log is None and bool(self.events) and sentence_in(self.events[-1].contents) is not None

    @cached_property
    def abandoned(self) -> dict[str, Event]:
        """Models that were rolled back from, by structural digest, each with its rollback.

        One that came back for a reason since (a forced release or deployment, a rollback to it) is not abandoned any more.
        """
        from mlops_ci.records import Assignment, Release

        found: dict[str, Event] = {}
        digests: dict[str, str] = {}
        for event in self.events:
            record = event.record
            if isinstance(record, Release | Assignment):
                digests[record.version] = record.model_digest
            if isinstance(record, Assignment) and record.rollback_of in digests:
                found[digests[record.rollback_of]] = event
            if isinstance(record, Release | Assignment) and (record.overrides or event.rollback):
                found.pop(record.model_digest, None)
        return found

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

    def known(self, name: str) -> ModelState:
        """Return a model's state; raises UsageProblem `model-unknown` when nothing is recorded of it."""
        if name not in self.models:
            import difflib

            close = difflib.get_close_matches(name, self.models, 1)
            raise UsageProblem.of(
                "model-unknown",
                f"nothing is recorded of a model '{name}'",
                help=f"did you mean '{close[0]}'?"
                if close
                else f"the models are {', '.join(self.models) or 'none yet'}",
            )
        return self.models[name]

    def at(self, seconds: int, through: Event | None = None) -> RegistryState:
        """Return the registry as it was: of each model, the events before the first one later than `seconds` since 1970.

        `through` is an event up to which its own model is taken, whatever the clocks say.
        """
        past: dict[str, ModelState] = {}
        for name, state in self.models.items():
            if through is not None and through.model == name:
                end = state.events.index(through) + 1
            else:
                end = next((at for at, event in enumerate(state.events) if event.date > seconds), len(state.events))
            if end:
                past[name] = ModelState(name, state.events[:end], gaps=state.gaps)
        return RegistryState(past)

    @property
    def gaps(self) -> tuple[Diagnostic, ...]:
        """A warning where this clone lacks events that others name, or a log, as shallow and tagless clones do."""
        lacking = [
            f"{name} ({len(state.gaps) or 'its log'})"
            for name, state in self.models.items()
            if state.gaps or state.unlogged
        ]
        if not lacking:
            return ()
        return (
            Diagnostic(
                "registry-incomplete",
                f"this clone lacks events that others name, or the log that says which is the newest: {', '.join(lacking)}",
                help="git fetch --tags origin 'refs/mlops/log/*:refs/mlops/log/*'; in GitHub Actions: actions/checkout with"
                " `fetch-depth: 0`. If they are gone from the remote too, run `mlops-ci audit`",
                severity="warning",
            ),
        )


def read(repo: Repository | None) -> RegistryState:
    """Return the registry as a clone knows it, from one listing of refs; empty outside a repository."""
    return fold(repo.refs(TAGS, LOGS) if repo else ())


def fold(refs: Iterable[Ref]) -> RegistryState:
    """Turn refs (tags and log heads) into the registry's state. Tags that are not in the grammar are not ours."""
    logs: dict[str, Ref] = {}
    found: list[tuple[Ref, Name]] = []
    for ref in refs:
        if ref.name.startswith(LOGS):
            logs[ref.name.removeprefix(LOGS)] = ref
        elif ref.type == "tag" and ref.peeled and (name := event_name(ref.name)):
            found.append((ref, name))
    versions = {(name.model, ref.peeled): name.version for ref, name in found if name.kind == "release"}
    events: dict[str, list[Event]] = {name: [] for name in logs}
    for ref, name in found:
        there = versions.get((name.model, ref.peeled)) if name.environment else None
        version = name.version or there or _recorded_version(ref, name)
        place = (ref.peeled or "", ref.tagger, ref.date, name.environment, name.number, ref.contents)
        events.setdefault(name.model, []).append(
            Event(name.kind, ref.name[len(TAGS) :], ref.oid, name.model, version, *place)
        )
    return RegistryState({name: _state(name, events[name], logs.get(name)) for name in sorted(events)})


def _state(model: str, events: list[Event], log: Ref | None) -> ModelState:
    ordered, gaps = _ordered(events)
    newest = log.contents.strip() if log else ""  # a log entry's message is the name of its tag
    if newest and all(event.name != newest for event in reversed(ordered)):
        gaps = (*gaps, newest)
    return ModelState(model, ordered, log.oid if log else None, gaps)


def event_name(ref: str) -> Name | None:
    """Return what a ref's name stands for as an event; None for every other ref."""
    match = _GRAMMAR.fullmatch(ref, len(TAGS)) if ref.startswith(TAGS) else None
    if match is None:
        return None
    named, version, gone, environment, left, number = match.groups()
    model, count = named.replace("=", ":"), int(number or 0)
    if version:
        return Name("deregistration" if gone else "release", model, version, None, count)
    if environment:
        return Name("unassignment" if left else "assignment", model, None, environment, count)
    return Name("deprecation", model, None, None, count)


def next_version(latest: str | None, bump: Literal["major", "minor", "patch"]) -> str:
    """Return the SemVer that follows `latest`; the first release is 1.0.0."""
    if latest is None:
        return "1.0.0"
    major, minor, patch = (int(part) for part in re.split(r"[-+]", latest)[0].split("."))
    return {"major": f"{major + 1}.0.0", "minor": f"{major}.{minor + 1}.0", "patch": f"{major}.{minor}.{patch + 1}"}[
        bump
    ]


def version_key(version: str) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
    """Return what versions are compared by: SemVer's precedence, in which pre-releases come before their release."""
    core, _, labels = version.partition("+")[0].partition("-")
    major, minor, patch = (int(part) for part in core.split("."))
    ranks = ((False, int(label), "") if label.isdigit() else (True, 0, label) for label in labels.split(".") if label)
    return major, minor, patch, not labels, tuple(ranks)


def _recorded_version(ref: Ref, name: Name) -> str:
    """Return the version of an event on a commit without a release: its record's, or, in an environment, the commit."""
    place = (ref.peeled or "", "", 0, name.environment, name.number, ref.contents)
    record = Event(name.kind, ref.name, ref.oid, name.model, "", *place).record
    return record.version if record else (ref.peeled or "") if name.environment else ""


@lru_cache(maxsize=4096)
def _record(event: Event) -> Record | None:
    from mlops_ci.codec import DecodeError
    from mlops_ci.statement import record_of, statement_in

    statement = statement_in(event.contents)
    if statement is None:
        return None
    try:
        record = record_of(statement)
    except DecodeError:
        return None
    return record if _agrees(record, event) else None


def _agrees(record: Record, event: Event) -> bool:
    """Tell whether a record is about what its tag's name says, on the commit that the tag is on."""
    from mlops_ci.records import Assignment, Release

    said: tuple[object, ...] = (record.model, record.version)
    told: tuple[object, ...] = (event.model, event.version or record.version)
    if isinstance(record, Release):
        return (*said, "release", record.commit) == (*told, event.kind, event.commit)
    kind = "assignment" if isinstance(record, Assignment) else record.event
    return (*said, kind, record.environment, record.number) == (*told, event.kind, event.environment, event.number)


def _ordered(events: list[Event]) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Order by the chain, and tell which events are named and not here. Whatever hangs on nothing that is here (a hole, a fork, another tool) keeps its date's place."""
    by_date = sorted(events, key=lambda event: (event.date, _RANKS[event.kind], event.number, event.name))
    known = {event.oid for event in events}
    after: dict[str, list[Event]] = {}
    roots: list[Event] = []
    gaps: list[str] = []
    for event in by_date:
        previous = previous_in(event.contents)
        if previous in known:
            after.setdefault(str(previous), []).append(event)
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
