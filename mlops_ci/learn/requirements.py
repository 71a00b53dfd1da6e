"""One requirement, judged: floors and ceilings, superiority, non-inferiority, no regression."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from mlops_ci.learn.evidence import Difference, Estimate, Evidence
from mlops_ci.learn.holm import holm
from mlops_ci.learn.predictions import need
from mlops_ci.records import RequirementResult, Verdict
from mlops_ci.spec.kinds import Gate, Requirement
from mlops_ci.spec.metrics import METRICS as NAMES

POWER = 0.8
RANKED = ("auc", "average-precision")  # of no use with only a handful of either class
MIN_CLASS_ROWS = 10


class Named(Protocol):
    """A model as requirements see it."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def operational(self) -> Mapping[str, float]:
        """Latency in ms, size in MB, by metric name."""
        ...


@dataclass(frozen=True)
class Case:
    """All that a verdict rests on.

    `champion` is None when tests against it do not apply, which `no_champion` explains; `incomparable` when they would
    apply, and the champion cannot be scored: then they are inconclusive, because a gate that cannot decide lets nothing by.
    """

    whole: Evidence
    by_slice: Mapping[str, Evidence]
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
    if requirement.metric in RANKED and whole.smallest_class is not None and whole.smallest_class < MIN_CLASS_ROWS:
        rare = f"{whole.smallest_class} rows of its rarer class"
        return f"the holdout has {rare} and {requirement.metric} needs {MIN_CLASS_ROWS}"
    return None


def _operational(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    value = case.candidate.operational.get(requirement.metric)
    if requirement.against or requirement.test:
        return replace(result, candidate=value, reason=f"{requirement.metric} has no test against a champion; use max")
    if value is None or not math.isfinite(value):
        return replace(result, reason=f"{requirement.metric} was not measured")
    low, high = _limits(requirement)
    verdict: Verdict = "pass" if low <= value <= high else "fail"
    return replace(result, candidate=value, verdict=verdict, reason=f"{requirement.metric} is {number(value)}")


def _limits(requirement: Requirement) -> tuple[float, float]:
    low = -math.inf if requirement.min is None else requirement.min
    return low, math.inf if requirement.max is None else requirement.max


def _floor(requirement: Requirement, case: Case, result: RequirementResult, mine: Estimate) -> RequirementResult:
    if mine.bound is None:
        return replace(
            result, reason=f"{requirement.metric} varies too much between samples of these rows for an interval"
        )
    lower, upper = mine.bound(case.alpha), mine.bound(1 - case.alpha)
    low, high = _limits(requirement)
    result = replace(result, lower=lower, upper=upper)
    seen = f"{number(mine.value)}, between {number(lower)} and {number(upper)}"
    if low < lower and upper < high:
        return replace(result, verdict="pass", reason=seen)
    if upper < low or lower > high:
        return replace(result, verdict="fail", reason=seen)
    more = [_rows_for_floor(case.whole.rows, mine.value - low, mine.value - lower) if lower <= low else 0]
    more.append(_rows_for_floor(case.whole.rows, high - mine.value, upper - mine.value) if upper >= high else 0)
    needed = None if None in more else max(one for one in more if one is not None)
    limit = low if lower <= low else high
    return replace(result, reason=f"{seen}: {number(limit)} lies in between{_more(needed)}", labels_needed=needed)


def _rows_for_floor(rows: int, gap: float, half_width: float) -> int | None:
    """Return how many more rows narrow the interval to the gap; None when the value is on the limit itself."""
    return None if gap == 0 else max(math.ceil(rows * ((half_width / abs(gap)) ** 2 - 1)), 1)


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
    p = difference.above(requirement.margin)
    result = replace(result, p=p)
    seen = _seen(result)
    if p <= case.alpha:
        return replace(result, verdict="pass", reason=f"{seen} (p = {p:.2g})")
    if difference.value < 0 and difference.below(0.0) <= case.alpha:
        return replace(result, verdict="fail", reason=f"{seen} (p = {difference.below(0.0):.2g})")
    return _undecided(result, difference, difference.value - requirement.margin, case, seen)


def _non_inferiority(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    difference, result = _against(requirement, case, result)
    if difference is None:
        return result
    p, against = difference.above(-requirement.margin), difference.below(-requirement.margin)
    result = replace(result, p=p)
    seen = _seen(result)
    if p <= case.alpha:
        return replace(result, verdict="pass", reason=f"{seen}: at most {requirement.margin:g} worse (p = {p:.2g})")
    if against <= case.alpha:
        return replace(
            result, verdict="fail", reason=f"{seen}: more than {requirement.margin:g} worse (p = {against:.2g})"
        )
    return _undecided(result, difference, difference.value + requirement.margin, case, seen)


def _undecided(
    result: RequirementResult, difference: Difference, effect: float, case: Case, seen: str
) -> RequirementResult:
    if effect <= 0:
        return replace(result, reason=f"{seen}: no improvement was seen that more rows could confirm")
    needed = labels_needed(case.whole.rows, difference.error, effect, case.alpha)
    return replace(result, reason=f"{seen}: too close to call{_more(needed)}", labels_needed=needed)


def labels_needed(rows: int, error: float, effect: float, alpha: float) -> int:
    """Return how many more rows give a one-sided paired test of this effect 80 % power.

    From n = (z_alpha + z_power)^2 variance / effect^2, where the variance of one row is the standard error's as seen.
    """
    from scipy.special import ndtri

    total = (float(ndtri(1 - alpha)) + float(ndtri(POWER))) ** 2 * (error * error * rows) / (effect * effect)
    return max(math.ceil(total - rows), 1)


def _seen(result: RequirementResult) -> str:
    mine, rival, difference = need(result.candidate), need(result.champion), need(result.difference)
    how = f"{number(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    return f"{number(mine)} against {number(rival)}, {how}"


def _no_regression(requirement: Requirement, case: Case, result: RequirementResult) -> RequirementResult:
    metric = requirement.metric
    tested, passed_over = _slices_tested(requirement, case)
    if not tested:
        return replace(result, reason=f"{metric} of the two models cannot be compared on these rows")
    p_values = [one.differences[metric].below(-requirement.margin) for _, one in tested]
    adjusted = holm(p_values)
    worst = min(range(len(tested)), key=lambda at: (p_values[at], tested[at][1].differences[metric].value))
    name, evidence = tested[worst]
    result = replace(result, candidate=evidence.candidate[metric].value, slice=name, p=adjusted[worst])
    result = _with(result, evidence.differences[metric], case, evidence.champion[metric].value)
    where = f"in {name}" if name else "on the whole holdout"
    small = f"; {passed_over} slices are too small to test" if passed_over else ""
    if adjusted[worst] <= case.alpha:
        return replace(
            result, verdict="fail", reason=f"{where} {_seen(result)} (p = {adjusted[worst]:.2g}, Holm){small}"
        )
    among = (
        f"no evidence of a regression in {len(tested)} tests; worst {where}"
        if len(tested) > 1
        else "no evidence of a regression"
    )
    return replace(result, verdict="pass", reason=f"{among}: {_seen(result)}{small}")


def _slices_tested(requirement: Requirement, case: Case) -> tuple[list[tuple[str | None, Evidence]], int]:
    """Return the whole and every slice that the requirement names and that can be tested, and how many cannot."""
    named = (
        []
        if requirement.slices is None
        else [
            (name, evidence)
            for name, evidence in case.by_slice.items()
            if requirement.slices == "all" or name.partition("=")[0] in requirement.slices
        ]
    )
    every: list[tuple[str | None, Evidence]] = [(None, case.whole), *named]
    tested = [
        (name, one)
        for name, one in every
        if requirement.metric in one.differences and not _few(requirement.metric, one)
    ]
    return tested, len(every) - len(tested)


def _few(metric: str, evidence: Evidence) -> bool:
    return metric in RANKED and evidence.smallest_class is not None and evidence.smallest_class < MIN_CLASS_ROWS
