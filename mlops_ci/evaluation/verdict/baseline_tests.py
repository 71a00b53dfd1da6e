"""Tests against an older version: superiority, non-inferiority, no regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlops_ci.core.records import RequirementResult
from mlops_ci.evaluation.stats.evidence import Evidence
from mlops_ci.evaluation.stats.holm import holm
from mlops_ci.evaluation.stats.intervals import Difference
from mlops_ci.evaluation.stats.power import labels_needed, more
from mlops_ci.evaluation.verdict.evidence_set import Rival, few_of_a_class
from mlops_ci.evaluation.verdict.wording import Slice, slice_name
from mlops_ci.spec.requirement_text import number
from mlops_ci.spec.spec_types import Requirement
from mlops_ci.training.predictions import need

_SMALLEST_P = 1e-16  # smaller ones are of no tail that anybody knows


@dataclass(frozen=True)
class Test:
    """What a test against an older version rests on."""

    rival: Rival
    evidence: Evidence
    alpha: float


def _against(
    requirement: Requirement, test: Test, result: RequirementResult
) -> tuple[Difference | None, RequirementResult]:
    rival = test.evidence.champion.get(requirement.metric)
    difference = test.evidence.differences.get(requirement.metric)
    if rival is None or difference is None:
        return None, replace(result, reason=f"{requirement.metric} of the two models cannot be compared on these rows")
    return difference, _with(result, difference, test.alpha, rival.value)


def _with(result: RequirementResult, difference: Difference, alpha: float, champion: float) -> RequirementResult:
    lower, upper = difference.bound(alpha), difference.bound(1 - alpha)
    return replace(result, champion=champion, difference=difference.value, lower=lower, upper=upper)


def _superiority(requirement: Requirement, test: Test, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, test, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(requirement.margin))
    seen = _seen(result)
    if _proven(difference, requirement.margin, test.alpha):
        better = f"better by {requirement.margin:g}" if requirement.margin else "better"
        were = f"one that is no {better} would look this good"
        return replace(result, verdict="pass", reason=f"{seen} ({_p(result, were)})")
    if _disproven(difference, 0.0, test.alpha):
        result = _with_p(result, difference.below(0.0))
        return replace(
            result, verdict="fail", reason=f"{seen} ({_p(result, 'one that is no worse would look this bad')})"
        )
    if difference.value <= requirement.margin:
        return replace(result, reason=f"{seen}: no improvement was seen that more rows could confirm")
    return _undecided(result, difference.above(requirement.margin), test, seen)


def _non_inferiority(requirement: Requirement, test: Test, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, test, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(-requirement.margin))
    seen = _seen(result)
    if _proven(difference, -requirement.margin, test.alpha):
        were = f"one that is {requirement.margin:g} worse would look this good"
        return replace(
            result, verdict="pass", reason=f"{seen}: at most {requirement.margin:g} worse ({_p(result, were)})"
        )
    if _disproven(difference, -requirement.margin, test.alpha):
        result = _with_p(result, difference.below(-requirement.margin))
        were = f"one at most {requirement.margin:g} worse would look this bad"
        return replace(
            result, verdict="fail", reason=f"{seen}: more than {requirement.margin:g} worse ({_p(result, were)})"
        )
    if difference.value <= -requirement.margin:
        return replace(result, reason=f"{seen}: too close to call, and more rows are not likely to show it")
    return _undecided(result, difference.above(-requirement.margin), test, seen)


def _proven(difference: Difference, limit: float, alpha: float) -> bool:
    """Tell whether the difference is shown to be above a limit: seen there, by the test, and by the interval."""
    return difference.value > limit and difference.above(limit) <= alpha and difference.bound(alpha) >= limit


def _disproven(difference: Difference, limit: float, alpha: float) -> bool:
    return difference.value < limit and difference.below(limit) <= alpha and difference.bound(1 - alpha) <= limit


def _undecided(result: RequirementResult, p: float, test: Test, seen: str) -> RequirementResult:
    needed = labels_needed(test.evidence.rows, p, test.alpha)
    return replace(result, reason=f"{seen}: too close to call{more(needed)}", labels_needed=needed)


def _with_p(result: RequirementResult, p: float) -> RequirementResult:
    return replace(result, p=max(p, _SMALLEST_P))


def _p(result: RequirementResult, were: str) -> str:
    """Write a p-value, and in words how often at most so much would be seen if things were otherwise."""
    p = need(result.p)
    if p <= _SMALLEST_P:
        return f"p < {p:.2g}"
    return f"p = {p:.2g}: {were} in at most 1 of {_round(1 / p):,} holdouts"


def _round(count: float) -> int:
    """Return a count with two significant digits."""
    digits = max(math.floor(math.log10(count)) - 1, 0)
    return math.floor(count / 10.0**digits) * int(10.0**digits)


def _seen(result: RequirementResult) -> str:
    mine, rival, difference = need(result.candidate), need(result.champion), need(result.difference)
    how = f"{number(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    return f"{number(mine)} against {number(rival)}, {how}"


def _no_regression(requirement: Requirement, test: Test, result: RequirementResult) -> RequirementResult:
    metric = requirement.metric
    tested, passed_over, untested = _slices_tested(requirement, test)
    if not tested:
        return replace(result, reason=f"{metric} of the two models cannot be compared on these rows")
    differences = [one.differences[metric] for _, one in tested]
    p_values = [one.below(-requirement.margin) for one in differences]
    adjusted = holm(p_values)
    worst = min(range(len(tested)), key=lambda at: (p_values[at], differences[at].value))
    slice_, evidence = tested[worst]
    name = None if slice_ is None else slice_name(slice_)
    result = replace(result, candidate=evidence.candidate[metric].value, slice=name)
    result = _with_p(_with(result, differences[worst], test.alpha, evidence.champion[metric].value), adjusted[worst])
    where = f"in {name}" if name else "on the whole holdout"
    small = f"; {passed_over} slices are too small to test" if passed_over else ""
    were = (
        "without a regression anywhere, some slice would look this bad"
        if name
        else "one without it would look this bad"
    )
    if adjusted[worst] <= test.alpha:
        return replace(result, verdict="fail", reason=f"{where} {_seen(result)} ({_p(result, were)}, Holm){small}")
    if untested:
        return replace(result, reason=f"{metric} could not be compared {' and '.join(untested)}{small}")
    if any(not one.varies and one.value < -requirement.margin for one in differences):
        return replace(
            result, reason=f"{where} {_seen(result)} on all of its rows, which are too few to be sure{small}"
        )
    among = (
        f"no evidence of a regression in {len(tested)} tests; worst {where}"
        if len(tested) > 1
        else "no evidence of a regression"
    )
    return replace(result, verdict="pass", reason=f"{among}: {_seen(result)}{small}")


def _slices_tested(
    requirement: Requirement, test: Test
) -> tuple[list[tuple[Slice | None, Evidence]], int, tuple[str, ...]]:
    """Return the whole and every slice asked for that can be tested; how many cannot; and where nothing was tested."""
    by_slice = test.rival.by_slice
    there = dict.fromkeys(slice_[0] for slice_ in by_slice)
    columns = tuple(there) if requirement.slices == "all" else requirement.slices or ()
    every: list[tuple[Slice | None, Evidence]] = [(None, test.evidence)]
    every += [(slice_, evidence) for slice_, evidence in by_slice.items() if slice_[0] in columns]
    tested = [
        (slice_, one)
        for slice_, one in every
        if requirement.metric in one.differences and not few_of_a_class(requirement.metric, one)
    ]
    reached = {slice_[0] if slice_ else None for slice_, _ in tested}
    untested = [] if None in reached else ["on the whole holdout"]
    untested += [f"by {column}" for column in columns if column not in reached]
    if requirement.slices == "all" and not columns:
        untested.append("by slice")
    return tested, len(every) - len(tested), tuple(untested)


TESTS: Mapping[str, Callable[[Requirement, Test, RequirementResult], RequirementResult]] = {
    "superiority": _superiority,
    "non-inferiority": _non_inferiority,
    "no-regression": _no_regression,
}
