"""Completion of an event whose push arrived in part: its tag is at the remote, and its log entry and its run are not."""

from __future__ import annotations

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.planned_writes import AppendLog, CreateRef, PlannedWrite
from mlops_ci.core.records.events import Release
from mlops_ci.registry.events import Event
from mlops_ci.registry.run_store import find_run, release_ref
from mlops_ci.registry.state import ModelState
from mlops_ci.repository.git import Repository


def plan_completion(repo: Repository, state: ModelState) -> tuple[PlannedWrite, ...]:
    """Return what the push of the newest event should have written beside its tag; nothing if the log has the event.

    Raises EnvironmentProblem `event-incomplete` for a release whose run is not here, or is not the one that its tag names: only
    the clone that released it can complete it.
    """
    event = state.unlogged_event
    if event is None or event.record is None:
        return ()
    record = event.record
    entry = AppendLog(state.model, event.name, encode(record), state.log, event.oid)
    if not isinstance(record, Release):
        return (entry,)
    run = find_run(repo, record.run_ref, fetch=True)
    evidence = repo.read_blob(run.files.get("comparison.json", "")) if run is not None else None
    if run is None or run.oid != record.run_oid or evidence is None or digest_bytes(evidence) != record.evidence.digest:
        raise EnvironmentProblem.of(
            "event-incomplete",
            f"only the tag {event.name} arrived of its push, and this clone does not have the run that it names: {record.run_ref}",
            help=f"run `mlops-ci release {state.model}` in the clone that released it; if there is none, delete the tag:"
            f" git push origin :refs/tags/{event.name}",
        )
    pins = (release_ref(state.model, record.version), record.run_ref)
    return (*(CreateRef(ref, run.oid) for ref in pins), entry)


def plan_earlier_completion(
    repo: Repository, state: ModelState
) -> tuple[tuple[PlannedWrite, ...], tuple[Diagnostic, ...]]:
    """Return what completes the newest event, and the note about it, for a push that adds another event to the log.

    Nothing for an event that does not verify, or a release whose run is not here: it stops no other event.
    """
    event = state.unlogged_event
    if event is None or event.oid in state.unverified:
        return (), ()
    try:
        writes = plan_completion(repo, state)
    except EnvironmentProblem:
        return (), ()
    return writes, (completion_note(event),) if writes else ()


def completion_note(event: Event) -> Diagnostic:
    """Return the note that an event's push had arrived in part, and is complete now."""
    return Diagnostic(
        "event-completed",
        f"only the tag {event.name} had arrived of an earlier push; its log entry, and its run if it is a release, are written now",
        severity="note",
    )
