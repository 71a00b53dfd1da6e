"""One requirement, judged: floors and ceilings, gaps between groups, costs, and tests against older versions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from mlops_ci.core.records import RequirementResult, Verdict
from mlops_ci.evaluation.stats.intervals import Estimate
from mlops_ci.evaluation.stats.power import further, more, z_scores
from mlops_ci.evaluation.verdict.baseline_tests import TESTS, Test
from mlops_ci.evaluation.verdict.evidence_set import Case, Named, Rival, too_small
from mlops_ci.spec.metrics import METRICS as METRIC_NAMES
from mlops_ci.spec.requirement_text import describe, number
from mlops_ci.spec.spec_types import Occasion, Requirement
from mlops_ci.training.predictions import need


def judge(requirement: Requirement, case: Case) -> RequirementResult:
    """Return the verdict on one requirement, with its reason in plain words."""
    result = RequirementResult(describe(requirement), requirement.metric, "inconclusive", "")
    if requirement.metric in case.strange:
        return replace(result, reason=f"{requirement.metric} is no metric of this model, so nothing can be said of it")
    name = METRIC_NAMES.get(requirement.metric)
    if name is not None and name.operational:
        return _operational(requirement, case, result)
    if requirement.against is not None:
        return _tested(requirement, case, result)
    if few := too_small(requirement, case.whole, case.gate):
        return replace(result, reason=few)
    if name is not None and name.between:
        return _gap(requirement, case, result)
    mine = case.whole.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value(requirement.metric))
    return _floor(requirement, case, replace(result, candidate=mine.value), mine)


def applies(requirement: Requirement, case: Case) -> bool:
    """Tell whether a requirement is of this occasion."""
    return requirement.when in (None, case.occasion)


def _tested(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    rival = case.rivals[need(requirement.against)]
    if (settled := _settled(requirement, rival, case, result)) is not None or rival.evidence is None:
        return settled or result
    if few := too_small(requirement, rival.evidence, case.gate):
        return replace(result, reason=few)
    mine = rival.evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value(requirement.metric))
    return TESTS[requirement.test or "superiority"](
        requirement, Test(rival, rival.evidence, case.alpha), replace(result, candidate=mine.value)
    )


def _settled(requirement: Requirement, rival: Rival, case: Case, result: RequirementResult) -> RequirementResult | None:
    """Return the result where the older version cannot be looked at, or need not be; None when it must be."""
    if rival.evidence is None and not rival.incomparable:
        return replace(result, verdict="not-applicable", reason=rival.absent)
    if not applies(requirement, case):
        return replace(result, verdict="not-applicable", reason=_OTHER_OCCASION[case.occasion])
    return replace(result, reason=rival.absent) if rival.evidence is None else None


_OTHER_OCCASION: Mapping[Occasion, str] = {
    "changed": "this is for retrains, and here the spec, the code or the interface has changed",
    "retrained": "this is for changes, and here the same was trained again",
}


def _no_value(metric: str) -> str:
    if metric == "cost":
        return "cost has no value here: the holdout has a class that the model does not know, or the costs name one that there is not"
    return f"{metric} has no value here: no probabilities, one class only in the holdout, or numbers too large to reckon with"


def _operational(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    value = _cost(case.candidate, requirement.metric)
    if requirement.against is not None:
        return _ratio(requirement, case, replace(result, candidate=value))
    if value is None:
        return replace(result, reason=f"{requirement.metric} was not measured")
    low, high = _limits(requirement)
    verdict: Verdict = "pass" if low <= value <= high else "fail"
    return replace(result, candidate=value, verdict=verdict, reason=f"{requirement.metric} is {number(value)}")


def _ratio(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    """Judge the candidate's cost by the older version's; without error probability, because no rows are drawn."""
    metric, mine, most = result.metric, result.candidate, requirement.max_ratio
    older = case.rivals[need(requirement.against)]
    if (settled := _settled(requirement, older, case, result)) is not None:
        return settled
    if most is None:
        return replace(result, reason=f"{metric} has no test against another version; use max or maxRatio")
    rival = _cost(older, metric)
    result = replace(result, champion=rival)
    if mine is None:
        return replace(result, reason=f"{metric} was not measured")
    if rival is None:
        return replace(result, reason=f"{metric} of {older.name} was not measured")
    if rival == 0:
        return replace(result, reason=f"{metric} of {older.name} is 0, and nothing is a multiple of that")
    ratio = mine / rival
    verdict: Verdict = "pass" if ratio <= most else "fail"
    seen = f"{metric} is {number(mine)} against {number(rival)} of {older.name}"
    return replace(
        result,
        verdict=verdict,
        reason=f"{seen}, {_times(ratio, most)} times it; at most {_times(most)} times is allowed",
    )


def _times(ratio: float, limit: float | None = None) -> str:
    """Write a ratio with two decimals, or with more where these would hide on which side of the limit it is."""
    if limit is None:
        return f"{ratio:.2f}" if round(ratio, 2) == ratio else f"{ratio:g}"
    exact = (text for text in (f"{ratio:.2f}", f"{ratio:.4f}") if (float(text) <= limit) == (ratio <= limit))
    return next(exact, repr(ratio))


def _cost(model: Named, metric: str) -> float | None:
    value = model.operational.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _limits(requirement: Requirement) -> tuple[float, float]:
    low = -math.inf if requirement.min is None else requirement.min
    return low, math.inf if requirement.max is None else requirement.max


def _floor(requirement: Requirement, case: Case, result: RequirementResult, mine: Estimate) -> RequirementResult:
    if mine.bound is None:
        return replace(
            result,
            reason=f"these rows give no interval for {requirement.metric}: samples of them differ wildly, or not at all",
        )
    lower, upper = mine.bound(case.alpha), mine.bound(1 - case.alpha)
    low, high = _limits(requirement)
    result = replace(result, lower=lower, upper=upper)
    seen = f"{number(mine.value)}, between {number(lower)} and {number(upper)}"
    if low < lower and upper < high:
        return replace(result, verdict="pass", reason=seen)
    if upper < low or lower > high:
        return replace(result, verdict="fail", reason=seen)
    both = [_rows_for_floor(case, mine.value - low, mine.value - lower) if lower <= low else 0]
    both.append(_rows_for_floor(case, high - mine.value, upper - mine.value) if upper >= high else 0)
    needed = None if None in both else max(one for one in both if one is not None)
    limit = low if lower <= low else high
    return replace(result, reason=f"{seen}: {number(limit)} lies in between{more(needed)}", labels_needed=needed)


def _rows_for_floor(case: Case, gap: float, half_width: float) -> int | None:
    """Return how many more rows decide with 80 % power; None when the value is on the limit, or nothing varies.

    The interval's half is z_alpha standard errors wide, and the gap must be z_alpha + z_power of them.
    """
    z, power = z_scores(case.alpha)
    if gap == 0 or half_width <= 0:
        return None
    return further(case.whole.rows, half_width / abs(gap) * (z + power) / z)


def _gap(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    gap = case.gaps.get((requirement.metric, requirement.by or ""))
    if gap is None:
        return replace(result, reason=f"fewer than two groups by {requirement.by} have rows enough to be compared")
    judged = _floor(requirement, case, replace(result, candidate=gap.estimate.value), gap.estimate)
    ends = f"the {gap.rate} rate is highest for {gap.highest} and lowest for {gap.lowest}"
    small = f"; {len(gap.passed_over)} groups are too small to count" if gap.passed_over else ""
    return replace(judged, reason=f"{judged.reason} ({ends}{small})", labels_needed=None)
