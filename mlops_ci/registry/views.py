"""The data of `show` and `history`: each model's newest version, the version in each environment, and all events."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mlops_ci.core.results.registry import Actor, EventRow, HistoryReport, ModelRow, OwnerRow, ShowReport
from mlops_ci.registry.tag_message import find_reason, find_sentence, find_signing_key, has_rollback, is_forced
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX

if TYPE_CHECKING:  # imported only for a query of one model
    from collections.abc import Collection, Sequence

    from mlops_ci.core.results.queries import RunningVersion
    from mlops_ci.registry.events import Event
    from mlops_ci.registry.state import ModelState, RegistryState
    from mlops_ci.repository.refs import Ref

_EVENT_VERBS = {
    "assignment": "deploy",
    "unassignment": "undeploy",
    "deregistration": "retire",
    "deprecation": "deprecate",
    "set-aside": "set aside",
}


def show_view(
    registry: RegistryState, model: str | None, at: str | None = None, order: Sequence[str] = ()
) -> ShowReport:
    """Return each model's newest version and the version in every environment; for one model, also since when and why.

    Environments are in the project's `order`, empty ones too; others, which it has no longer, follow in the order of their
    first use. In an earlier state (`at`) there are only those that were in use. As in GTO, a deprecated model is shown only
    when `model` names it. If a project asks, only its models are shown.
    """
    own, others = _own_states(registry, model)
    states = list(own)
    used = dict.fromkeys(event.environment for state in states for event in state.events_in_force if event.environment)
    environments = dict.fromkeys((*(name for name in order if at is None or name in used), *used))
    rows = tuple(_model_row(state) for state in states if state.events and (model or not state.is_deprecated))
    running = (
        tuple(_describe_running(states[0], event) for event in states[0].current_assignments.values()) if model else ()
    )
    return ShowReport(tuple(environments), rows, running, at, others)


def history_view(registry: RegistryState, model: str | None, at: str | None = None) -> HistoryReport:
    """Return the events of one model or of all, newest first: by date, and in the order of the log within one date.

    Approvals are among them. They are in no log: an approval comes after what else happened in the same second. If a project
    asks, the events are those of its models.
    """
    states, others = _own_states(registry, model)
    states = list(states)
    void = {oid for state in states for oid in (*state.unverified, *state.set_aside)}
    found = [
        (event.date, place, _event_row(event, in_force=event.oid not in void))
        for state in states
        for place, event in enumerate(state.events)
    ]
    left_out = {name for other in others for name in other.models}
    approvals = ((ref.date, _approval_row(ref)) for ref in registry.approvals)
    found += [
        (date, sys.maxsize, row) for date, row in approvals if model in (None, row.model) and row.model not in left_out
    ]
    found.sort(key=lambda item: item[:2], reverse=True)
    return HistoryReport(tuple(row for _, _, row in found), at, others)


def _own_states(registry: RegistryState, model: str | None) -> tuple[Collection[ModelState], tuple[OwnerRow, ...]]:
    """Return the states to show, and the projects whose models are left out."""
    if model:
        return (registry.model(model),), ()
    own, others = registry.split_by_owner()
    return own.models.values(), tuple(OwnerRow(*owner, names) for owner, names in others.items())


def _model_row(state: ModelState) -> ModelRow:
    latest = state.latest_release
    environments = {name: event.version for name, event in state.current_assignments.items()}
    shown = dict.fromkeys(environments.values()) or ([latest.version] if latest else [])
    sentences = {name: find_sentence(state.releases[name].contents) for name in shown if name in state.releases}
    return ModelRow(
        model=state.model,
        latest=latest.version if latest else None,
        environments=environments,
        versions=tuple(state.releases),
        evidence={name: sentence for name, sentence in sentences.items() if sentence},
        deprecated=state.is_deprecated,
        project=OwnerRow(*state.project) if state.project else None,
    )


def _describe_running(state: ModelState, event: Event) -> RunningVersion:
    """Return what the records say about an active assignment and about its release."""
    from mlops_ci.core.records.events import Assignment, Release
    from mlops_ci.core.results.queries import RunningVersion

    told = event.record if isinstance(event.record, Assignment) else None
    release = state.releases.get(event.version)
    proof = release.record if release and isinstance(release.record, Release) else None
    return RunningVersion(
        environment=event.environment or "",
        version=event.version,
        since=_iso_time(_first_assignment(state, event).date),
        assigned_on=_iso_time(event.date),
        event="rollback" if has_rollback(event.contents) else "deploy",
        by=told.made_by.actor if told else event.actor,
        actor=Actor(event.actor, event.address, find_signing_key(event.contents)),
        forced=is_forced(event.contents),
        tag=event.ref,
        commit=event.commit,
        reason=told.reason if told else None,
        rollback_of=told.rollback_of if told else None,
        run_url=told.made_by.run_url if told else None,
        approvals=told.approvals if told else (),
        approvals_required=told.approvals_required if told else 0,
        release=release.ref if release else None,
        released_on=_iso_time(release.date) if release else None,
        released_by=proof.made_by.actor if proof else release.actor if release else None,
        verdict=proof.evidence.verdict if proof else None,
        evidence=proof.evidence.sentence if proof else None,
        data=proof.data if proof else (),
        spec_path=proof.spec_path if proof else None,
        model_digest=proof.model_digest if proof else None,
        model_files=proof.model_files if proof else (),
        run=proof.run_key if proof else None,
        reproduce_command=f"mlops-ci reproduce {state.model}@v{event.version}" if proof else None,
    )


def _approval_row(ref: Ref) -> EventRow:
    """Return the row of an approval; model, environment and version are those that its ref names."""
    model, environment, version, _ = ref.name.removeprefix(APPROVAL_PREFIX).rsplit("/", 3)
    return EventRow(
        on=_iso_time(ref.date),
        model=model,
        event="approve",
        version=version.removeprefix("v"),
        environment=environment,
        tag=ref.name,
        oid=ref.oid,
        commit=ref.peeled or "",
        actor=Actor(ref.tagger, ref.address, find_signing_key(ref.contents)),
        reason=find_reason(ref.contents),
        recorded=find_sentence(ref.contents) is not None,
    )


def _iso_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))


def _first_assignment(state: ModelState, event: Event) -> Event:
    """Return the first assignment of the running version: the same version may have been assigned again later."""
    found = event
    for earlier in reversed([one for one in state.events_in_force if one.environment == event.environment]):
        if (earlier.kind, earlier.version) != ("assignment", event.version):
            break
        found = earlier
    return found


def _event_row(event: Event, *, in_force: bool) -> EventRow:
    sentence = find_sentence(event.contents)
    reason = find_reason(event.contents)
    is_evidence = event.kind == "release" or reason is None
    return EventRow(
        on=_iso_time(event.date),
        model=event.model,
        event="rollback"
        if event.kind == "assignment" and has_rollback(event.contents)
        else _EVENT_VERBS.get(event.kind, event.kind),
        version=event.version,
        environment=event.environment,
        tag=event.name,
        oid=event.oid,
        commit=event.commit,
        actor=Actor(event.actor, event.address, find_signing_key(event.contents)),
        reason=reason,
        evidence=sentence if is_evidence else None,
        forced=is_forced(event.contents),
        recorded=sentence is not None,
        in_force=in_force,
    )
