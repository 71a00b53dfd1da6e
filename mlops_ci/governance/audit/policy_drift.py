"""Audit of the policy: versions in use that passed an earlier gate and would not pass the current one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.events import GateEvidence, Release
from mlops_ci.core.requirements import RequirementTerms
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.spec.defaults import default_requirements
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.requirement_text import describe_terms, format_metric, requirement_terms
from mlops_ci.spec.spec_types import ModelSpec, Requirement


def breaks(held: ModelInventory, model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    """Yield a warning for each version that is the newest or assigned, and that the model's current gate would not pass."""
    spec = model.spec
    today = digest_json([encode(spec.gate), encode(spec.evaluate)])
    current = {event.version for event in held.state.current_assignments.values()}
    if held.state.latest_release is not None:
        current.add(held.state.latest_release.version)
    requirements = spec.gate.requirements or default_requirements(spec.task)
    for version, event in held.state.releases.items():
        record = held.records.get(event.name)
        if version not in current or not isinstance(record, Release) or record.evidence.policy_digest == today:
            continue
        reasons = [why for requirement in requirements if (why := _shortfall(requirement, record.evidence))]
        if reasons:
            yield Diagnostic(
                "audit-policy-drift",
                f"{event.name} passed under policy {record.evidence.policy_digest[:10]}, but it would fail under the current policy:"
                f" {'; '.join(reasons)}",
                model.locate("spec", "gate", key=True),
                f"run the gate again (mlops-ci gate {held.model}), release and deploy a version that passes",
                "warning",
            )


def _shortfall(requirement: Requirement, evidence: GateEvidence) -> str | None:
    """Return the reason why recorded evidence does not meet a requirement; None when it does."""
    asked = requirement_terms(requirement)
    if asked.test != "threshold":
        was_asked = any(item.requirement == asked for item in evidence.requirements)
        return None if was_asked else f"{describe_terms(asked)}: the gate did not test it"
    seen = _measured_bounds(asked, evidence)
    if seen is None:
        return f"{describe_terms(asked)}: {asked.metric} was not measured"
    lower, upper = seen
    low = -math.inf if asked.min is None else asked.min
    high = math.inf if asked.max is None else asked.max
    exact = lower == upper  # a value without an interval may be equal to the limit
    if (low < lower and upper < high) or (exact and low <= lower <= high):
        return None
    shown = format_metric(lower) if exact else f"{format_metric(lower)} to {format_metric(upper)}"
    return f"{describe_terms(asked)}, but the recorded value is {shown}"


def _measured_bounds(asked: RequirementTerms, evidence: GateEvidence) -> tuple[float, float] | None:
    """Return the recorded bounds of a metric: those of an earlier threshold on it, else those of the reported metric."""
    for item in evidence.requirements:
        told = item.requirement
        if (told.test, told.metric, told.by) == ("threshold", asked.metric, asked.by) and item.candidate is not None:
            return _bounds(item.candidate, item.lower, item.upper)
    for value in evidence.metrics:
        if (value.metric, asked.by) == (asked.metric, None):
            return _bounds(value.value, value.lower, value.upper)
    return None


def _bounds(value: float, lower: float | None, upper: float | None) -> tuple[float, float]:
    return (value, value) if lower is None or upper is None else (lower, upper)
