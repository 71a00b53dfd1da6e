"""The state of the registry, computed from its events by a pure fold.

Events are in the order of the chain: each event names the previous one. Tags without a record (written by another tool)
come first, ordered by date and number. The classes here are not dataclasses: importing `dataclasses` takes longer than
folding a thousand tags.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from mlops_ci.registry.event_order import order_events, recorded_version
from mlops_ci.registry.events import Event, EventName, parse_event_name, version_key
from mlops_ci.registry.tag_message import find_previous_oid, find_sentence, has_signature
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX, LOG_PREFIX, TAG_PREFIX

if TYPE_CHECKING:  # imported where they are used: most queries need none of these modules
    from collections.abc import Iterable, Mapping

    from mlops_ci.core.diagnostics import Diagnostic
    from mlops_ci.repository.git import Repository
    from mlops_ci.repository.project_identity import ProjectIdentity
    from mlops_ci.repository.refs import Ref


class ModelState:
    """One model: its events in order, and the state that follows from them. `log` is the head of its log, if there is one.

    `gaps` lists the events (object ids or tag names) that other events or the log name and that this clone does not have.
    `newest_logged` is the tag that the log's head names.
    `unverified` are the object ids of events that do not verify: they keep their places in the chain, and nothing follows from them.
    `occupied` are the names of lightweight tags that are named like events: they are none, and no event can have their names.
    """

    def __init__(
        self,
        model: str,
        events: tuple[Event, ...] = (),
        log: str | None = None,
        gaps: tuple[str, ...] = (),
        newest_logged: str = "",
        unverified: frozenset[str] = frozenset(),
        occupied: frozenset[EventName] = frozenset(),
    ) -> None:
        self.model: Final = model
        self.events: Final = events
        self.log: Final = log
        self.gaps: Final = gaps
        self.newest_logged: Final = newest_logged
        self.unverified: Final = unverified
        self.occupied: Final = occupied

    def without(self, unverified: frozenset[str]) -> ModelState:
        """Return the state that follows from the other events; these keep their places in the chain."""
        if not unverified:
            return self
        return ModelState(self.model, self.events, self.log, self.gaps, self.newest_logged, unverified, self.occupied)

    @cached_property
    def has_signed_events(self) -> bool:
        """Whether a tag has something that looks like a signature."""
        return any(has_signature(event.contents) for event in self.events)

    @cached_property
    def set_aside(self) -> dict[str, Event]:
        """The events that others set aside, by object id, each with the event that did so; one that does not verify sets nothing aside."""
        found: dict[str, Event] = {}
        # an object id can be named only once its object is there, so what it names is older, wherever its tag is placed
        others = {event.oid for event in self.events if event.kind != "set-aside"}
        for event in self.events if self._has_set_asides else ():
            target = getattr(event.record, "sets_aside", None) if event.kind == "set-aside" else None
            if target is not None and event.oid not in self.unverified and target.oid in others:
                found.setdefault(target.oid, event)
        return found

    @cached_property
    def events_in_force(self) -> tuple[Event, ...]:
        """The events that the state follows from, in order: those that verify and that nobody set aside."""
        if not self.unverified and not self._has_set_asides:
            return self.events
        gone = self.unverified | self.set_aside.keys()
        return tuple(event for event in self.events if event.oid not in gone and event.kind != "set-aside")

    @cached_property
    def _has_set_asides(self) -> bool:
        return any(event.kind == "set-aside" for event in self.events)

    @cached_property
    def releases(self) -> dict[str, Event]:
        """The registered versions with their release events, oldest first."""
        found: dict[str, Event] = {}
        for event in self.events_in_force:
            if event.kind == "release":
                found[event.version] = event
            elif event.kind == "deregistration":
                found.pop(event.version, None)
        return found

    @cached_property
    def latest_release(self) -> Event | None:
        """The release of the highest version."""
        return max(self.releases.values(), key=lambda event: version_key(event.version), default=None)

    @cached_property
    def current_assignments(self) -> dict[str, Event]:
        """The newest active assignment of each environment: the version that runs there now.

        As in GTO, an unassignment ends the assignment of one version, and a deregistration ends all assignments of a
        version. The newest remaining assignment is then the current one.
        """
        return {environment: event for (environment, _), event in self._active_assignments.items()}

    def active_assignments(self, environment: str) -> tuple[Event, ...]:
        """Return the newest active assignment of each version in an environment, newest first; empty if there is none."""
        return tuple(event for event in reversed(self._active_assignments.values()) if event.environment == environment)

    @cached_property
    def _active_assignments(self) -> dict[tuple[str, str], Event]:
        events = self.events_in_force
        gone = {event.version for event in events if event.kind == "deregistration"} - set(self.releases)
        standing: dict[tuple[str, str], Event] = {}
        for event in events:
            if event.environment and event.version not in gone:
                standing.pop((event.environment, event.version), None)
                if event.kind == "assignment":
                    standing[event.environment, event.version] = event
        return standing

    @cached_property
    def project(self) -> tuple[str, str] | None:
        """The name and folder of the project that the newest record in force names; None without one."""
        return next((named for event in reversed(self.events_in_force) if (named := event.project)), None)

    def find_foreign_event(self, identity: ProjectIdentity) -> Event | None:
        """Return the oldest event in force that names another project; None when all are of this one, or of other tools."""
        known: dict[tuple[str, str], bool] = {}
        for event in self.events_in_force:
            named = event.project
            if named is None:
                continue
            if named not in known:
                known[named] = identity.owns_model(self.model, *named)
            if not known[named]:
                return event
        return None

    @property
    def is_deprecated(self) -> bool:
        """Whether the model is deprecated; any later event ends the deprecation."""
        return bool(self.events_in_force) and self.events_in_force[-1].kind == "deprecation"

    @cached_property
    def last_event(self) -> Event | None:
        """The newest event."""
        return self.events[-1] if self.events else None

    @cached_property
    def latest_event_date(self) -> int:
        """The latest tagger date of the events that verify, in seconds since 1970; 0 when there are none."""
        return max((event.date for event in self.events if event.oid not in self.unverified), default=0)

    @property
    def unlogged_event(self) -> Event | None:
        """The newest event, if the log ends just before it: of its push, only the tag arrived. None if the log has it."""
        recorded = [event for event in self.events[-2:] if find_sentence(event.contents) is not None]
        if self.gaps or not recorded or recorded[-1] is not self.last_event:
            return None
        before = recorded[0].name if len(recorded) > 1 else ""
        return recorded[-1] if self.newest_logged == before else None

    @property
    def is_log_missing(self) -> bool:
        """Whether the model has recorded events but no log: without the log, the newest event is not known."""
        return self.log is None and bool(self.events) and find_sentence(self.events[-1].contents) is not None

    @cached_property
    def rolled_back_models(self) -> dict[str, Event]:
        """The rollback events by the structural digest of the model that they replaced.

        A model that was brought back later for a stated reason (a forced release or deployment, or a rollback to it) is
        not included.
        """
        from mlops_ci.core.records.events import Assignment, Release

        found: dict[str, Event] = {}
        digests: dict[str, str] = {}
        for event in self.events_in_force:
            record = event.record
            if isinstance(record, Release | Assignment):
                digests[record.version] = record.model_digest
            if isinstance(record, Assignment) and record.rollback_of in digests:
                found[digests[record.rollback_of]] = event
            if isinstance(record, Release | Assignment) and (record.overrides or event.is_rollback):
                found.pop(record.model_digest, None)
        return found

    def require_newest_known(self) -> None:
        """Raise EnvironmentProblem `newest-event-missing` if the log ends with a tag that is missing here: the state is not known then."""
        if not self.newest_logged or self.newest_logged not in self.gaps:
            return
        from mlops_ci.core.errors import EnvironmentProblem

        log, tag = f"{LOG_PREFIX}{self.model}", self.newest_logged
        raise EnvironmentProblem.of(
            "newest-event-missing",
            f"the log of '{self.model}' ends with '{tag}', and this clone has no such tag, so the newest event is not known",
            help=f"git fetch --tags origin '{LOG_PREFIX}*:{LOG_PREFIX}*'; if the remote does not have it either, the tag was deleted or the"
            f" log was overwritten: push what is right from a clone that has it (git push --force origin {log} 'refs/tags/{tag}')",
        )

    def champion(self, environment: str) -> Event | None:
        """Return the champion: the release assigned to the environment, else the newest release; None before the first.

        Raises EnvironmentProblem as `require_newest_known` does, and Findings `champion-missing` when this clone lacks the tag of the assigned version: a champion exists then, but
        it is not known.
        """
        self.require_newest_known()
        holder = self.current_assignments.get(environment)
        if holder is not None and holder.version not in self.releases:
            from mlops_ci.core.errors import Findings

            raise Findings.of(
                "champion-missing",
                f"{holder.ref.name} makes v{holder.version} the champion, but this clone has no tag {self.model}@v{holder.version}",
                help="fetch the tags (git fetch --tags); if the remote does not have the tag either, it was deleted: run"
                " `mlops-ci audit`",
            )
        return self.releases[holder.version] if holder else self.latest_release

    def assignments(self, environment: str) -> tuple[Event, ...]:
        """Return the environment's assignments, oldest first."""
        return tuple(
            event for event in self.events_in_force if event.environment == environment and event.kind == "assignment"
        )


class RegistryState(NamedTuple):
    """Every model's state, by name, and the refs of the approvals, whose signatures nobody has verified yet.

    With an `identity`, the registry answers questions about that project's models only.
    """

    models: Mapping[str, ModelState]
    approvals: tuple[Ref, ...] = ()
    identity: ProjectIdentity | None = None

    def model(self, name: str) -> ModelState:
        """Return a model's state; the state of a model without events is empty.

        Raises Findings `model-of-another-project` when an event of the model names another project than `identity`.
        """
        state = self.models.get(name, ModelState(name))
        if self.identity is not None and (foreign := state.find_foreign_event(self.identity)) is not None:
            from mlops_ci.registry.foreign_models import foreign_model_error

            raise foreign_model_error(state, foreign, self.identity)
        return state

    def split_by_owner(self) -> tuple[RegistryState, Mapping[tuple[str, str], tuple[str, ...]]]:
        """Return the registry of this project's models, and the names of all others by their project's name and folder."""
        own: dict[str, ModelState] = {}
        others: dict[tuple[str, str], list[str]] = {}
        for name, state in self.models.items():
            owner = state.project
            if self.identity is None or owner is None or self.identity.owns_model(name, *owner):
                own[name] = state
            else:
                others.setdefault(owner, []).append(name)
        return self._replace(models=own), {owner: tuple(names) for owner, names in sorted(others.items())}

    def require_model(self, name: str) -> ModelState:
        """Return a model's state; raises UsageProblem `model-unknown` when the registry has no event of the model."""
        if name not in self.models:
            from mlops_ci.core.errors import UsageProblem
            from mlops_ci.core.suggestions import suggest

            raise UsageProblem.of(
                "model-unknown",
                f"the registry has no events of the model '{name}'",
                help=suggest(name, self.models, otherwise="the models are")
                or "record the first event: mlops-ci release",
            )
        return self.model(name)

    def rewind_to(self, seconds: int, through: Event | None = None) -> RegistryState:
        """Return the registry at a time: each model keeps its events before the first one later than `seconds` since 1970.

        `through` is an event: its own model keeps all events up to and including it, whatever their dates.
        """
        past: dict[str, ModelState] = {}
        for name, state in self.models.items():
            if through is not None and through.model == name:
                end = state.events.index(through) + 1
            else:
                end = next((at for at, event in enumerate(state.events) if event.date > seconds), len(state.events))
            if end:
                past[name] = ModelState(
                    name, state.events[:end], gaps=state.gaps, unverified=state.unverified, occupied=state.occupied
                )
        return RegistryState(past, tuple(ref for ref in self.approvals if ref.date <= seconds), self.identity)

    @property
    def gap_warnings(self) -> tuple[Diagnostic, ...]:
        """One warning that names the models with missing events or a missing log, as in a shallow clone or one without tags."""
        lacking = [
            f"{name} ({len(state.gaps) or 'its log'})"
            for name, state in self.models.items()
            if state.gaps or state.is_log_missing
        ]
        if not lacking:
            return ()
        from mlops_ci.core.diagnostics import Diagnostic

        return (
            Diagnostic(
                "registry-incomplete",
                f"this clone lacks events or logs of the registry, so the state that it knows may be out of date: {', '.join(lacking)}",
                help="git fetch --tags origin 'refs/mlops/log/*:refs/mlops/log/*'; in GitHub Actions: actions/checkout with"
                " `fetch-depth: 0`. If the remote does not have them either, run `mlops-ci audit`",
                severity="warning",
            ),
        )


def read_registry(repo: Repository | None, identity: ProjectIdentity | None) -> RegistryState:
    """Return the registry as this clone has it, from one listing of refs; empty outside a repository.

    `identity` is the project that asks: a model that belongs to another one is then refused. None: for the whole repository.
    """
    if repo is None:
        return RegistryState({}, identity=identity)
    whole: RegistryState = repo.recall(
        "registry", lambda: fold_refs(repo.refs(TAG_PREFIX, LOG_PREFIX, APPROVAL_PREFIX)), of_refs=True
    )
    return whole._replace(identity=identity)


def fold_refs(refs: Iterable[Ref]) -> RegistryState:
    """Return the registry's state from refs (tags and log heads). Tags whose names are not in GTO's grammar are ignored.

    `refs` may be a stream from a git process that is still listing: each ref is parsed before the next one is read.
    """
    logs: dict[str, Ref] = {}
    found: list[tuple[Ref, EventName]] = []
    follows: dict[str, str] = {}
    approvals: list[Ref] = []
    occupied: dict[str, list[EventName]] = {}
    for ref in refs:
        if ref.name.startswith(LOG_PREFIX):
            logs[ref.name.removeprefix(LOG_PREFIX)] = ref
        elif ref.type == "tag" and ref.name.startswith(APPROVAL_PREFIX):
            approvals.append(ref)
        elif ref.type == "tag" and ref.peeled and (name := parse_event_name(ref.name)):
            found.append((ref, name))
            if previous := find_previous_oid(ref.contents):
                follows[ref.oid] = previous
        elif (foreign := parse_event_name(ref.name)) is not None:
            occupied.setdefault(foreign.model, []).append(foreign)
    versions: dict[tuple[str, str | None], list[str]] = {}
    for ref, name in found:
        if name.kind == "release" and name.version:
            versions.setdefault((name.model, ref.peeled), []).append(name.version)
    events: dict[str, list[Event]] = {name: [] for name in logs}
    for ref, name in found:
        there = versions.get((name.model, ref.peeled), []) if name.environment else []
        version = name.version or (there[0] if len(there) == 1 else recorded_version(ref, name, there))
        place = (ref.peeled or "", ref.tagger, ref.date, name.environment, name.number, ref.contents, ref.address)
        events.setdefault(name.model, []).append(
            Event(name.kind, ref.name[len(TAG_PREFIX) :], ref.oid, name.model, version, *place)
        )
    return RegistryState(
        {
            name: _build_model_state(name, events[name], follows, logs.get(name), occupied.get(name, ()))
            for name in sorted(events)
        },
        tuple(approvals),
    )


def _build_model_state(
    model: str, events: list[Event], follows: dict[str, str], log: Ref | None, occupied: Iterable[EventName]
) -> ModelState:
    ordered, gaps = order_events(events, follows)
    newest = log.contents.strip() if log else ""  # a log entry's message is the name of its tag
    if newest and all(event.name != newest for event in reversed(ordered)):
        gaps = (*gaps, newest)
    return ModelState(model, ordered, log.oid if log else None, gaps, newest, occupied=frozenset(occupied))
