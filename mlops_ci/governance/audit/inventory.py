"""The inventory of each model in a repository: tags, log, pins and records, read once with a few git commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from mlops_ci.core.records.base import EventRef
from mlops_ci.registry.events import Event, EventName, parse_event_name
from mlops_ci.registry.run_store import RELEASE_PREFIX
from mlops_ci.registry.state import ModelState, fold_refs
from mlops_ci.registry.statement import STATEMENT_MARK, EventRecord
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import LogCommit
from mlops_ci.repository.ref_listing import LOG_PREFIX, TAG_PREFIX
from mlops_ci.repository.refs import Ref


class LogEntry(NamedTuple):
    """One commit of a log. `ref` is the tag that the commit names, None if it names none; `record` is the record's JSON."""

    oid: str
    parents: tuple[str, ...]
    title: str
    ref: EventRef | None
    record: bytes | None

    @property
    def tag(self) -> str:
        """The name of the entry's tag; the commit's title if the entry names no tag."""
        return self.ref.name if self.ref else self.title


@dataclass(frozen=True)
class ModelInventory:
    """The refs and records of one model.

    `tags` maps each tag with an event's name to its object id, also if the tag is not annotated. `log` is oldest first, as
    far as this clone has it; `is_incomplete` says that older commits are missing. `pins` maps each version to the commit of
    its run.
    """

    model: str
    state: ModelState
    tags: Mapping[str, str]
    log: tuple[LogEntry, ...] = ()
    is_incomplete: bool = False
    pins: Mapping[str, str] | None = None

    @cached_property
    def events(self) -> dict[str, Event]:
        """All events by tag name."""
        return {event.name: event for event in self.state.events}

    @cached_property
    def unverified_tags(self) -> frozenset[str]:
        """The names of the events that do not verify."""
        return frozenset(event.name for event in self.state.events if event.oid in self.state.unverified)

    @cached_property
    def records(self) -> dict[str, EventRecord]:
        """The records of all events that have one, by tag name. Each is decoded once."""
        found = ((event.name, event.record) for event in self.state.events)
        return {name: record for name, record in found if record is not None}

    @cached_property
    def ordered_events(self) -> tuple[Event, ...]:
        """The events in the log's order; events of other tools come before them, unlogged events of mlops-ci after them."""
        place = {entry.tag: at for at, entry in enumerate(self.log)}
        last = len(place)
        order = [
            (-1 if not self.claims_record(event) else last, at) if event.name not in place else (place[event.name], at)
            for at, event in enumerate(self.state.events)
        ]
        return tuple(event for _, event in sorted(zip(order, self.state.events, strict=True), key=lambda pair: pair[0]))

    @staticmethod
    def claims_record(event: Event) -> bool:
        """Return whether a tag's message looks like it has a record, valid or not."""
        return STATEMENT_MARK in event.contents


def read_inventories(repo: Repository) -> tuple[ModelInventory, ...]:
    """Return the inventory of every model that a tag, a log or a pin names, sorted by name."""
    refs = repo.refs(TAG_PREFIX, LOG_PREFIX, RELEASE_PREFIX)
    states = fold_refs(ref for ref in refs if not ref.name.startswith(RELEASE_PREFIX)).models
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
    """Return every log, oldest entry first, and the models whose log is incomplete in this clone."""
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
