"""One requirement, judged: floors and ceilings, superiority, non-inferiority, no regression."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from mlops_ci.learn.evidence import Evidence
from mlops_ci.learn.holm import holm
from mlops_ci.learn.intervals import Difference, Estimate
from mlops_ci.learn.predictions import need
from mlops_ci.records import RequirementResult, Verdict
from mlops_ci.spec.kinds import Gate, Requirement
from mlops_ci.spec.metrics import METRICS as NAMES

POWER = 0.8
BY_CLASS = ("auc", "average-precision", "balanced-accuracy", "f1", "precision", "recall", "f1-macro", "auc-ovr")
MIN_CLASS_ROWS = 10  # of each class: with fewer, intervals of the metrics above are too narrow
_SMALLEST_P = 1e-16  # smaller ones are of no tail that anybody knows


class Named(Protocol):
    """A model as requirements see it."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def operational(self) -> Mapping[str, float]:
        """What it costs (ms, MB, seconds), by metric name."""
        ...


Slice = tuple[str, str]  # a column and a value of it, as text


@dataclass(frozen=True)
class Case:
    """All that a verdict rests on.

    `by_slice` has every slice of the columns that were looked at, also those that are too small to test. `champion` is
    None when tests against it do not apply, which `no_champion` explains; `incomparable` when they would apply, and the
    champion cannot be scored: then they are inconclusive, because a gate that cannot decide lets nothing by.
    """

    whole: Evidence
    by_slice: Mapping[Slice, Evidence]
    gate: Gate
    candidate: Named
    champion: Named | None
    no_champion: str
    incomparable: bool = False

    @property
    def alpha(self) -> float:
        """The error probability of each one-sided test."""
        return 1 - self.gate.confidence


def judge(requirement: Requirement, case: Case) -> RequirementResult:
    """Return the verdict on one requirement, with its reason in plain words."""
    result = RequirementResult(describe(requirement), requirement.metric, "inconclusive", "")
    against = requirement.against is not None or requirement.test is not None
    if NAMES[requirement.metric].operational:
        return _operational(requirement, case, result)
    if against and case.champion is None:
        verdict: Verdict | Literal["not-applicable"] = "inconclusive" if case.incomparable else "not-applicable"
        return replace(result, verdict=verdict, reason=case.no_champion)
    if too_small := _too_small(requirement, case):
        return replace(result, reason=too_small)
    mine = case.whole.candidate.get(requirement.metric)
    if mine is None:
        return replace(
            result,
            reason=f"{requirement.metric} has no value here: no probabilities, or one class only in the holdout",
        )
    result = replace(result, candidate=mine.value)
    if not against:
        return _floor(requirement, case, result, mine)
    test = {"non-inferiority": _non_inferiority, "no-regression": _no_regression}.get(
        requirement.test or "", _superiority
    )
    return test(requirement, case, result)


def describe(requirement: Requirement) -> str:
    """Say what a requirement asks, in a few words."""
    metric, margin = requirement.metric, requirement.margin
    if requirement.max_ratio is not None:
        return f"{metric} at most {requirement.max_ratio:g} times the champion's"
    match requirement.test or requirement.against:
        case "superiority" | "champion":
            return f"{metric} better than the champion's" + (f" by more than {margin:g}" if margin else "")
        case "non-inferiority":
            return f"{metric} shown to be at most {margin:g} worse than the champion's"
        case "no-regression":
            slices = requirement.slices
            where = f", by {', '.join(slices)}" if isinstance(slices, tuple) else ", in every slice" if slices else ""
            return f"{metric} not worse than the champion's" + (f" by more than {margin:g}" if margin else "") + where
    bounds = [f"at least {requirement.min:g}"] if requirement.min is not None else []
    bounds += [f"at most {requirement.max:g}"] if requirement.max is not None else []
    return f"{metric} {' and '.join(bounds)}"


def number(value: float) -> str:
    """Write a metric for people: three decimals, two digits when it is tiny, thousands when it is large."""
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _too_small(requirement: Requirement, case: Case) -> str | None:
    whole = case.whole
    if whole.rows < case.gate.min_rows:
        return f"the holdout has {whole.rows:,} rows and the gate needs {case.gate.min_rows:,}"
    if few_of_a_class(requirement.metric, whole):
        rare = f"{whole.smallest_class} rows of its rarest class"
        return f"the holdout has {rare} and {requirement.metric} needs {MIN_CLASS_ROWS}"
    return None


def few_of_a_class(metric: str, evidence: Evidence) -> bool:
    """Tell whether a metric rests on so few rows of some class that its interval cannot be trusted."""
    return metric in BY_CLASS and evidence.smallest_class is not None and evidence.smallest_class < MIN_CLASS_ROWS


def _operational(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    value = _cost(case.candidate, requirement.metric)
    if requirement.max_ratio is not None:
        return _ratio(requirement.max_ratio, case, replace(result, candidate=value))
    if requirement.against or requirement.test:
        reason = f"{requirement.metric} has no test against a champion; use max or maxRatio"
        return replace(result, candidate=value, reason=reason)
    if value is None:
        return replace(result, reason=f"{requirement.metric} was not measured")
    low, high = _limits(requirement)
    verdict: Verdict = "pass" if low <= value <= high else "fail"
    return replace(result, candidate=value, verdict=verdict, reason=f"{requirement.metric} is {number(value)}")


def _ratio(most: float, case: Case, result: RequirementResult) -> RequirementResult:
    """Judge the candidate's cost by the champion's; without error probability, because no rows are drawn."""
    metric, mine = result.metric, result.candidate
    if case.champion is None:
        absent: Verdict | Literal["not-applicable"] = "inconclusive" if case.incomparable else "not-applicable"
        return replace(result, verdict=absent, reason=case.no_champion)
    rival = _cost(case.champion, metric)
    result = replace(result, champion=rival)
    if mine is None:
        return replace(result, reason=f"{metric} was not measured")
    if rival is None:
        return replace(result, reason=f"{metric} of {case.champion.name} was not measured")
    if rival == 0:
        return replace(result, reason=f"{metric} of {case.champion.name} is 0, and nothing is a multiple of that")
    ratio = mine / rival
    verdict: Verdict = "pass" if ratio <= most else "fail"
    seen = f"{metric} is {number(mine)} against {number(rival)} of {case.champion.name}"
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
    more = [_rows_for_floor(case, mine.value - low, mine.value - lower) if lower <= low else 0]
    more.append(_rows_for_floor(case, high - mine.value, upper - mine.value) if upper >= high else 0)
    needed = None if None in more else max(one for one in more if one is not None)
    limit = low if lower <= low else high
    return replace(result, reason=f"{seen}: {number(limit)} lies in between{_more(needed)}", labels_needed=needed)


def _rows_for_floor(case: Case, gap: float, half_width: float) -> int | None:
    """Return how many more rows decide with 80 % power; None when the value is on the limit, or nothing varies.

    The interval's half is z_alpha standard errors wide, and the gap must be z_alpha + z_power of them.
    """
    z, power = _z(case.alpha)
    if gap == 0 or half_width <= 0:
        return None
    return _further(case.whole.rows, half_width / abs(gap) * (z + power) / z)


def labels_needed(rows: int, p: float, alpha: float) -> int | None:
    """Return how many more rows give a one-sided test that gave p on `rows` rows 80 % power; None when it is unknown.

    The test's z grows with the root of the rows, whatever variance it uses, and z_alpha + z_power is needed. A p-value
    of a half or more shows no effect, and one that is small enough for power but did not decide is not limited by rows.
    """
    from scipy.special import ndtri

    seen = -float(ndtri(p))
    return _further(rows, sum(_z(alpha)) / seen) if seen > 0 else None


def _z(alpha: float) -> tuple[float, float]:
    from scipy.special import ndtri

    return -float(ndtri(alpha)), float(ndtri(POWER))


def _further(rows: int, ratio: float) -> int | None:
    more = rows * (ratio * ratio - 1)
    return math.ceil(more) if 0 < more < math.inf else None


def _more(needed: int | None) -> str:
    return f"; about {needed:,} more labelled holdout rows would decide" if needed is not None else ""


def _against(
    requirement: Requirement, case: Case, result: RequirementResult
) -> tuple[Difference | None, RequirementResult]:
    rival = case.whole.champion.get(requirement.metric)
    difference = case.whole.differences.get(requirement.metric)
    if rival is None or difference is None:
        return None, replace(result, reason=f"{requirement.metric} of the two models cannot be compared on these rows")
    return difference, _with(result, difference, case, rival.value)


def _with(result: RequirementResult, difference: Difference, case: Case, champion: float) -> RequirementResult:
    lower, upper = difference.bound(case.alpha), difference.bound(1 - case.alpha)
    return replace(result, champion=champion, difference=difference.value, lower=lower, upper=upper)


def _superiority(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, case, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(requirement.margin))
    seen = _seen(result)
    if _proven(difference, requirement.margin, case.alpha):
        return replace(result, verdict="pass", reason=f"{seen} ({_p(result)})")
    if _disproven(difference, 0.0, case.alpha):
        result = _with_p(result, difference.below(0.0))
        return replace(result, verdict="fail", reason=f"{seen} ({_p(result)})")
    if difference.value <= requirement.margin:
        return replace(result, reason=f"{seen}: no improvement was seen that more rows could confirm")
    return _undecided(result, difference.above(requirement.margin), case, seen)


def _non_inferiority(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, case, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(-requirement.margin))
    seen = _seen(result)
    if _proven(difference, -requirement.margin, case.alpha):
        return replace(result, verdict="pass", reason=f"{seen}: at most {requirement.margin:g} worse ({_p(result)})")
    if _disproven(difference, -requirement.margin, case.alpha):
        result = _with_p(result, difference.below(-requirement.margin))
        return replace(result, verdict="fail", reason=f"{seen}: more than {requirement.margin:g} worse ({_p(result)})")
    if difference.value <= -requirement.margin:
        return replace(result, reason=f"{seen}: too close to call, and more rows are not likely to show it")
    return _undecided(result, difference.above(-requirement.margin), case, seen)


def _proven(difference: Difference, limit: float, alpha: float) -> bool:
    """Tell whether the difference is shown to be above a limit: seen there, by the test, and by the interval."""
    return difference.value > limit and difference.above(limit) <= alpha and difference.bound(alpha) >= limit


def _disproven(difference: Difference, limit: float, alpha: float) -> bool:
    return difference.value < limit and difference.below(limit) <= alpha and difference.bound(1 - alpha) <= limit


def _undecided(result: RequirementResult, p: float, case: Case, seen: str) -> RequirementResult:
    needed = labels_needed(case.whole.rows, p, case.alpha)
    return replace(result, reason=f"{seen}: too close to call{_more(needed)}", labels_needed=needed)


def _with_p(result: RequirementResult, p: float) -> RequirementResult:
    return replace(result, p=max(p, _SMALLEST_P))


def _p(result: RequirementResult) -> str:
    p = need(result.p)
    return f"p < {p:.2g}" if p <= _SMALLEST_P else f"p = {p:.2g}"


def _seen(result: RequirementResult) -> str:
    mine, rival, difference = need(result.candidate), need(result.champion), need(result.difference)
    how = f"{number(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    return f"{number(mine)} against {number(rival)}, {how}"


def _no_regression(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    metric = requirement.metric
    tested, passed_over, untested = _slices_tested(requirement, case)
    if not tested:
        return replace(result, reason=f"{metric} of the two models cannot be compared on these rows")
    differences = [one.differences[metric] for _, one in tested]
    p_values = [one.below(-requirement.margin) for one in differences]
    adjusted = holm(p_values)
    worst = min(range(len(tested)), key=lambda at: (p_values[at], differences[at].value))
    slice_, evidence = tested[worst]
    name = None if slice_ is None else slice_name(slice_)
    result = replace(result, candidate=evidence.candidate[metric].value, slice=name)
    result = _with_p(_with(result, differences[worst], case, evidence.champion[metric].value), adjusted[worst])
    where = f"in {name}" if name else "on the whole holdout"
    small = f"; {passed_over} slices are too small to test" if passed_over else ""
    if adjusted[worst] <= case.alpha:
        return replace(result, verdict="fail", reason=f"{where} {_seen(result)} ({_p(result)}, Holm){small}")
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


def slice_name(slice_: Slice) -> str:
    """Write a slice as people read it."""
    return "=".join(slice_)


def _slices_tested(
    requirement: Requirement, case: Case
) -> tuple[list[tuple[Slice | None, Evidence]], int, tuple[str, ...]]:
    """Return the whole and every slice asked for that can be tested; how many cannot; and where nothing was tested."""
    there = dict.fromkeys(column for column, _ in case.by_slice)
    columns = tuple(there) if requirement.slices == "all" else requirement.slices or ()
    every: list[tuple[Slice | None, Evidence]] = [(None, case.whole)]
    every += [(slice_, evidence) for slice_, evidence in case.by_slice.items() if slice_[0] in columns]
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
