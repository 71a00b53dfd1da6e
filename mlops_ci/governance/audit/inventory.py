"""What a repository holds of each model: tags, log, pins and records, read once by a handful of git commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from mlops_ci.core.records.events import EventRef, Release
from mlops_ci.registry import state as registry
from mlops_ci.registry.events import Event, EventName, parse_event_name
from mlops_ci.registry.run_store import RELEASE_PREFIX
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import EventRecord
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import LogCommit
from mlops_ci.repository.ref_listing import LOG_PREFIX, TAG_PREFIX
from mlops_ci.repository.refs import Ref


class LogEntry(NamedTuple):
    """One commit of a log. `ref` is the tag that it says it is about, None when it does not say; `record` is its JSON."""

    oid: str
    parents: tuple[str, ...]
    title: str
    ref: EventRef | None
    record: bytes | None

    @property
    def tag(self) -> str:
        """The tag's name, as far as the entry says one."""
        return self.ref.name if self.ref else self.title


@dataclass(frozen=True)
class ModelInventory:
    """All of one model. `tags` has the object of every tag whose name is an event's, also of those that are no events.

    `log` is oldest first, as far as it could be walked; `torn` says that it ends at a commit that is not here. `pins` has
    the commit that each version's run is pinned at.
    """

    model: str
    state: ModelState
    tags: Mapping[str, str]
    log: tuple[LogEntry, ...] = ()
    is_incomplete: bool = False
    pins: Mapping[str, str] | None = None

    @cached_property
    def events(self) -> dict[str, Event]:
        """Every event by the name of its tag."""
        return {event.name: event for event in self.state.events}

    @cached_property
    def records(self) -> dict[str, EventRecord]:
        """The record of every event that has one, by the name of its tag. Each is decoded once."""
        found = ((event.name, event.record) for event in self.state.events)
        return {name: record for name, record in found if record is not None}

    @cached_property
    def project(self) -> str | None:
        """The project that the newest release says it is of."""
        return next((one.project.name for one in reversed(self.records.values()) if isinstance(one, Release)), None)

    @cached_property
    def ordered_events(self) -> tuple[Event, ...]:
        """Events in the log's order; before them those of other tools, behind them those that the log does not have."""
        place = {entry.tag: at for at, entry in enumerate(self.log)}
        last = len(place)
        order = [
            (-1 if not self.claims_record(event) else last, at) if event.name not in place else (place[event.name], at)
            for at, event in enumerate(self.state.events)
        ]
        return tuple(event for _, event in sorted(zip(order, self.state.events, strict=True), key=lambda pair: pair[0]))

    @staticmethod
    def claims_record(event: Event) -> bool:
        """Tell whether a tag claims to hold a record, whatever comes of reading it."""
        return '"_type":' in event.contents


def read_inventories(repo: Repository) -> tuple[ModelInventory, ...]:
    """Return what the repository holds of every model that a tag, a log or a pin names, sorted by name."""
    refs = repo.refs(TAG_PREFIX, LOG_PREFIX, RELEASE_PREFIX)
    states = registry.fold_refs(ref for ref in refs if not ref.name.startswith(RELEASE_PREFIX)).models
    tags: dict[str, dict[str, str]] = {}
    for ref, name in _event_refs(refs):
        tags.setdefault(name.model, {})[ref.name.removeprefix(TAG_PREFIX)] = ref.oid
    pins: dict[str, dict[str, str]] = {}
    for ref in refs:
        model, _, version = ref.name.removeprefix(RELEASE_PREFIX).rpartition("/v")
        if ref.name.startswith(RELEASE_PREFIX) and model:
            pins.setdefault(model, {})[version] = ref.oid
    heads = {name: state.log for name, state in states.items() if state.log is not None}
    logs, torn = _read_logs(repo, heads)
    return tuple(
        ModelInventory(
            name,
            states.get(name, ModelState(name)),
            tags.get(name, {}),
            logs.get(name, ()),
            name in torn,
            pins.get(name, {}),
        )
        for name in sorted({*states, *tags, *pins})
    )


def _event_refs(refs: Iterable[Ref]) -> Iterable[tuple[Ref, EventName]]:
    return ((ref, name) for ref in refs if (name := parse_event_name(ref.name)))


def _read_logs(repo: Repository, heads: Mapping[str, str]) -> tuple[dict[str, tuple[LogEntry, ...]], frozenset[str]]:
    """Return every log, oldest first, and the models whose log is not all here."""
    commits = repo.reachable_commits(list(heads.values()))
    chains = {name: _walk_log(commits, head) for name, head in heads.items()}
    flat = [commit for chain in chains.values() for commit in chain]
    contents = list(
        repo.read_objects(
            [f"{commit.tree}:{path}" for commit in flat for path in ("tag", "record.json")], or_corrupt=True
        )
    )
    entries = iter([_log_entry(commit, contents[2 * at], contents[2 * at + 1]) for at, commit in enumerate(flat)])
    logs = {name: tuple(next(entries) for _ in chain) for name, chain in chains.items()}
    torn = [name for name, chain in chains.items() if not chain or chain[0].parents]
    return logs, frozenset(torn)


def _walk_log(commits: Mapping[str, LogCommit], head: str) -> Sequence[LogCommit]:
    found = []
    commit = commits.get(head)
    while commit is not None:
        found.append(commit)
        commit = commits.get(commit.parents[0]) if commit.parents else None
    return found[::-1]


def _log_entry(commit: LogCommit, tag: bytes | None, record: bytes | None) -> LogEntry:
    oid, _, name = (tag or b"").decode("utf-8", "replace").rstrip("\n").partition(" ")
    return LogEntry(commit.oid, commit.parents, commit.message.strip(), EventRef(name, oid) if name else None, record)
