"""Revoked models, which need a stated reason to come back: models that a rollback replaced, and deprecated models."""

from __future__ import annotations

from mlops_ci.core.diagnostics import Diagnostic, Location, Severity
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Assignment
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState


def require_reason(reason: str | None, *, force: bool) -> None:
    """Ensure that `force` has a reason; raises UsageProblem `reason-missing` otherwise."""
    if force and not (reason or "").strip():
        raise UsageProblem.of(
            "reason-missing",
            "--force overrides an earlier decision, so it needs a reason",
            help="add --reason TEXT, for example: --reason 'the data were wrong'",
        )


def find_override(state: ModelState, model_digest: str, command: str, *, force: bool) -> EventRef | None:
    """Return the event that revoked a model; None when the model is not revoked.

    `command` is the user's command, for the hint to repeat it with --force and a reason. Without `force`, a revoked model
    raises Findings `model-abandoned` or `model-deprecated`.
    """
    taken = _revocations(state, model_digest)
    if taken and not force:
        help = f"release or deploy another model; or use this one anyway and give a reason: {command} --force --reason TEXT"
        raise Findings([_revocation_finding(event, help, None, "error") for event in taken])
    return taken[0].ref if taken else None


def revocation_warnings(state: ModelState, model_digest: str, where: Location | None) -> tuple[Diagnostic, ...]:
    """Return a warning for each event that makes a later release of this model fail, so that the user knows it in advance."""
    help = f"change the model; or release it anyway with a reason: mlops-ci release {state.model} --force --reason TEXT"
    return tuple(_revocation_finding(event, help, where, "warning") for event in _revocations(state, model_digest))


def usage_warnings(state: ModelState, model_digest: str) -> tuple[Diagnostic, ...]:
    """Return a warning for each event that speaks against using this model: a rollback from it, or its deprecation."""
    help = f"use another version, unless you know why this one is right: mlops-ci history {state.model}"
    return tuple(_revocation_finding(event, help, None, "warning") for event in _revocations(state, model_digest))


def _revocations(state: ModelState, model_digest: str) -> tuple[Event, ...]:
    rollback = state.rolled_back_models.get(model_digest)
    deprecation = state.last_event if state.is_deprecated else None
    return tuple(event for event in (rollback, deprecation) if event is not None)


def _revocation_finding(event: Event, help: str, where: Location | None, severity: Severity) -> Diagnostic:
    record = event.record
    told = f"{record.reason} ({event.name}, {record.made_by.actor}, {record.made_on})" if record else event.name
    if isinstance(record, Assignment):
        message = (
            f"a rollback in '{record.environment}' replaced this model (v{record.rollback_of} of '{event.model}') with"
            f" v{record.version}: {told}"
        )
        return Diagnostic("model-abandoned", message, where, help, severity)
    return Diagnostic("model-deprecated", f"'{event.model}' is deprecated: {told}", where, help, severity)
