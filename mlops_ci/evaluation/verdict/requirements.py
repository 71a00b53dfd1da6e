"""One requirement, judged: floors and ceilings, gaps between groups, costs, and tests against older versions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from mlops_ci.core.records import RequirementResult, Verdict
from mlops_ci.evaluation.stats.intervals import Estimate
from mlops_ci.evaluation.stats.power import additional_rows, describe_needed_rows, z_scores
from mlops_ci.evaluation.verdict.baseline_tests import BASELINE_TESTS, BaselineTest
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet, MeasuredModel, too_few_rows_reason
from mlops_ci.spec.metrics import METRIC_DEFINITIONS as METRIC_NAMES
from mlops_ci.spec.requirement_text import describe_requirement, format_metric
from mlops_ci.spec.spec_types import ChangeKind, Requirement
from mlops_ci.training.predictions import require_part


def judge_requirement(requirement: Requirement, case: EvidenceSet) -> RequirementResult:
    """Return the verdict on one requirement, with its reason in plain words."""
    result = RequirementResult(describe_requirement(requirement), requirement.metric, "inconclusive", "")
    if requirement.metric in case.unknown_metrics:
        return replace(result, reason=f"{requirement.metric} is no metric of this model, so nothing can be said of it")
    name = METRIC_NAMES.get(requirement.metric)
    if name is not None and name.is_operational:
        return _judge_operational_metric(requirement, case, result)
    if requirement.against is not None:
        return _judge_against_baseline(requirement, case, result)
    if few := too_few_rows_reason(requirement, case.overall_evidence, case.gate):
        return replace(result, reason=few)
    if name is not None and name.compares_groups:
        return _judge_fairness_gap(requirement, case, result)
    mine = case.overall_evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value_reason(requirement.metric))
    return _judge_limits(requirement, case, replace(result, candidate=mine.value), mine)


def applies_to_change(requirement: Requirement, case: EvidenceSet) -> bool:
    """Tell whether a requirement is of this occasion."""
    return requirement.when in (None, case.change_kind)


def _judge_against_baseline(
    requirement: Requirement, case: EvidenceSet, result: RequirementResult
) -> RequirementResult:
    rival = case.baselines[require_part(requirement.against)]
    if (settled := _result_without_test(requirement, rival, case, result)) is not None or rival.evidence is None:
        return settled or result
    if few := too_few_rows_reason(requirement, rival.evidence, case.gate):
        return replace(result, reason=few)
    mine = rival.evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value_reason(requirement.metric))
    return BASELINE_TESTS[requirement.test or "superiority"](
        requirement, BaselineTest(rival, rival.evidence, case.alpha), replace(result, candidate=mine.value)
    )


def _result_without_test(
    requirement: Requirement, rival: BaselineEvidence, case: EvidenceSet, result: RequirementResult
) -> RequirementResult | None:
    """Return the result where the older version cannot be looked at, or need not be; None when it must be."""
    if rival.evidence is None and not rival.is_incomparable:
        return replace(result, verdict="not-applicable", reason=rival.absence_reason)
    if not applies_to_change(requirement, case):
        return replace(result, verdict="not-applicable", reason=_OTHER_CHANGE_REASONS[case.change_kind])
    return replace(result, reason=rival.absence_reason) if rival.evidence is None else None


_OTHER_CHANGE_REASONS: Mapping[ChangeKind, str] = {
    "changed": "this is for retrains, and here the spec, the code or the interface has changed",
    "retrained": "this is for changes, and here the same was trained again",
}


def _no_value_reason(metric: str) -> str:
    if metric == "cost":
        return "cost has no value here: the holdout has a class that the model does not know, or the costs name one that there is not"
    return f"{metric} has no value here: no probabilities, one class only in the holdout, or numbers too large to reckon with"


def _judge_operational_metric(
    requirement: Requirement, case: EvidenceSet, result: RequirementResult
) -> RequirementResult:
    value = _operational_value(case.candidate, requirement.metric)
    if requirement.against is not None:
        return _judge_ratio(requirement, case, replace(result, candidate=value))
    if value is None:
        return replace(result, reason=f"{requirement.metric} was not measured")
    low, high = _floor_and_ceiling(requirement)
    verdict: Verdict = "pass" if low <= value <= high else "fail"
    return replace(result, candidate=value, verdict=verdict, reason=f"{requirement.metric} is {format_metric(value)}")


def _judge_ratio(requirement: Requirement, case: EvidenceSet, result: RequirementResult) -> RequirementResult:
    """Judge the candidate's cost by the older version's; without error probability, because no rows are drawn."""
    metric, mine, most = result.metric, result.candidate, requirement.max_ratio
    older = case.baselines[require_part(requirement.against)]
    if (settled := _result_without_test(requirement, older, case, result)) is not None:
        return settled
    if most is None:
        return replace(result, reason=f"{metric} has no test against another version; use max or maxRatio")
    rival = _operational_value(older, metric)
    result = replace(result, champion=rival)
    if mine is None:
        return replace(result, reason=f"{metric} was not measured")
    if rival is None:
        return replace(result, reason=f"{metric} of {older.name} was not measured")
    if rival == 0:
        return replace(result, reason=f"{metric} of {older.name} is 0, and nothing is a multiple of that")
    ratio = mine / rival
    verdict: Verdict = "pass" if ratio <= most else "fail"
    seen = f"{metric} is {format_metric(mine)} against {format_metric(rival)} of {older.name}"
    return replace(
        result,
        verdict=verdict,
        reason=f"{seen}, {_format_ratio(ratio, most)} times it; at most {_format_ratio(most)} times is allowed",
    )


def _format_ratio(ratio: float, limit: float | None = None) -> str:
    """Write a ratio with two decimals, or with more where these would hide on which side of the limit it is."""
    if limit is None:
        return f"{ratio:.2f}" if round(ratio, 2) == ratio else f"{ratio:g}"
    exact = (text for text in (f"{ratio:.2f}", f"{ratio:.4f}") if (float(text) <= limit) == (ratio <= limit))
    return next(exact, repr(ratio))


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
        return replace(
            result,
            reason=f"these rows give no interval for {requirement.metric}: samples of them differ wildly, or not at all",
        )
    lower, upper = mine.bound(case.alpha), mine.bound(1 - case.alpha)
    low, high = _floor_and_ceiling(requirement)
    result = replace(result, lower=lower, upper=upper)
    seen = f"{format_metric(mine.value)}, between {format_metric(lower)} and {format_metric(upper)}"
    if low < lower and upper < high:
        return replace(result, verdict="pass", reason=seen)
    if upper < low or lower > high:
        return replace(result, verdict="fail", reason=seen)
    both = [_rows_to_decide(case, mine.value - low, mine.value - lower) if lower <= low else 0]
    both.append(_rows_to_decide(case, high - mine.value, upper - mine.value) if upper >= high else 0)
    needed = None if None in both else max(one for one in both if one is not None)
    limit = low if lower <= low else high
    return replace(
        result,
        reason=f"{seen}: {format_metric(limit)} lies in between{describe_needed_rows(needed)}",
        labels_needed=needed,
    )


def _rows_to_decide(case: EvidenceSet, gap: float, half_width: float) -> int | None:
    """Return how many more rows decide with 80 % power; None when the value is on the limit, or nothing varies.

    The interval's half is z_alpha standard errors wide, and the gap must be z_alpha + z_power of them.
    """
    z, power = z_scores(case.alpha)
    if gap == 0 or half_width <= 0:
        return None
    return additional_rows(case.overall_evidence.rows, half_width / abs(gap) * (z + power) / z)


def _judge_fairness_gap(requirement: Requirement, case: EvidenceSet, result: RequirementResult) -> RequirementResult:
    gap = case.gaps.get((requirement.metric, requirement.by or ""))
    if gap is None:
        return replace(result, reason=f"fewer than two groups by {requirement.by} have rows enough to be compared")
    judged = _judge_limits(requirement, case, replace(result, candidate=gap.estimate.value), gap.estimate)
    ends = f"the {gap.rate} rate is highest for {gap.highest_group} and lowest for {gap.lowest_group}"
    small = f"; {len(gap.skipped_groups)} groups are too small to count" if gap.skipped_groups else ""
    return replace(judged, reason=f"{judged.reason} ({ends}{small})", labels_needed=None)
