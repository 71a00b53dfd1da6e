"""All that a verdict rests on: evidence about a candidate alone, and against older versions."""

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

MIN_CLASS_ROWS = 10  # of each class: with fewer, intervals of metrics that need rows of each class are too narrow


class MeasuredModel(Protocol):
    """A model as requirements see it."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def operational_metrics(self) -> Mapping[str, float]:
        """What it costs (ms, MB, seconds), by metric name."""
        ...


@dataclass(frozen=True)
class BaselineEvidence:
    """An older version that a candidate is tested against, on the rows that neither has learned from.

    `by_slice` has every slice of the columns that were looked at, also those that are too small to test. Without
    `evidence` its tests do not apply, which `absence` explains (`absence_reason` in words); they are inconclusive when
    `is_incomparable`, because the version cannot be scored and a gate that cannot decide lets nothing by.
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
    """All that a verdict rests on.

    `whole` is of the candidate on all rows; `gaps` are between groups, by metric and column. `strange` metrics are none
    of this task, or are not known: a requirement of another commit may name them.
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
    """Return why rows are too few for a verdict on a metric; None when they are not."""
    if evidence.independent_rows < gate.min_rows:
        return Reason("too-few-rows", needed=gate.min_rows, effective_rows=evidence.effective_sample_size)
    if has_too_few_class_rows(requirement.metric, evidence):
        return Reason("too-few-class-rows", needed=MIN_CLASS_ROWS, class_rows=evidence.rarest_class_rows)
    return None


def has_too_few_class_rows(metric: str, evidence: MetricEvidence) -> bool:
    """Tell whether a metric rests on so few rows of some class that its interval cannot be trusted."""
    definition = find_metric(metric)
    return (
        definition is not None
        and definition.needs_class_rows
        and evidence.rarest_class_rows is not None
        and evidence.rarest_class_rows < MIN_CLASS_ROWS
    )
