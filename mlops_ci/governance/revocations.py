"""What has been taken back, and comes back only for a stated reason: models that were rolled back from, deprecated models."""

from __future__ import annotations

from mlops_ci.core.diagnostics import Diagnostic, Location, Severity
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.events import Assignment, EventRef
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState


def require_reason(reason: str | None, *, force: bool) -> None:
    """Insist that who forces says why; raises UsageProblem `reason-missing`."""
    if force and not (reason or "").strip():
        raise UsageProblem.of(
            "reason-missing", "--force overrules a decision, and says why", help="--reason 'the data were at fault'"
        )


def find_override(state: ModelState, model_digest: str, command: str, *, force: bool) -> EventRef | None:
    """Return the event that bringing a model back overrides, or None when nothing has taken it back.

    `command` is what to run, with --force and a reason. Raises Findings `model-abandoned` or `model-deprecated` unless `force`.
    """
    taken = _revocations(state, model_digest)
    if taken and not force:
        help = f"release or deploy another model; or bring this one back, and say why: {command} --force --reason TEXT"
        raise Findings([_revocation_finding(event, help, None, "error") for event in taken])
    return taken[0].ref if taken else None


def revocation_warnings(state: ModelState, model_digest: str, where: Location | None) -> tuple[Diagnostic, ...]:
    """Return a warning for each event that will have a release of this model refused, so that nobody learns of it only then."""
    help = f"change the model; or release it all the same, and say why: mlops-ci release {state.model} --force --reason TEXT"
    return tuple(_revocation_finding(event, help, where, "warning") for event in _revocations(state, model_digest))


def _revocations(state: ModelState, model_digest: str) -> tuple[Event, ...]:
    rollback = state.rolled_back_models.get(model_digest)
    deprecation = state.last_event if state.is_deprecated else None
    return tuple(event for event in (rollback, deprecation) if event is not None)


def _revocation_finding(event: Event, help: str, where: Location | None, severity: Severity) -> Diagnostic:
    record = event.record
    told = f"{record.reason} ({event.name}, {record.made_by.actor}, {record.made_on})" if record else event.name
    if isinstance(record, Assignment):
        message = (
            f"this model of '{event.model}' was rolled back from, from v{record.rollback_of} to v{record.version} in"
            f" '{record.environment}': {told}"
        )
        return Diagnostic("model-abandoned", message, where, help, severity)
    return Diagnostic("model-deprecated", f"'{event.model}' is deprecated: {told}", where, help, severity)
