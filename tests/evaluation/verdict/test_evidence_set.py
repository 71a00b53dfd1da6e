"""When rows are too few for a verdict: by their number, by what they are worth, and by their rarest class."""

from __future__ import annotations

import pytest

from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.verdict.evidence_set import has_too_few_class_rows, too_few_rows_reason
from mlops_ci.spec.spec_types import GateSpec, Requirement

GATE = GateSpec(min_rows=50)


def _evidence(rows: int, rarest: int | None = None, worth: int | None = None) -> MetricEvidence:
    return MetricEvidence(rows, {}, {}, {}, rarest, worth)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (_evidence(49), Reason("too-few-rows", needed=50)),
        (_evidence(50), None),
        (_evidence(5_000, worth=49), Reason("too-few-rows", needed=50, effective_rows=49)),
        (_evidence(5_000, worth=50), None),
        (_evidence(5_000, rarest=9), Reason("too-few-class-rows", needed=10, class_rows=9)),
        (_evidence(5_000, rarest=10), None),
        (_evidence(49, rarest=9), Reason("too-few-rows", needed=50)),  # the first thing to mend
    ],
)
def test_rows_are_too_few_below_what_the_gate_and_the_metric_need(
    evidence: MetricEvidence, reason: Reason | None
) -> None:
    assert too_few_rows_reason(Requirement("auc", min=0.6), evidence, GATE) == reason


@pytest.mark.parametrize(
    ("metric", "rarest", "few"), [("auc", 9, True), ("accuracy", 9, False), ("rmse", None, False), ("f1", None, False)]
)
def test_the_rarest_class_counts_for_metrics_of_classes_alone(metric: str, rarest: int | None, few: bool) -> None:
    assert has_too_few_class_rows(metric, _evidence(5_000, rarest)) is few
