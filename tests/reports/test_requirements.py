"""A requirement in plain English: what it asks, what was seen, and why it has its verdict."""

from __future__ import annotations

from typing import get_args

import pytest

from mlops_ci.core.requirements import REASONS, Reason, ReasonCode
from mlops_ci.reports.requirements import describe_p_value, explain_verdict, reason_text, requirement_label
from mlops_ci.reports.sentences import requirement_sentence
from mlops_ci.spec.requirement_text import describe_requirement
from mlops_ci.spec.spec_types import Requirement
from tests.support.report_samples import requirement

BETTER = Requirement("auc", against="champion", test="superiority")
NO_WORSE = Requirement("auc", against="champion", test="non-inferiority", margin=0.02)
NO_LOSS = Requirement("auc", against="anchor", test="no-regression", margin=0.01, slices=("city", "day"))
TESTED = {"candidate": 0.76, "baseline": 0.74, "difference": 0.02, "lower": 0.01, "upper": 0.03, "p_value": 0.043}


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (Requirement("auc", min=0.65), "auc: at least 0.65"),
        (Requirement("rate", min=0.1, max=0.3), "rate: at least 0.1 and at most 0.3"),
        (
            Requirement("demographic-parity-difference", max=0.1, by="sex"),
            "demographic-parity-difference by sex: at most 0.1",
        ),
        (
            Requirement("latency-p95-ms", against="champion", max_ratio=1.2),
            "latency-p95-ms: at most 1.2 times the value of the champion",
        ),
        (BETTER, "auc: better than the champion"),
        (Requirement("auc", against="anchor", margin=0.01), "auc: better than the anchor by more than 0.01"),
        (NO_WORSE, "auc: not worse than the champion by more than 0.02"),
        (NO_LOSS, "auc: no regression against the anchor by more than 0.01, by city, day"),
        (
            Requirement("auc", against="champion", test="no-regression", slices="all"),
            "auc: no regression against the champion, in every slice",
        ),
    ],
)
def test_a_requirement_is_its_metric_and_what_is_asked_of_it(asked: Requirement, text: str) -> None:
    assert describe_requirement(asked) == text


@pytest.mark.parametrize(
    ("p", "share"),
    [
        (0.5, "50 of 100"),
        (0.043, "4 of 100"),
        (0.01, "1 of 100"),
        (0.0096, "10 of 1,000"),
        (0.00043, "4 of 10,000"),
        (1.0, "100 of 100"),
    ],
)
def test_a_p_value_is_a_share_of_holdouts(p: float, share: str) -> None:
    told = f"p = {p:.2g}: a model that is no better would give a result at least this good in {share} holdouts"
    assert describe_p_value(p, "no better", "good") == told


def test_a_p_value_that_nobody_knows_is_an_upper_bound() -> None:
    assert describe_p_value(1e-16, "no better", "good") == "p < 1e-16"


def test_an_improvement_is_explained_by_numbers_and_chance() -> None:
    shown = requirement("pass", BETTER, Reason("improvement-shown"), **TESTED)
    assert requirement_sentence(shown) == (
        "“auc: better than the champion” holds: 0.760 against 0.740, 0.020 better"
        " (p = 0.043: a model that is no better would give a result at least this good in 4 of 100 holdouts)."
    )


def test_a_kept_margin_says_the_margin_once_as_a_conclusion() -> None:
    shown = requirement("pass", NO_WORSE, Reason("margin-kept"), **TESTED)
    assert explain_verdict(shown) == (
        "0.760 against 0.740, 0.020 better: not worse by more than 0.02"
        " (p = 0.043: a model that is 0.02 worse would give a result at least this good in 4 of 100 holdouts)"
    )


def test_a_regression_names_the_slice_and_the_number_of_tests() -> None:
    worse = {**TESTED, "baseline": 0.86, "difference": -0.1, "lower": -0.15, "upper": -0.05}
    shown = requirement("fail", NO_LOSS, Reason("regression-shown", tests=7, skipped=1), slice="city=Oslo", **worse)
    assert requirement_label(shown) == f"{describe_requirement(NO_LOSS)} (city=Oslo)"
    assert explain_verdict(shown) == (
        "in city=Oslo 0.760 against 0.860, 0.100 worse (p = 0.043: a model that is no worse in any slice would give a result at least this bad"
        " in 4 of 100 holdouts, adjusted for 7 tests); 1 slice is too small to test"
    )


def test_the_rows_that_would_decide_are_said_once() -> None:
    open_ = requirement("inconclusive", BETTER, Reason("too-close"), labels_needed=1_200, **TESTED)
    assert explain_verdict(open_).endswith("too close to decide")
    assert reason_text(open_) == f"{explain_verdict(open_)}; about 1,200 more labelled rows are needed to decide this"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            Reason("too-few-rows", needed=50, effective_rows=7),
            "the holdout has 40 rows, equivalent to 7 independent rows, and the gate needs 50",
        ),
        (Reason("too-few-rows", needed=50), "the holdout has 40 rows, and the gate needs 50"),
        (
            Reason("too-few-class-rows", needed=10, class_rows=3),
            "the holdout has 3 rows of its rarest class, and auc needs 10",
        ),
        (Reason("no-value", lacking="scores"), "auc needs scores, and the model gives none"),
        (Reason("no-value"), "auc has no value here: the holdout has only one class, or some numbers are too large"),
        (
            Reason("incomparable", why="the data changed", accepted="a new target"),
            "the data changed; accepted: a new target",
        ),
        (
            Reason("slices-untested", tests=1, skipped=40, untested=("city",), untested_whole=False),
            "auc could not be compared by city; 40 slices are too small to test",
        ),
        (
            Reason("slices-untested", tests=1, skipped=0, untested=("city",), untested_whole=True),
            "auc could not be compared on the whole holdout and by city",
        ),
        (
            Reason("slices-untested", tests=1, skipped=0, untested=(), untested_whole=False),
            "auc could not be compared by slice",
        ),
    ],
)
def test_what_is_undecided_says_what_is_missing(reason: Reason, text: str) -> None:
    assert reason_text(requirement("inconclusive", NO_LOSS, reason, rows=40)) == text


def test_a_ratio_shows_on_which_side_of_the_limit_it_is() -> None:
    asked = Requirement("latency-p95-ms", against="champion", max_ratio=1.2)
    shown = requirement("fail", asked, Reason("ratio-measured", baseline="m@v1.0.0"), candidate=2.289, baseline=1.9)
    assert explain_verdict(shown) == (
        "latency-p95-ms is 2.289 against 1.900 of m@v1.0.0: the ratio is 1.2047, and at most 1.20 is allowed"
    )


def test_a_gap_says_between_which_groups_it_is() -> None:
    gap = Reason("interval-clear", rate="selection", highest_group="a", lowest_group="b", skipped=2)
    asked = Requirement("demographic-parity-difference", max=0.1, by="sex")
    shown = requirement("pass", asked, gap, candidate=0.05, lower=0.02, upper=0.08)
    assert explain_verdict(shown) == (
        "0.050, between 0.020 and 0.080 (the selection rate is highest for a and lowest for b; 2 groups are too small to count)"
    )


@pytest.mark.parametrize("code", get_args(ReasonCode))
def test_every_reason_has_its_words(code: ReasonCode) -> None:
    """Given a result with nothing but what its reason must have, then there is a sentence, and no name of a field in it."""
    values = {
        "needed": 50, "class_rows": 3, "baseline": "m@v1.0.0", "why": "the data changed", "change_kind": "changed", "limit": 0.5,
        "tests": 2, "skipped": 1, "untested": ("city",), "untested_whole": False,
    }  # fmt: skip
    meaning = REASONS[code]
    reason = Reason(code, **{name: values[name] for name in meaning.required})  # type: ignore[arg-type]  # by its name
    asked = Requirement("auc", max=0.1, by="sex") if code == "too-few-groups" else NO_LOSS
    for verdict in meaning.verdicts:
        text = explain_verdict(requirement(verdict, asked, reason, baseline=0.7))
        assert len(text) > 10
        assert "None" not in text
