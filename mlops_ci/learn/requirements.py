"""One requirement, judged: floors and ceilings, superiority, non-inferiority, no regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from mlops_ci.learn.evidence import Evidence
from mlops_ci.learn.fairness import Gap
from mlops_ci.learn.holm import holm
from mlops_ci.learn.intervals import Difference, Estimate
from mlops_ci.learn.predictions import need
from mlops_ci.records import RequirementResult, Verdict
from mlops_ci.spec.kinds import Against, Gate, Occasion, Requirement
from mlops_ci.spec.metrics import METRICS as METRIC_NAMES

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


Slice = tuple[str, ...]  # a column and a value of it, as text; or the name of a condition


@dataclass(frozen=True)
class Rival:
    """An older version that a candidate is tested against, on the rows that neither has learned from.

    `by_slice` has every slice of the columns that were looked at, also those that are too small to test. Without
    `evidence` its tests do not apply, which `absent` explains; `incomparable` when they would, and the version cannot be
    scored: then they are inconclusive, because a gate that cannot decide lets nothing by.
    """

    name: str = ""
    evidence: Evidence | None = None
    by_slice: Mapping[Slice, Evidence] = field(default_factory=dict)
    operational: Mapping[str, float] = field(default_factory=dict)
    absent: str = ""
    incomparable: bool = False


@dataclass(frozen=True)
class Case:
    """All that a verdict rests on.

    `whole` is of the candidate on all rows; `gaps` are between groups, by metric and column. `strange` metrics are none
    of this task, or are not known: a requirement of another commit may name them.
    """

    whole: Evidence
    gate: Gate
    candidate: Named
    rivals: Mapping[Against, Rival]
    occasion: Occasion = "changed"
    gaps: Mapping[tuple[str, str], Gap] = field(default_factory=dict)
    strange: frozenset[str] = frozenset()

    @property
    def alpha(self) -> float:
        """The error probability of each one-sided test."""
        return 1 - self.gate.confidence


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
    if too_small := _too_small(requirement, case.whole, case.gate):
        return replace(result, reason=too_small)
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
    if too_small := _too_small(requirement, rival.evidence, case.gate):
        return replace(result, reason=too_small)
    mine = rival.evidence.candidate.get(requirement.metric)
    if mine is None:
        return replace(result, reason=_no_value(requirement.metric))
    return _TESTS[requirement.test or "superiority"](
        requirement, _Test(rival, rival.evidence, case.alpha), replace(result, candidate=mine.value)
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
        return "cost has no value here: the holdout has a class that the model or the costs do not know"
    return f"{metric} has no value here: no probabilities, one class only in the holdout, or numbers too large to reckon with"


@dataclass(frozen=True)
class _Test:
    """What a test against an older version rests on."""

    rival: Rival
    evidence: Evidence
    alpha: float


def describe(requirement: Requirement) -> str:
    """Say what a requirement asks, in a few words."""
    metric, margin = requirement.metric, requirement.margin
    whose = f"the {requirement.against or 'champion'}'s"
    if requirement.max_ratio is not None:
        return f"{metric} at most {requirement.max_ratio:g} times {whose}"
    match requirement.test or requirement.against:
        case "superiority" | "champion" | "anchor":
            return f"{metric} better than {whose}" + (f" by more than {margin:g}" if margin else "")
        case "non-inferiority":
            return f"{metric} shown to be at most {margin:g} worse than {whose}"
        case "no-regression":
            slices = requirement.slices
            where = f", by {', '.join(slices)}" if isinstance(slices, tuple) else ", in every slice" if slices else ""
            return f"{metric} not worse than {whose}" + (f" by more than {margin:g}" if margin else "") + where
    bounds = [f"at least {requirement.min:g}"] if requirement.min is not None else []
    bounds += [f"at most {requirement.max:g}"] if requirement.max is not None else []
    return f"{metric}{f' by {requirement.by}' if requirement.by else ''} {' and '.join(bounds)}"


def number(value: float) -> str:
    """Write a metric for people: three decimals, two digits when it is tiny, thousands when it is large."""
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _too_small(requirement: Requirement, evidence: Evidence, gate: Gate) -> str | None:
    if evidence.independent < gate.min_rows:
        return f"{rows_of(evidence)}, and the gate needs {gate.min_rows:,}"
    if few_of_a_class(requirement.metric, evidence):
        rare = f"{evidence.smallest_class} rows of its rarest class"
        return f"the holdout has {rare} and {requirement.metric} needs {MIN_CLASS_ROWS}"
    return None


def rows_of(evidence: Evidence) -> str:
    """Say how many rows there are, and what they are worth."""
    worth = "" if evidence.units is None else f", worth {evidence.units:,} independent ones"
    return f"the holdout has {evidence.rows:,} rows{worth}"


def few_of_a_class(metric: str, evidence: Evidence) -> bool:
    """Tell whether a metric rests on so few rows of some class that its interval cannot be trusted."""
    return metric in BY_CLASS and evidence.smallest_class is not None and evidence.smallest_class < MIN_CLASS_ROWS


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


def _gap(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    gap = case.gaps.get((requirement.metric, requirement.by or ""))
    if gap is None:
        return replace(result, reason=f"fewer than two groups by {requirement.by} have rows enough to be compared")
    judged = _floor(requirement, case, replace(result, candidate=gap.estimate.value), gap.estimate)
    ends = f"the {gap.rate} rate is highest for {gap.highest} and lowest for {gap.lowest}"
    small = f"; {len(gap.passed_over)} groups are too small to count" if gap.passed_over else ""
    return replace(judged, reason=f"{judged.reason} ({ends}{small})", labels_needed=None)


def _against(
    requirement: Requirement, test: _Test, result: RequirementResult
) -> tuple[Difference | None, RequirementResult]:
    rival = test.evidence.champion.get(requirement.metric)
    difference = test.evidence.differences.get(requirement.metric)
    if rival is None or difference is None:
        return None, replace(result, reason=f"{requirement.metric} of the two models cannot be compared on these rows")
    return difference, _with(result, difference, test.alpha, rival.value)


def _with(result: RequirementResult, difference: Difference, alpha: float, champion: float) -> RequirementResult:
    lower, upper = difference.bound(alpha), difference.bound(1 - alpha)
    return replace(result, champion=champion, difference=difference.value, lower=lower, upper=upper)


def _superiority(requirement: Requirement, test: _Test, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, test, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(requirement.margin))
    seen = _seen(result)
    if _proven(difference, requirement.margin, test.alpha):
        return replace(result, verdict="pass", reason=f"{seen} ({_p(result)})")
    if _disproven(difference, 0.0, test.alpha):
        result = _with_p(result, difference.below(0.0))
        return replace(result, verdict="fail", reason=f"{seen} ({_p(result)})")
    if difference.value <= requirement.margin:
        return replace(result, reason=f"{seen}: no improvement was seen that more rows could confirm")
    return _undecided(result, difference.above(requirement.margin), test, seen)


def _non_inferiority(requirement: Requirement, test: _Test, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, test, result)
    if difference is None:
        return result
    result = _with_p(result, difference.above(-requirement.margin))
    seen = _seen(result)
    if _proven(difference, -requirement.margin, test.alpha):
        return replace(result, verdict="pass", reason=f"{seen}: at most {requirement.margin:g} worse ({_p(result)})")
    if _disproven(difference, -requirement.margin, test.alpha):
        result = _with_p(result, difference.below(-requirement.margin))
        return replace(result, verdict="fail", reason=f"{seen}: more than {requirement.margin:g} worse ({_p(result)})")
    if difference.value <= -requirement.margin:
        return replace(result, reason=f"{seen}: too close to call, and more rows are not likely to show it")
    return _undecided(result, difference.above(-requirement.margin), test, seen)


def _proven(difference: Difference, limit: float, alpha: float) -> bool:
    """Tell whether the difference is shown to be above a limit: seen there, by the test, and by the interval."""
    return difference.value > limit and difference.above(limit) <= alpha and difference.bound(alpha) >= limit


def _disproven(difference: Difference, limit: float, alpha: float) -> bool:
    return difference.value < limit and difference.below(limit) <= alpha and difference.bound(1 - alpha) <= limit


def _undecided(result: RequirementResult, p: float, test: _Test, seen: str) -> RequirementResult:
    needed = labels_needed(test.evidence.rows, p, test.alpha)
    return replace(result, reason=f"{seen}: too close to call{_more(needed)}", labels_needed=needed)


def _with_p(result: RequirementResult, p: float) -> RequirementResult:
    return replace(result, p=max(p, _SMALLEST_P))


def _p(result: RequirementResult) -> str:
    p = need(result.p)
    if p <= _SMALLEST_P:
        return f"p < {p:.2g}"
    return f"p = {p:.2g}, chance alone would show it in 1 of {_round(1 / p):,} holdouts"


def _round(count: float) -> int:
    """Return a count with two significant digits."""
    digits = max(math.floor(math.log10(count)) - 1, 0)
    return math.floor(count / 10.0**digits) * int(10.0**digits)


def _seen(result: RequirementResult) -> str:
    mine, rival, difference = need(result.candidate), need(result.champion), need(result.difference)
    how = f"{number(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    return f"{number(mine)} against {number(rival)}, {how}"


def _no_regression(requirement: Requirement, test: _Test, result: RequirementResult) -> RequirementResult:
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
    if adjusted[worst] <= test.alpha:
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
    requirement: Requirement, test: _Test
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


_TESTS: Mapping[str, Callable[[Requirement, _Test, RequirementResult], RequirementResult]] = {
    "superiority": _superiority,
    "non-inferiority": _non_inferiority,
    "no-regression": _no_regression,
}
