"""Tests against an older version: superiority, non-inferiority, no regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlops_ci.core.records import RequirementResult
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.holm import adjust_p_values
from mlops_ci.evaluation.stats.intervals import Difference
from mlops_ci.evaluation.stats.power import describe_needed_rows, labels_needed
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, has_too_few_class_rows
from mlops_ci.evaluation.verdict.wording import Slice, slice_name
from mlops_ci.spec.requirement_text import format_metric
from mlops_ci.spec.spec_types import Requirement
from mlops_ci.training.predictions import require_part

_SMALLEST_P = 1e-16  # smaller ones are of no tail that anybody knows


@dataclass(frozen=True)
class BaselineTest:
    """What a test against an older version rests on."""

    baseline: BaselineEvidence
    evidence: MetricEvidence
    alpha: float


def _baseline_difference(
    requirement: Requirement, test: BaselineTest, result: RequirementResult
) -> tuple[Difference | None, RequirementResult]:
    rival = test.evidence.champion.get(requirement.metric)
    difference = test.evidence.differences.get(requirement.metric)
    if rival is None or difference is None:
        return None, replace(result, reason=f"{requirement.metric} of the two models cannot be compared on these rows")
    return difference, _with_difference(result, difference, test.alpha, rival.value)


def _with_difference(
    result: RequirementResult, difference: Difference, alpha: float, champion: float
) -> RequirementResult:
    lower, upper = difference.bound(alpha), difference.bound(1 - alpha)
    return replace(result, champion=champion, difference=difference.value, lower=lower, upper=upper)


def _test_superiority(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    difference, result = _baseline_difference(requirement, test, result)
    if difference is None:
        return result
    result = _with_p_value(result, difference.p_value_above(requirement.margin))
    seen = _describe_difference(result)
    if _is_shown_above(difference, requirement.margin, test.alpha):
        better = f"better by {requirement.margin:g}" if requirement.margin else "better"
        were = f"one that is no {better} would look this good"
        return replace(result, verdict="pass", reason=f"{seen} ({_describe_p_value(result, were)})")
    if _is_shown_below(difference, 0.0, test.alpha):
        result = _with_p_value(result, difference.p_value_below(0.0))
        return replace(
            result,
            verdict="fail",
            reason=f"{seen} ({_describe_p_value(result, 'one that is no worse would look this bad')})",
        )
    if difference.value <= requirement.margin:
        return replace(result, reason=f"{seen}: no improvement was seen that more rows could confirm")
    return _inconclusive_result(result, difference.p_value_above(requirement.margin), test, seen)


def _test_non_inferiority(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    difference, result = _baseline_difference(requirement, test, result)
    if difference is None:
        return result
    result = _with_p_value(result, difference.p_value_above(-requirement.margin))
    seen = _describe_difference(result)
    if _is_shown_above(difference, -requirement.margin, test.alpha):
        were = f"one that is {requirement.margin:g} worse would look this good"
        return replace(
            result,
            verdict="pass",
            reason=f"{seen}: at most {requirement.margin:g} worse ({_describe_p_value(result, were)})",
        )
    if _is_shown_below(difference, -requirement.margin, test.alpha):
        result = _with_p_value(result, difference.p_value_below(-requirement.margin))
        were = f"one at most {requirement.margin:g} worse would look this bad"
        return replace(
            result,
            verdict="fail",
            reason=f"{seen}: more than {requirement.margin:g} worse ({_describe_p_value(result, were)})",
        )
    if difference.value <= -requirement.margin:
        return replace(result, reason=f"{seen}: too close to call, and more rows are not likely to show it")
    return _inconclusive_result(result, difference.p_value_above(-requirement.margin), test, seen)


def _is_shown_above(difference: Difference, limit: float, alpha: float) -> bool:
    """Tell whether the difference is shown to be above a limit: seen there, by the test, and by the interval."""
    return difference.value > limit and difference.p_value_above(limit) <= alpha and difference.bound(alpha) >= limit


def _is_shown_below(difference: Difference, limit: float, alpha: float) -> bool:
    return (
        difference.value < limit and difference.p_value_below(limit) <= alpha and difference.bound(1 - alpha) <= limit
    )


def _inconclusive_result(result: RequirementResult, p: float, test: BaselineTest, seen: str) -> RequirementResult:
    needed = labels_needed(test.evidence.rows, p, test.alpha)
    return replace(result, reason=f"{seen}: too close to call{describe_needed_rows(needed)}", labels_needed=needed)


def _with_p_value(result: RequirementResult, p: float) -> RequirementResult:
    return replace(result, p=max(p, _SMALLEST_P))


def _describe_p_value(result: RequirementResult, were: str) -> str:
    """Write a p-value, and in words how often at most so much would be seen if things were otherwise."""
    p = require_part(result.p)
    if p <= _SMALLEST_P:
        return f"p < {p:.2g}"
    return f"p = {p:.2g}: {were} in at most 1 of {_round_to_two_digits(1 / p):,} holdouts"


def _round_to_two_digits(count: float) -> int:
    """Return a count with two significant digits."""
    digits = max(math.floor(math.log10(count)) - 1, 0)
    return math.floor(count / 10.0**digits) * int(10.0**digits)


def _describe_difference(result: RequirementResult) -> str:
    mine, rival, difference = (
        require_part(result.candidate),
        require_part(result.champion),
        require_part(result.difference),
    )
    how = (
        f"{format_metric(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    )
    return f"{format_metric(mine)} against {format_metric(rival)}, {how}"


def _test_no_regression(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    metric = requirement.metric
    tested, passed_over, untested = _testable_slices(requirement, test)
    if not tested:
        return replace(result, reason=f"{metric} of the two models cannot be compared on these rows")
    differences = [one.differences[metric] for _, one in tested]
    p_values = [one.p_value_below(-requirement.margin) for one in differences]
    adjusted = adjust_p_values(p_values)
    worst = min(range(len(tested)), key=lambda at: (p_values[at], differences[at].value))
    slice_, evidence = tested[worst]
    name = None if slice_ is None else slice_name(slice_)
    result = replace(result, candidate=evidence.candidate[metric].value, slice=name)
    result = _with_p_value(
        _with_difference(result, differences[worst], test.alpha, evidence.champion[metric].value), adjusted[worst]
    )
    where = f"in {name}" if name else "on the whole holdout"
    small = f"; {passed_over} slices are too small to test" if passed_over else ""
    were = (
        "without a regression anywhere, some slice would look this bad"
        if name
        else "one without it would look this bad"
    )
    if adjusted[worst] <= test.alpha:
        return replace(
            result,
            verdict="fail",
            reason=f"{where} {_describe_difference(result)} ({_describe_p_value(result, were)}, Holm){small}",
        )
    if untested:
        return replace(result, reason=f"{metric} could not be compared {' and '.join(untested)}{small}")
    if any(not one.varies and one.value < -requirement.margin for one in differences):
        return replace(
            result,
            reason=f"{where} {_describe_difference(result)} on all of its rows, which are too few to be sure{small}",
        )
    among = (
        f"no evidence of a regression in {len(tested)} tests; worst {where}"
        if len(tested) > 1
        else "no evidence of a regression"
    )
    return replace(result, verdict="pass", reason=f"{among}: {_describe_difference(result)}{small}")


def _testable_slices(
    requirement: Requirement, test: BaselineTest
) -> tuple[list[tuple[Slice | None, MetricEvidence]], int, tuple[str, ...]]:
    """Return the whole and every slice asked for that can be tested; how many cannot; and where nothing was tested."""
    by_slice = test.baseline.by_slice
    there = dict.fromkeys(slice_[0] for slice_ in by_slice)
    columns = tuple(there) if requirement.slices == "all" else requirement.slices or ()
    every: list[tuple[Slice | None, MetricEvidence]] = [(None, test.evidence)]
    every += [(slice_, evidence) for slice_, evidence in by_slice.items() if slice_[0] in columns]
    tested = [
        (slice_, one)
        for slice_, one in every
        if requirement.metric in one.differences and not has_too_few_class_rows(requirement.metric, one)
    ]
    reached = {slice_[0] if slice_ else None for slice_, _ in tested}
    untested = [] if None in reached else ["on the whole holdout"]
    untested += [f"by {column}" for column in columns if column not in reached]
    if requirement.slices == "all" and not columns:
        untested.append("by slice")
    return tested, len(every) - len(tested), tuple(untested)


BASELINE_TESTS: Mapping[str, Callable[[Requirement, BaselineTest, RequirementResult], RequirementResult]] = {
    "superiority": _test_superiority,
    "non-inferiority": _test_non_inferiority,
    "no-regression": _test_no_regression,
}
