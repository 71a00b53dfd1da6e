"""Whether recorded results of requirements follow from their own numbers: a record that somebody made up often does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from mlops_ci.core.requirements import ReasonCode, RequirementResult, TestKind

_TOLERANCE = 1e-6  # of the larger value: a difference is rounded once more than the values are
_OVER_BASELINE: frozenset[TestKind] = frozenset({"superiority", "non-inferiority", "no-regression"})


def verdict_that_follows(requirements: Iterable[RequirementResult]) -> Literal["pass", "fail", "inconclusive"]:
    """Return the verdict that requirements come to, where the baselines can be measured."""
    found = {item.verdict for item in requirements}
    order: tuple[Literal["pass", "fail", "inconclusive"], ...] = ("fail", "inconclusive", "pass")
    return next((verdict for verdict in order if verdict in found), "inconclusive")


def verdict_contradiction(verdict: str, requirements: Iterable[RequirementResult]) -> str | None:
    """Say why a verdict cannot be what its requirements come to; None when it can."""
    follows = verdict_that_follows(requirements)
    if verdict == follows or (verdict == "incomparable" and follows != "fail"):
        return None  # incomparable: an older version that cannot be measured
    return f"the results of the requirements give the verdict {follows}"


def requirement_contradiction(item: RequirementResult, confidence: float | None) -> str | None:
    """Say what in a result does not follow from the rest of it; None when all does.

    `confidence` is that of each test; where it is None, p-values are held against no level.
    """
    low, high = item.lower, item.upper
    if (low is None) != (high is None) or (low is not None and high is not None and low > high):
        return "the bounds do not form an interval"
    if item.p_value is not None and not 0 < item.p_value <= 1:
        return "the p-value is not greater than 0 and at most 1"
    if any(count is not None and count < 0 for count in (item.rows, item.labels_needed)):
        return "a number of rows is negative"
    if item.difference is not None and not _is_difference(item):
        return "the difference does not match the two values"
    tests, numbers, holds = _CLAIMS.get(item.reason.code, _NO_CLAIM)
    if item.requirement.test not in tests:
        return f"{item.reason.code} is not a possible reason for the test {item.requirement.test}"
    if any(getattr(item, name) is None for name in numbers):
        return f"the numbers that the reason {item.reason.code} needs are missing"
    return (
        None
        if holds(item, 1 - confidence if confidence is not None else 1.0)
        else f"the numbers contradict the reason {item.reason.code}"
    )


def _is_difference(item: RequirementResult) -> bool:
    mine, theirs, difference = item.candidate, item.baseline, item.difference
    if mine is None or theirs is None or difference is None or item.requirement.test not in _OVER_BASELINE:
        return False
    return abs(abs(mine - theirs) - abs(difference)) <= _TOLERANCE * max(abs(mine), abs(theirs), 1.0)


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # which is neither above nor below anything


def _limits(item: RequirementResult) -> tuple[float, float]:
    terms = item.requirement
    return -math.inf if terms.min is None else terms.min, math.inf if terms.max is None else terms.max


def _is_value_measured(item: RequirementResult, _: float) -> bool:
    low, high = _limits(item)
    return (low <= _number(item.candidate) <= high) == (item.verdict == "pass")


def _is_ratio_measured(item: RequirementResult, _: float) -> bool:
    baseline = _number(item.baseline)
    most = _number(item.requirement.max_ratio)
    return baseline != 0 and (_number(item.candidate) / baseline <= most) == (item.verdict == "pass")


def _is_interval_clear(item: RequirementResult, _: float) -> bool:
    low, high = _limits(item)
    lower, upper = _number(item.lower), _number(item.upper)
    return low < lower and upper < high if item.verdict == "pass" else upper < low or lower > high


def _crosses_limit(item: RequirementResult, _: float) -> bool:
    limit = item.reason.limit
    return limit in _limits(item) and _number(item.lower) <= _number(limit) <= _number(item.upper)


def _is_above(item: RequirementResult, limit: float, alpha: float) -> bool:
    return _number(item.difference) > limit and _number(item.p_value) <= alpha and _number(item.lower) >= limit


def _is_below(item: RequirementResult, limit: float, alpha: float) -> bool:
    return _number(item.difference) < limit and _number(item.p_value) <= alpha and _number(item.upper) <= limit


def _margin(item: RequirementResult) -> float:
    return item.requirement.margin or 0.0


_Claim = tuple[frozenset[TestKind], tuple[str, ...], Callable[[RequirementResult, float], bool]]
_ALL: frozenset[TestKind] = frozenset({"threshold", "ratio", *_OVER_BASELINE})
_THRESHOLD: frozenset[TestKind] = frozenset({"threshold"})
_RATIO: frozenset[TestKind] = frozenset({"ratio"})
_SUPERIORITY: frozenset[TestKind] = frozenset({"superiority"})
_NON_INFERIORITY: frozenset[TestKind] = frozenset({"non-inferiority"})
_NO_REGRESSION: frozenset[TestKind] = frozenset({"no-regression"})
_BOUNDS = ("candidate", "lower", "upper")
_TESTED = (*_BOUNDS, "baseline", "difference", "p_value")
_NO_CLAIM: _Claim = (_ALL, (), lambda _item, _alpha: True)
# of each reason that claims something: the tests that give it, the numbers that it needs, and whether these bear it out
_CLAIMS: Mapping[ReasonCode, _Claim] = {
    "no-baseline": (_OVER_BASELINE | _RATIO, (), lambda _item, _alpha: True),
    "same-model": (_OVER_BASELINE | _RATIO, (), lambda _item, _alpha: True),
    "incomparable": (_OVER_BASELINE | _RATIO, (), lambda _item, _alpha: True),
    "other-change": (_OVER_BASELINE | _RATIO, (), lambda _item, _alpha: True),
    "value-measured": (_THRESHOLD, ("candidate",), _is_value_measured),
    "ratio-measured": (_RATIO, ("candidate", "baseline"), _is_ratio_measured),
    "interval-clear": (_THRESHOLD, _BOUNDS, _is_interval_clear),
    "interval-crosses-limit": (_THRESHOLD, _BOUNDS, _crosses_limit),
    "improvement-shown": (_SUPERIORITY, _TESTED, lambda item, alpha: _is_above(item, _margin(item), alpha)),
    "deterioration-shown": (_SUPERIORITY, _TESTED, lambda item, alpha: _is_below(item, 0.0, alpha)),
    "no-improvement-seen": (_SUPERIORITY, _TESTED, lambda item, _: _number(item.difference) <= _margin(item)),
    "margin-kept": (_NON_INFERIORITY, _TESTED, lambda item, alpha: _is_above(item, -_margin(item), alpha)),
    "margin-exceeded": (_NON_INFERIORITY, _TESTED, lambda item, alpha: _is_below(item, -_margin(item), alpha)),
    "beyond-margin": (_NON_INFERIORITY, _TESTED, lambda item, _: _number(item.difference) <= -_margin(item)),
    "too-close": (_SUPERIORITY | _NON_INFERIORITY, _TESTED, lambda _item, _alpha: True),
    "regression-shown": (_NO_REGRESSION, _TESTED, lambda item, alpha: _number(item.p_value) <= alpha),
    "regression-seen": (_NO_REGRESSION, _TESTED, lambda item, alpha: _number(item.p_value) > alpha or alpha == 1),
    "slices-untested": (_NO_REGRESSION, _TESTED, lambda _item, _alpha: True),
    "no-regression-shown": (_NO_REGRESSION, _TESTED, lambda item, alpha: _number(item.p_value) > alpha or alpha == 1),
}
