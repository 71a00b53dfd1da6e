"""Statistical tests against a baseline: superiority, non-inferiority, no regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlops_ci.core.requirements import SMALLEST_P_VALUE, Reason, RequirementResult
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.holm import adjust_p_values
from mlops_ci.evaluation.stats.intervals import Difference
from mlops_ci.evaluation.stats.power import labels_needed
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, has_too_few_class_rows
from mlops_ci.evaluation.verdict.wording import Slice, slice_name
from mlops_ci.spec.spec_types import Requirement


@dataclass(frozen=True)
class BaselineTest:
    """The input of a test against a baseline: the baseline's evidence and the error probability alpha."""

    baseline: BaselineEvidence
    evidence: MetricEvidence
    alpha: float


def _baseline_difference(
    requirement: Requirement, test: BaselineTest, result: RequirementResult
) -> tuple[Difference | None, RequirementResult]:
    baseline = test.evidence.champion.get(requirement.metric)
    difference = test.evidence.differences.get(requirement.metric)
    if baseline is None or difference is None:
        return None, replace(result, reason=Reason("not-comparable"))
    return difference, _with_difference(result, difference, test.alpha, baseline.value)


def _with_difference(
    result: RequirementResult, difference: Difference, alpha: float, baseline: float
) -> RequirementResult:
    lower, upper = difference.bound(alpha), difference.bound(1 - alpha)
    return replace(result, baseline=baseline, difference=difference.value, lower=lower, upper=upper)


def _test_superiority(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    margin = requirement.margin
    difference, result = _baseline_difference(requirement, test, result)
    if difference is None:
        return result
    result = _with_p_value(result, difference.p_value_above(margin))
    if _is_shown_above(difference, margin, test.alpha):
        return replace(result, verdict="pass", reason=Reason("improvement-shown"))
    if _is_shown_below(difference, 0.0, test.alpha):
        result = _with_p_value(result, difference.p_value_below(0.0))
        return replace(result, verdict="fail", reason=Reason("deterioration-shown"))
    if difference.value <= margin:
        return replace(result, reason=Reason("no-improvement-seen"))
    return _inconclusive_result(result, difference.p_value_above(margin), test)


def _test_non_inferiority(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    limit = -requirement.margin
    difference, result = _baseline_difference(requirement, test, result)
    if difference is None:
        return result
    result = _with_p_value(result, difference.p_value_above(limit))
    if _is_shown_above(difference, limit, test.alpha):
        return replace(result, verdict="pass", reason=Reason("margin-kept"))
    if _is_shown_below(difference, limit, test.alpha):
        result = _with_p_value(result, difference.p_value_below(limit))
        return replace(result, verdict="fail", reason=Reason("margin-exceeded"))
    if difference.value <= limit:
        return replace(result, reason=Reason("beyond-margin"))
    return _inconclusive_result(result, difference.p_value_above(limit), test)


def _is_shown_above(difference: Difference, limit: float, alpha: float) -> bool:
    """Tell whether a difference is shown to be above a limit: by its value, by the p-value and by the interval."""
    return difference.value > limit and difference.p_value_above(limit) <= alpha and difference.bound(alpha) >= limit


def _is_shown_below(difference: Difference, limit: float, alpha: float) -> bool:
    return (
        difference.value < limit and difference.p_value_below(limit) <= alpha and difference.bound(1 - alpha) <= limit
    )


def _inconclusive_result(result: RequirementResult, p: float, test: BaselineTest) -> RequirementResult:
    needed = labels_needed(test.evidence.rows, p, test.alpha)
    return replace(result, reason=Reason("too-close"), labels_needed=needed)


def _with_p_value(result: RequirementResult, p: float) -> RequirementResult:
    return replace(result, p_value=max(p, SMALLEST_P_VALUE))


@dataclass(frozen=True)
class _TestableSlices:
    """The slices of a no-regression test, with the whole holdout as slice None.

    `tested` are those that can be tested, and `skipped` counts the others. `untested_columns` are the columns without any
    testable slice; `has_untested_whole` means that the whole holdout cannot be tested, and `lacks_slices` that the
    requirement names all slices but there are none.
    """

    tested: tuple[tuple[Slice | None, MetricEvidence], ...]
    skipped: int
    untested_columns: tuple[str, ...]
    has_untested_whole: bool
    lacks_slices: bool

    @property
    def is_complete(self) -> bool:
        """Whether the whole holdout and at least one slice of each required column can be tested."""
        return not (self.untested_columns or self.has_untested_whole or self.lacks_slices)


def _test_no_regression(requirement: Requirement, test: BaselineTest, result: RequirementResult) -> RequirementResult:
    metric = requirement.metric
    slices = _testable_slices(requirement, test)
    tested = slices.tested
    if not tested:
        return replace(result, reason=Reason("not-comparable"))
    differences = [one.differences[metric] for _, one in tested]
    p_values = [one.p_value_below(-requirement.margin) for one in differences]
    adjusted = adjust_p_values(p_values)
    worst = min(range(len(tested)), key=lambda at: (p_values[at], differences[at].value))
    slice_, evidence = tested[worst]
    name = None if slice_ is None else slice_name(slice_)
    result = replace(result, candidate=evidence.candidate[metric].value, slice=name, rows=evidence.rows)
    result = _with_p_value(
        _with_difference(result, differences[worst], test.alpha, evidence.champion[metric].value), adjusted[worst]
    )
    count, skipped = len(tested), slices.skipped
    if adjusted[worst] <= test.alpha:
        return replace(result, verdict="fail", reason=Reason("regression-shown", tests=count, skipped=skipped))
    if not slices.is_complete:
        reason = Reason(
            "slices-untested",
            tests=count,
            skipped=skipped,
            untested=slices.untested_columns,
            untested_whole=slices.has_untested_whole,
        )
        return replace(result, reason=reason)
    if any(not one.varies and one.value < -requirement.margin for one in differences):
        return replace(result, reason=Reason("regression-seen", tests=count, skipped=skipped))
    return replace(result, verdict="pass", reason=Reason("no-regression-shown", tests=count, skipped=skipped))


def _testable_slices(requirement: Requirement, test: BaselineTest) -> _TestableSlices:
    by_slice = test.baseline.by_slice
    sliced_columns = dict.fromkeys(slice_[0] for slice_ in by_slice)
    columns = tuple(sliced_columns) if requirement.slices == "all" else requirement.slices or ()
    required: list[tuple[Slice | None, MetricEvidence]] = [(None, test.evidence)]
    required += [(slice_, evidence) for slice_, evidence in by_slice.items() if slice_[0] in columns]
    tested = tuple(
        (slice_, evidence)
        for slice_, evidence in required
        if requirement.metric in evidence.differences and not has_too_few_class_rows(requirement.metric, evidence)
    )
    tested_columns = {slice_[0] if slice_ else None for slice_, _ in tested}
    return _TestableSlices(
        tested,
        len(required) - len(tested),
        tuple(column for column in columns if column not in tested_columns),
        None not in tested_columns,
        requirement.slices == "all" and not columns,
    )


BASELINE_TESTS: Mapping[str, Callable[[Requirement, BaselineTest, RequirementResult], RequirementResult]] = {
    "superiority": _test_superiority,
    "non-inferiority": _test_non_inferiority,
    "no-regression": _test_no_regression,
}
