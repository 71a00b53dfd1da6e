"""One requirement, judged from evidence that is given: which verdict, for which reason, and what would decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Difference, Estimate
from mlops_ci.evaluation.verdict.alignment import ScoredModel
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet
from mlops_ci.evaluation.verdict.fairness import FairnessGap
from mlops_ci.evaluation.verdict.requirements import judge_requirement
from mlops_ci.evaluation.verdict.wording import Slice
from mlops_ci.spec.spec_types import GateSpec, Requirement
from mlops_ci.training.predictions import Predictions

Test = Literal["superiority", "non-inferiority", "no-regression"]
ROWS = 400
MODEL = ScoredModel("m@v2.0.0", "m", Predictions())
PARITY = Requirement("demographic-parity-difference", max=0.1, by="city")
NO_REGRESSION = Requirement("mae", against="champion", test="no-regression", slices="all", margin=0.1)


def within(value: float, half: float) -> Estimate:
    """An estimate whose one-sided limits at 0.05 and 0.95 lie `half` away."""
    return Estimate(value, lambda p: value - half if p < 0.5 else value + half)


def evidence(
    candidate: Mapping[str, Estimate],
    champion: Mapping[str, Estimate] | None = None,
    differences: Mapping[str, Difference] | None = None,
    rows: int = ROWS,
) -> MetricEvidence:
    return MetricEvidence(rows, candidate, champion or {}, differences or {})


def case(whole: MetricEvidence, *, gap: FairnessGap | None = None, model: ScoredModel = MODEL) -> EvidenceSet:
    gaps = {} if gap is None else {(PARITY.metric, "city"): gap}
    return EvidenceSet(whole, GateSpec(), model, {"champion": BaselineEvidence("m@v1.0.0", whole)}, gaps=gaps)


def against(difference: Difference | None, by_slice: Mapping[Slice, Difference] | None = None) -> EvidenceSet:
    """Evidence of a candidate (mae 2) and a champion (mae 1) on the whole and by slice."""
    one, other = {"mae": Estimate(2.0)}, {"mae": Estimate(1.0)}
    whole = evidence(one, other, {} if difference is None else {"mae": difference})
    parts = {name: evidence(one, other, {"mae": found}, 100) for name, found in (by_slice or {}).items()}
    return EvidenceSet(whole, GateSpec(), MODEL, {"champion": BaselineEvidence("m@v1.0.0", whole, parts)})


def seen(value: float, p_above: float = 0.5, p_below: float = 0.5, *, varies: bool = True) -> Difference:
    return Difference(
        value, lambda p: value - 0.5 if p < 0.5 else value + 0.5, lambda _: p_above, lambda _: p_below, varies
    )


@pytest.mark.parametrize(
    ("gap", "verdict", "code"),
    [
        (within(0.05, 0.02), "pass", "interval-clear"),
        (within(0.3, 0.1), "fail", "interval-clear"),
        (within(0.09, 0.05), "inconclusive", "interval-crosses-limit"),
        (Estimate(0.09), "inconclusive", "no-interval"),
    ],
)
def test_a_gap_between_groups_is_judged_by_its_interval_and_its_groups_are_named(
    gap: Estimate, verdict: str, code: str
) -> None:
    found = FairnessGap(gap, "selection", "Oslo", "Rome", ("Bern", "Cork"))
    result = judge_requirement(PARITY, case(evidence({}), gap=found))
    assert (result.verdict, result.reason.code, result.candidate, result.rows) == (verdict, code, gap.value, ROWS)
    named = (result.reason.rate, result.reason.highest_group, result.reason.lowest_group, result.reason.skipped)
    assert named == ("selection", "Oslo", "Rome", 2)
    assert result.labels_needed is None  # of which group, nobody can say


def test_a_gap_that_no_two_groups_are_large_enough_for_is_undecided() -> None:
    result = judge_requirement(PARITY, case(evidence({})))
    assert (result.verdict, result.reason, result.rows) == ("inconclusive", Reason("too-few-groups"), ROWS)


def test_a_gap_by_another_column_is_not_this_ones() -> None:
    found = FairnessGap(within(0.05, 0.02), "selection", "Oslo", "Rome", ())
    result = judge_requirement(replace(PARITY, by="age"), case(evidence({}), gap=found))
    assert result.reason == Reason("too-few-groups")


@pytest.mark.parametrize(
    ("limits", "estimate", "verdict"),
    [
        ((0.5, None), within(0.6, 0.05), "pass"),
        ((0.5, None), within(0.55, 0.05), "inconclusive"),  # the limit itself is not cleared
        ((0.5, None), within(0.45, 0.05), "inconclusive"),
        ((0.5, None), within(0.4, 0.05), "fail"),
        ((None, 0.5), within(0.4, 0.05), "pass"),
        ((None, 0.5), within(0.45, 0.05), "inconclusive"),
        ((None, 0.5), within(0.55, 0.05), "inconclusive"),
        ((None, 0.5), within(0.6, 0.05), "fail"),
        ((0.4, 0.6), within(0.5, 0.05), "pass"),
        ((0.4, 0.6), within(0.3, 0.05), "fail"),
        ((0.4, 0.6), within(0.7, 0.05), "fail"),
    ],
)
def test_a_floor_and_a_ceiling_are_cleared_or_missed_by_the_whole_interval(
    limits: tuple[float | None, float | None], estimate: Estimate, verdict: str
) -> None:
    low, high = limits
    result = judge_requirement(Requirement("auc", min=low, max=high), case(evidence({"auc": estimate})))
    half = 0.05
    assert (result.verdict, result.candidate) == (verdict, estimate.value)
    assert (result.lower, result.upper) == pytest.approx((estimate.value - half, estimate.value + half))


def test_rows_that_would_decide_are_told_for_a_floor_and_for_a_ceiling_alike() -> None:
    """Given a value 0.02 off the limit and 0.05 wide, then (0.05 / 0.02 * (1.6449 + 0.8416) / 1.6449) ** 2 times the rows."""
    whole = case(evidence({"auc": within(0.52, 0.05)}))
    wanted = ROWS * (0.05 / 0.02 * (1.6449 + 0.8416) / 1.6449) ** 2 - ROWS
    floor = judge_requirement(Requirement("auc", min=0.5), whole)
    ceiling = judge_requirement(Requirement("auc", max=0.54), whole)
    assert (floor.reason.limit, ceiling.reason.limit) == (0.5, 0.54)
    assert {floor.reason.code, ceiling.reason.code} == {"interval-crosses-limit"}
    for result in (floor, ceiling):
        assert result.labels_needed == pytest.approx(wanted, rel=0.001)


def test_between_two_limits_the_nearer_one_needs_the_most_rows() -> None:
    whole = case(evidence({"auc": within(0.52, 0.05)}))
    near, both = (judge_requirement(Requirement("auc", min=0.5, max=most), whole) for most in (None, 0.56))
    assert (both.labels_needed, both.reason.limit) == (near.labels_needed, 0.5)


@pytest.mark.parametrize("estimate", [within(0.5, 0.05), within(0.5, 0.0)])
def test_no_rows_are_promised_for_a_value_on_its_limit(estimate: Estimate) -> None:
    result = judge_requirement(Requirement("auc", min=0.5), case(evidence({"auc": estimate})))
    assert (result.verdict, result.labels_needed) == ("inconclusive", None)


def test_a_metric_without_value_or_interval_is_undecided_and_says_so() -> None:
    floor = Requirement("auc", min=0.5)
    assert judge_requirement(floor, case(evidence({}))).reason == Reason("no-value")
    result = judge_requirement(floor, case(evidence({"auc": Estimate(0.9)})))
    assert (result.verdict, result.reason, result.candidate) == ("inconclusive", Reason("no-interval"), 0.9)
    tested = judge_requirement(Requirement("auc", against="champion"), case(evidence({})))
    assert (tested.verdict, tested.reason, tested.rows) == ("inconclusive", Reason("no-value"), ROWS)


@pytest.mark.parametrize(
    ("metric", "lacking"), [("log-loss", "probabilities"), ("auc-ovr", "probabilities"), ("auc", None), ("f1", None)]
)
def test_a_model_without_probabilities_is_named_as_the_reason(metric: str, lacking: Any) -> None:
    """Given a model that gives scores and no probabilities, then a metric without value says whether this is why."""
    whole = case(replace(evidence({}), lacking=frozenset({"probabilities"})))
    for asked in (Requirement(metric, min=0.5), Requirement(metric, against="champion")):
        assert judge_requirement(asked, whole).reason == Reason("no-value", lacking=lacking)


@pytest.mark.parametrize(
    ("value", "verdict", "code"),
    [
        (9.99, "fail", "value-measured"),
        (10.0, "pass", "value-measured"),
        (20.0, "pass", "value-measured"),
        (20.01, "fail", "value-measured"),
        (float("inf"), "inconclusive", "not-measured"),
    ],
)
def test_what_was_measured_of_the_package_may_be_at_its_limits(value: float, verdict: str, code: str) -> None:
    model = replace(MODEL, operational_metrics={"latency-p95-ms": value})
    result = judge_requirement(Requirement("latency-p95-ms", min=10, max=20), case(evidence({}), model=model))
    assert (result.verdict, result.reason.code) == (verdict, code)
    assert result.candidate == (value if verdict != "inconclusive" else None)


@pytest.mark.parametrize("test", ["superiority", "non-inferiority", "no-regression"])
def test_what_the_champion_has_no_value_for_cannot_be_compared(test: Test) -> None:
    requirement = replace(NO_REGRESSION, test=test, slices=None)
    result = judge_requirement(requirement, against(None))
    assert (result.verdict, result.reason) == ("inconclusive", Reason("not-comparable"))
    assert (result.candidate, result.rows, result.difference) == (2.0, ROWS, None)


@pytest.mark.parametrize(
    ("test", "difference", "verdict", "code"),
    [
        ("superiority", seen(0.0), "inconclusive", "no-improvement-seen"),
        ("superiority", seen(0.1), "inconclusive", "no-improvement-seen"),
        ("superiority", seen(0.11), "inconclusive", "too-close"),
        ("superiority", seen(0.7, p_above=0.05), "pass", "improvement-shown"),
        ("superiority", seen(0.7, p_above=0.051), "inconclusive", "too-close"),
        ("superiority", seen(-0.7, p_below=0.05), "fail", "deterioration-shown"),
        ("non-inferiority", seen(-0.1), "inconclusive", "beyond-margin"),
        ("non-inferiority", seen(-0.2), "inconclusive", "beyond-margin"),
        ("non-inferiority", seen(-0.05), "inconclusive", "too-close"),
        ("non-inferiority", seen(0.5, p_above=0.05), "pass", "margin-kept"),
        ("non-inferiority", seen(-0.7, p_below=0.05), "fail", "margin-exceeded"),
    ],
)
def test_a_test_passes_fails_or_says_what_is_in_the_way(
    test: Test, difference: Difference, verdict: str, code: str
) -> None:
    """Given a margin of 0.1, and limits that lie 0.5 away from the difference."""
    result = judge_requirement(replace(NO_REGRESSION, test=test, slices=None), against(difference))
    assert (result.verdict, result.reason.code) == (verdict, code)
    assert (result.candidate, result.baseline, result.difference) == (2.0, 1.0, difference.value)
    assert (result.lower, result.upper) == (difference.value - 0.5, difference.value + 0.5)
    assert result.p_value == (0.05 if verdict != "inconclusive" else difference.p_value_above(0.0))
    assert (result.labels_needed is None) == (code != "too-close" or result.p_value == 0.5)


OSLO: Slice = ("city", "Oslo")
ROME: Slice = ("city", "Rome")


def test_the_slice_with_the_smallest_p_is_told_and_p_values_are_corrected_for_all_of_them() -> None:
    found = {OSLO: seen(-0.3, p_below=0.03), ROME: seen(-0.4, p_below=0.01)}
    result = judge_requirement(NO_REGRESSION, against(seen(0.0), found))
    assert (result.verdict, result.slice, result.rows, result.difference) == ("fail", "city=Rome", 100, -0.4)
    assert result.p_value == pytest.approx(0.03)  # of three, by Holm
    assert result.reason == Reason("regression-shown", tests=3, skipped=0)
    milder = {OSLO: seen(-0.3, p_below=0.03), ROME: seen(-0.4, p_below=0.02)}
    kept = judge_requirement(NO_REGRESSION, against(seen(0.0), milder))
    assert (kept.verdict, kept.reason) == ("pass", Reason("no-regression-shown", tests=3, skipped=0))
    assert kept.p_value == pytest.approx(0.06)


def test_of_slices_with_the_same_p_the_worst_is_told() -> None:
    found = {OSLO: seen(-0.3, p_below=0.01), ROME: seen(-0.4, p_below=0.01)}
    assert judge_requirement(NO_REGRESSION, against(seen(0.0, p_below=0.01), found)).slice == "city=Rome"


@pytest.mark.parametrize(("value", "verdict"), [(-0.1, "pass"), (-0.11, "inconclusive")])
def test_a_loss_in_every_row_of_a_slice_does_not_pass_for_lack_of_rows(value: float, verdict: str) -> None:
    result = judge_requirement(NO_REGRESSION, against(seen(0.0), {OSLO: seen(value, varies=False)}))
    code = "regression-seen" if verdict == "inconclusive" else "no-regression-shown"
    assert (result.verdict, result.reason.code, result.reason.tests) == (verdict, code, 2)


def test_what_was_asked_for_and_could_not_be_tested_does_not_pass() -> None:
    named = replace(NO_REGRESSION, slices=("city", "day"))
    result = judge_requirement(named, against(seen(0.0), {OSLO: seen(0.0)}))
    assert (result.verdict, result.reason.code, result.reason.untested) == ("inconclusive", "slices-untested", ("day",))
    whole = judge_requirement(NO_REGRESSION, against(None, {OSLO: seen(0.0)}))
    assert (whole.verdict, whole.reason.untested_whole, whole.reason.skipped) == ("inconclusive", True, 1)
    without = judge_requirement(NO_REGRESSION, against(seen(0.0)))
    assert (without.verdict, without.reason.code) == ("inconclusive", "slices-untested")
    assert judge_requirement(replace(NO_REGRESSION, slices=None), against(seen(0.0))).verdict == "pass"


def test_a_test_of_another_occasion_does_not_apply() -> None:
    requirement = Requirement("mae", against="champion", when="retrained")
    result = judge_requirement(requirement, against(seen(0.7, p_above=0.01)))
    assert (result.verdict, result.reason) == ("not-applicable", Reason("other-change", change_kind="changed"))
