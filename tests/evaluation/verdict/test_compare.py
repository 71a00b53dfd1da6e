"""Requirements of a candidate: which result passes, fails or stays undecided, and the rows that would decide."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats

from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.stats.power import labels_needed
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.requirement_text import describe_terms
from mlops_ci.spec.spec_types import Requirement
from tests.support.binary_models import (
    BETTER,
    FAIR,
    GOOD,
    LABELS,
    POOR,
    blend,
    judge,
    model,
    only,
    timed,
)


def test_a_clearly_better_candidate_passes_and_the_sentence_says_by_how_much() -> None:
    found = judge(GOOD, FAIR, BETTER, labels=LABELS)
    result = only(found)
    assert (found.champion_state, found.verdict, result.verdict) == ("compared", "pass", "pass")
    assert result.difference is not None
    assert result.lower is not None
    assert result.upper is not None
    assert 0 < result.lower < result.difference < result.upper
    assert result.difference == pytest.approx((result.candidate or 0) - (result.baseline or 0))
    assert found.sentence == (
        f"auc {result.candidate:.3f} against {result.baseline:.3f} for m@v1.0.0: better by {result.difference:.3f} "
        f"[{result.lower:.3f}, {result.upper:.3f}] (one-sided 95 % bounds) on 2,000 holdout rows"
    )


def test_a_clearly_worse_candidate_fails() -> None:
    found = judge(POOR, FAIR, BETTER, labels=LABELS)
    assert (found.verdict, only(found).verdict) == ("fail", "fail")
    assert "worse by" in found.sentence


def test_a_small_gain_is_inconclusive_with_the_rows_that_would_decide() -> None:
    labels = LABELS[:200]
    tries = (
        only(judge(model(labels, 1.1, "new", seed), model(labels, 1.0, "old", 100 + seed), BETTER, labels=labels))
        for seed in range(50)
    )
    result = next(one for one in tries if 0 < (one.difference or 0) < 0.02)
    assert (result.verdict, (result.difference or 0) > 0) == ("inconclusive", True)
    assert result.labels_needed is not None
    assert result.reason == Reason("too-close")
    assert reason_text(result).endswith(
        f"; about {result.labels_needed:,} more labelled rows are needed to decide this"
    )


def test_labels_needed_is_the_paired_sample_size() -> None:
    # accuracy: 80 % power at alpha .05 for 1 point of difference with 5 % discordant rows needs 3.1 thousand rows
    error = math.sqrt((0.05 - 0.01**2) / 500)
    assert (labels_needed(500, stats.norm.sf(0.01 / error), 0.05) or 0) + 500 == pytest.approx(3100, rel=0.01)


@pytest.mark.parametrize("p", [0.5, 0.8, 0.001, 0.0])
def test_no_rows_are_promised_that_would_change_nothing(p: float) -> None:
    assert labels_needed(500, p, 0.05) is None  # no effect was seen, or rows are not what it lacks


def test_models_that_agree_on_every_row_need_the_rows_that_tangos_variance_says() -> None:
    twin = replace(FAIR, name="twin")
    requirement = Requirement("accuracy", against="champion", test="non-inferiority", margin=0.001)
    result = only(judge(twin, FAIR, requirement, labels=LABELS))
    assert (result.verdict, result.difference) == ("inconclusive", 0.0)
    assert 2000 + (result.labels_needed or 0) == pytest.approx(2.4865**2 * 0.999 / 0.001, rel=0.001)  # z: m n / (1 - m)
    assert only(judge(twin, FAIR, replace(requirement, margin=0.01), labels=LABELS)).verdict == "pass"


def test_without_improvement_no_number_is_promised() -> None:
    same_skill = model(LABELS, 1.0, "other", seed=2)
    for candidate, champion in ((same_skill, FAIR), (FAIR, same_skill)):
        result = only(judge(candidate, champion, BETTER, labels=LABELS))
        if (result.difference or 0) < 0:
            assert result.labels_needed is None
            assert result.reason.code == "no-improvement-seen"
            break
    else:
        pytest.fail("one of two must be behind")


def test_superiority_by_a_margin_asks_for_more() -> None:
    difference = only(judge(GOOD, FAIR, BETTER, labels=LABELS)).difference or 0
    assert only(judge(GOOD, FAIR, replace(BETTER, margin=difference / 4), labels=LABELS)).verdict == "pass"
    assert only(judge(GOOD, FAIR, replace(BETTER, margin=difference), labels=LABELS)).verdict == "inconclusive"


@pytest.mark.parametrize(("margin", "verdict"), [(0.2, "pass"), (0.0, "fail")])
def test_non_inferiority_is_about_the_margin(margin: float, verdict: str) -> None:
    requirement = Requirement("auc", against="champion", test="non-inferiority", margin=margin)
    slightly_worse = blend(FAIR, POOR, 0.4, "worse")
    assert only(judge(slightly_worse, FAIR, requirement, labels=LABELS)).verdict == verdict


def test_non_inferiority_in_between_is_inconclusive() -> None:
    slightly_worse = blend(FAIR, POOR, 0.4, "worse")
    seen = only(judge(slightly_worse, FAIR, BETTER, labels=LABELS))
    halfway = ((seen.difference or 0) + (seen.lower or 0)) / 2
    requirement = Requirement("auc", against="champion", test="non-inferiority", margin=-halfway)
    result = only(judge(slightly_worse, FAIR, requirement, labels=LABELS))
    assert result.verdict == "inconclusive"
    assert (result.labels_needed or 0) > 0


@pytest.mark.parametrize("metric", ["log-loss", "brier", "accuracy", "f1", "average-precision", "balanced-accuracy"])
def test_positive_is_better_whatever_the_metric(metric: str) -> None:
    requirement = Requirement(metric, against="champion", test="superiority")
    found = judge(GOOD, POOR, requirement, labels=LABELS)
    result = only(found)
    assert result.verdict == "pass"
    assert (result.difference or 0) > 0
    assert "better by" in found.sentence
    worse = judge(POOR, GOOD, requirement, labels=LABELS)
    assert only(worse).verdict == "fail"
    assert "worse by" in worse.sentence


@pytest.mark.parametrize(
    ("floor", "verdict"),
    [
        (Requirement("auc", min=0.5), "pass"),
        (Requirement("auc", min=0.99), "fail"),
        (Requirement("log-loss", max=0.9), "pass"),
        (Requirement("log-loss", max=0.1), "fail"),
        (Requirement("accuracy", min=0.4, max=0.99), "pass"),
    ],
)
def test_a_floor_is_cleared_or_missed_with_confidence(floor: Requirement, verdict: str) -> None:
    assert only(judge(FAIR, None, floor, labels=LABELS)).verdict == verdict


@pytest.mark.parametrize("metric", ["auc", "accuracy", "f1"])
def test_a_floor_within_the_interval_is_inconclusive(metric: str) -> None:
    value = only(judge(FAIR, None, Requirement(metric, min=0.0), labels=LABELS)).candidate or 0
    result = only(judge(FAIR, None, Requirement(metric, min=value - 0.005), labels=LABELS))
    assert result.verdict == "inconclusive"
    assert (result.labels_needed or 0) > 0
    gap, error = 0.005, (value - (result.lower or 0)) / 1.64485
    power = stats.norm.cdf(gap / (error * math.sqrt(2000 / (2000 + (result.labels_needed or 0)))) - 1.64485)
    assert power == pytest.approx(0.8, abs=0.001)
    assert only(judge(FAIR, None, Requirement(metric, min=value), labels=LABELS)).labels_needed is None


def test_operational_limits_are_about_the_value() -> None:
    candidate = replace(FAIR, operational_metrics={"latency-p95-ms": 12.0})
    assert only(judge(candidate, None, Requirement("latency-p95-ms", max=20), labels=LABELS)).verdict == "pass"
    assert only(judge(candidate, None, Requirement("latency-p95-ms", max=10), labels=LABELS)).verdict == "fail"
    assert only(judge(candidate, None, Requirement("model-size-mb", max=10), labels=LABELS)).verdict == "inconclusive"


RATIO = Requirement("latency-p95-ms", against="champion", max_ratio=1.2)


@pytest.mark.parametrize(
    ("mine", "most", "verdict", "times"),
    [
        (2.1, 1.2, "pass", "the ratio is 1.11, and at most 1.20 is allowed"),
        (2.28, 1.2, "pass", "the ratio is 1.20, and at most 1.20 is allowed"),
        (2.289, 1.2, "fail", "the ratio is 1.2047, and at most 1.20 is allowed"),
        (1.9, 0.5, "fail", "the ratio is 1.00, and at most 0.50 is allowed"),
        (1.9 * 1.1299, 1.125, "fail", "the ratio is 1.13, and at most 1.125 is allowed"),
    ],
)
def test_a_ratio_is_of_what_the_two_models_cost(mine: float, most: float, verdict: str, times: str) -> None:
    candidate, champion = timed(FAIR, latency_p95_ms=mine), timed(replace(POOR, name="m@v1.0.0"), latency_p95_ms=1.9)
    found = judge(candidate, champion, replace(RATIO, max_ratio=most), labels=LABELS)
    result = only(found)
    assert (found.verdict, result.verdict) == (verdict, verdict)
    assert (result.candidate, result.baseline, result.difference, result.p_value) == (mine, 1.9, None, None)
    assert reason_text(result) == f"latency-p95-ms is {mine:.3f} against 1.900 of m@v1.0.0: {times}"
    assert describe_terms(result.requirement) == f"latency-p95-ms: at most {most:g} times the value of the champion"
    assert [one.value for one in found.champion_metrics if one.metric == "latency-p95-ms"] == [1.9]


def test_a_ratio_to_a_champion_that_is_not_there_does_not_apply() -> None:
    candidate = timed(FAIR, latency_p95_ms=2.0)
    result = judge(candidate, None, Requirement("auc", min=0.6), RATIO, labels=LABELS).requirements[1]
    assert (result.verdict, result.reason.code, reason_text(result)) == (
        "not-applicable",
        "no-baseline",
        "there is no champion yet",
    )
    itself = replace(candidate, run="1f0c")
    found = judge(itself, itself, Requirement("auc", min=0.6), RATIO, labels=LABELS)
    assert (found.verdict, found.requirements[1].verdict) == ("pass", "not-applicable")
    assert judge(candidate, None, RATIO, labels=LABELS).verdict == "inconclusive"


def test_a_ratio_to_a_champion_that_cannot_be_scored_lets_nothing_by() -> None:
    candidate = timed(FAIR, latency_p95_ms=2.0)
    found = judge(candidate, None, Requirement("auc", min=0.6), RATIO, labels=LABELS, incomparable="the data changed")
    assert (found.verdict, found.requirements[1].verdict) == ("incomparable", "inconclusive")
    assert found.requirements[1].reason == Reason("incomparable", why="the data changed")


@pytest.mark.parametrize(
    ("mine", "theirs", "reason"),
    [
        ({}, {"latency_p95_ms": 1.9}, "latency-p95-ms was not measured"),
        ({"latency_p95_ms": math.nan}, {"latency_p95_ms": 1.9}, "latency-p95-ms was not measured"),
        ({"latency_p95_ms": 1.9}, {}, "latency-p95-ms of m@v0.1.0 was not measured"),
        ({"latency_p95_ms": 1.9}, {"latency_p95_ms": math.inf}, "latency-p95-ms of m@v0.1.0 was not measured"),
        (
            {"latency_p95_ms": 1.9},
            {"latency_p95_ms": 0.0},
            "latency-p95-ms of m@v0.1.0 is 0, so no ratio to it can be computed",
        ),
    ],
)
def test_a_ratio_of_what_was_not_measured_is_undecided(
    mine: dict[str, float], theirs: dict[str, float], reason: str
) -> None:
    found = judge(timed(FAIR, **mine), timed(POOR, **theirs), RATIO, labels=LABELS)
    assert (found.verdict, reason_text(only(found))) == ("inconclusive", reason)
