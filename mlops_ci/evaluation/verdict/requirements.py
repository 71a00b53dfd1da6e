"""The verdict on one requirement: a floor, a ceiling, a fairness gap, an operational metric, or a test against a baseline."""

from __future__ import annotations

import math
from dataclasses import replace

from mlops_ci.core.requirements import Reason, RequirementResult, RequirementVerdict
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Estimate
from mlops_ci.evaluation.stats.power import additional_rows, z_scores
from mlops_ci.evaluation.verdict.baseline_tests import BASELINE_TESTS, BaselineTest
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet, MeasuredModel, too_few_rows_reason
from mlops_ci.evaluation.verdict.fairness import FairnessGap
from mlops_ci.spec.metrics import METRIC_DEFINITIONS as METRIC_NAMES
from mlops_ci.spec.metrics import find_metric
from mlops_ci.spec.requirement_text import requirement_terms
from mlops_ci.spec.spec_types import Requirement
from mlops_ci.training.predictions import require_part


def judge_requirement(requirement: Requirement, case: EvidenceSet) -> RequirementResult:
    """Return the result of one requirement: its verdict, the reason, and the measured values."""
    result = RequirementResult(requirement_terms(requirement), "inconclusive", Reason("metric-unknown"))
    if requirement.metric in case.unknown_metrics:
        return result
    name = METRIC_NAMES.get(requirement.metric)
    if name is not None and name.is_operational:
        return _judge_operational_metric(requirement, case, result)
    if requirement.against is not None:
        return _judge_against_baseline(requirement, case, result)
    result = replace(result, rows=case.overall_evidence.rows)
    if few := too_few_rows_reason(requirement, case.overall_evidence, case.gate):
        return replace(result, reason=few)
    if name is not None and name.compares_groups:
        return _judge_fairness_gap(requirement, case, result)
    mine = case.overall_evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value_reason(requirement.metric, case.overall_evidence))
    return _judge_limits(requirement, case, replace(result, candidate=mine.value), mine)


def _no_value_reason(metric: str, evidence: MetricEvidence) -> Reason:
    """Return why a metric has no value: what it needs and the model does not give, if that is known."""
    definition = find_metric(metric)
    needed = definition.needs if definition is not None else None
    return Reason("no-value", lacking=needed if needed in evidence.lacking else None)


def applies_to_change(requirement: Requirement, case: EvidenceSet) -> bool:
    """Tell whether a requirement applies to this kind of change (its `when`)."""
    return requirement.when in (None, case.change_kind)


def _judge_against_baseline(
    requirement: Requirement, case: EvidenceSet, result: RequirementResult
) -> RequirementResult:
    baseline = case.baselines[require_part(requirement.against)]
    early_result = _result_without_test(requirement, baseline, case, result)
    if early_result is not None or baseline.evidence is None:
        return early_result or result
    result = replace(result, rows=baseline.evidence.rows)
    if few := too_few_rows_reason(requirement, baseline.evidence, case.gate):
        return replace(result, reason=few)
    mine = baseline.evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value_reason(requirement.metric, baseline.evidence))
    return BASELINE_TESTS[requirement.test or "superiority"](
        requirement, BaselineTest(baseline, baseline.evidence, case.alpha), replace(result, candidate=mine.value)
    )


def _result_without_test(
    requirement: Requirement, baseline: BaselineEvidence, case: EvidenceSet, result: RequirementResult
) -> RequirementResult | None:
    """Return the result when the baseline is missing or the requirement does not apply; None when a test is needed."""
    absence = None if baseline.evidence is not None else baseline.absence or Reason("no-baseline")
    if absence is not None and not baseline.is_incomparable:
        return replace(result, verdict="not-applicable", reason=absence)
    if not applies_to_change(requirement, case):
        return replace(result, verdict="not-applicable", reason=Reason("other-change", change_kind=case.change_kind))
    return None if absence is None else replace(result, reason=absence)


def _judge_operational_metric(
    requirement: Requirement, case: EvidenceSet, result: RequirementResult
) -> RequirementResult:
    value = _operational_value(case.candidate, requirement.metric)
    if requirement.against is not None:
        return _judge_ratio(requirement, case, replace(result, candidate=value))
    if value is None:
        return replace(result, reason=Reason("not-measured"))
    low, high = _floor_and_ceiling(requirement)
    verdict: RequirementVerdict = "pass" if low <= value <= high else "fail"
    return replace(result, candidate=value, verdict=verdict, reason=Reason("value-measured"))


def _judge_ratio(requirement: Requirement, case: EvidenceSet, result: RequirementResult) -> RequirementResult:
    """Return the result of a limit on candidate / baseline; there is no error probability, because no rows are sampled."""
    mine, max_ratio = result.candidate, requirement.max_ratio
    baseline = case.baselines[require_part(requirement.against)]
    if (early_result := _result_without_test(requirement, baseline, case, result)) is not None:
        return early_result
    if max_ratio is None:
        return replace(result, reason=Reason("metric-without-test"))
    theirs = _operational_value(baseline, requirement.metric)
    result = replace(result, baseline=theirs)
    if mine is None:
        return replace(result, reason=Reason("not-measured"))
    if theirs is None:
        return replace(result, reason=Reason("baseline-not-measured", baseline=baseline.name))
    if theirs == 0:
        return replace(result, reason=Reason("baseline-zero", baseline=baseline.name))
    verdict: RequirementVerdict = "pass" if mine / theirs <= max_ratio else "fail"
    return replace(result, verdict=verdict, reason=Reason("ratio-measured", baseline=baseline.name))


def _operational_value(model: MeasuredModel, metric: str) -> float | None:
    value = model.operational_metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _floor_and_ceiling(requirement: Requirement) -> tuple[float, float]:
    low = -math.inf if requirement.min is None else requirement.min
    return low, math.inf if requirement.max is None else requirement.max


def _judge_limits(
    requirement: Requirement, case: EvidenceSet, result: RequirementResult, mine: Estimate
) -> RequirementResult:
    if mine.bound is None:
        return replace(result, reason=Reason("no-interval"))
    lower, upper = mine.bound(case.alpha), mine.bound(1 - case.alpha)
    low, high = _floor_and_ceiling(requirement)
    result = replace(result, lower=lower, upper=upper)
    if low < lower and upper < high:
        return replace(result, verdict="pass", reason=Reason("interval-clear"))
    if upper < low or lower > high:
        return replace(result, verdict="fail", reason=Reason("interval-clear"))
    both = [_rows_to_decide(case, mine.value - low, mine.value - lower) if lower <= low else 0]
    both.append(_rows_to_decide(case, high - mine.value, upper - mine.value) if upper >= high else 0)
    needed = None if None in both else max(one for one in both if one is not None)
    limit = low if lower <= low else high
    return replace(result, reason=Reason("interval-crosses-limit", limit=limit), labels_needed=needed)


def _rows_to_decide(case: EvidenceSet, gap: float, half_width: float) -> int | None:
    """Return the number of additional rows for a decision with 80 % power.

    `gap` is the distance from the value to the limit. Half of the interval is z_alpha standard errors wide; for the
    decision, the gap must be z_alpha + z_power standard errors. Returns None when the gap or the interval's width is 0.
    """
    z, power = z_scores(case.alpha)
    if gap == 0 or half_width <= 0:
        return None
    return additional_rows(case.overall_evidence.rows, half_width / abs(gap) * (z + power) / z)


def _judge_fairness_gap(requirement: Requirement, case: EvidenceSet, result: RequirementResult) -> RequirementResult:
    gap = case.gaps.get((requirement.metric, requirement.by or ""))
    if gap is None:
        return replace(result, reason=Reason("too-few-groups"))
    limited = _judge_limits(requirement, case, replace(result, candidate=gap.estimate.value), gap.estimate)
    return replace(limited, reason=_with_groups(limited.reason, gap), labels_needed=None)


def _with_groups(reason: Reason, gap: FairnessGap) -> Reason:
    return replace(
        reason,
        rate=gap.rate,
        highest_group=gap.highest_group,
        lowest_group=gap.lowest_group,
        skipped=len(gap.skipped_groups),
    )
