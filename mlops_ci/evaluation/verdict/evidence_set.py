"""The evidence for a verdict: about the candidate alone, and against its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.verdict.fairness import FairnessGap
from mlops_ci.evaluation.verdict.wording import Slice
from mlops_ci.spec.metrics import find_metric
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, GateSpec, Requirement

MIN_CLASS_ROWS = 10  # rows of each class; with fewer, the intervals of class-based metrics are too narrow


class MeasuredModel(Protocol):
    """The part of a model that requirements need: its name and its operational metrics."""

    @property
    def name(self) -> str:
        """The display name."""
        ...

    @property
    def operational_metrics(self) -> Mapping[str, float]:
        """The operational metrics (ms, MB, seconds), by metric name."""
        ...


@dataclass(frozen=True)
class BaselineEvidence:
    """The evidence against one baseline, on the rows that neither model was trained on.

    `by_slice` has every slice of the examined columns, including slices that are too small to test. Without `evidence`,
    `absence` has the reason (`absence_reason` in words), and tests against the baseline do not apply. When
    `is_incomparable` is true, the baseline exists but cannot be scored, and these tests are inconclusive instead.
    """

    name: str = ""
    evidence: MetricEvidence | None = None
    by_slice: Mapping[Slice, MetricEvidence] = field(default_factory=dict)
    operational_metrics: Mapping[str, float] = field(default_factory=dict)
    absence: Reason | None = None
    absence_reason: str = ""
    is_incomparable: bool = False


@dataclass(frozen=True)
class EvidenceSet:
    """All evidence for a verdict.

    `overall_evidence` is about the candidate on all rows. `gaps` are the fairness gaps, by (metric, column).
    `unknown_metrics` are unknown, or do not belong to this task; a requirement of another commit may name such a metric.
    """

    overall_evidence: MetricEvidence
    gate: GateSpec
    candidate: MeasuredModel
    baselines: Mapping[BaselineRole, BaselineEvidence]
    change_kind: ChangeKind = "changed"
    gaps: Mapping[tuple[str, str], FairnessGap] = field(default_factory=dict)
    unknown_metrics: frozenset[str] = frozenset()

    @property
    def alpha(self) -> float:
        """The error probability of each one-sided test."""
        return 1 - self.gate.confidence


def too_few_rows_reason(requirement: Requirement, evidence: MetricEvidence, gate: GateSpec) -> Reason | None:
    """Return the reason why there are too few rows for a verdict on a metric; None when there are enough."""
    if evidence.independent_rows < gate.min_rows:
        return Reason("too-few-rows", needed=gate.min_rows, effective_rows=evidence.effective_sample_size)
    if has_too_few_class_rows(requirement.metric, evidence):
        return Reason("too-few-class-rows", needed=MIN_CLASS_ROWS, class_rows=evidence.rarest_class_rows)
    return None


def has_too_few_class_rows(metric: str, evidence: MetricEvidence) -> bool:
    """Tell whether a class-based metric has fewer than MIN_CLASS_ROWS rows of some class, so its interval is unreliable."""
    definition = find_metric(metric)
    return (
        definition is not None
        and definition.needs_class_rows
        and evidence.rarest_class_rows is not None
        and evidence.rarest_class_rows < MIN_CLASS_ROWS
    )
