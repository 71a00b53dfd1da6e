"""Results of requirements that somebody made up: what does not follow from its own numbers is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.codec import decode, encode
from mlops_ci.core.requirement_consistency import requirement_contradiction, verdict_contradiction
from mlops_ci.core.requirements import Reason, RequirementResult, RequirementTerms
from tests.support.report_samples import requirement

BETTER = RequirementTerms("auc", "superiority", "champion", margin=0.01)
NO_WORSE = RequirementTerms("auc", "non-inferiority", "champion", margin=0.02)
NO_LOSS = RequirementTerms("auc", "no-regression", "champion", margin=0.0)
AT_MOST = RequirementTerms("latency-p95-ms", "threshold", max=2.0)
RATIO = RequirementTerms("latency-p95-ms", "ratio", "champion", max_ratio=1.2)
AHEAD: dict[str, Any] = {
    "candidate": 0.76, "baseline": 0.72, "difference": 0.04, "lower": 0.02, "upper": 0.06, "p_value": 0.001,
}  # fmt: skip
BEHIND: dict[str, Any] = {**AHEAD, "baseline": 0.80, "difference": -0.04, "lower": -0.06, "upper": -0.03}
IMPROVED = RequirementResult(BETTER, "pass", Reason("improvement-shown"), **AHEAD)
SOUND = [
    requirement("pass"),
    requirement("fail"),
    requirement("inconclusive"),
    IMPROVED,
    RequirementResult(BETTER, "fail", Reason("deterioration-shown"), **BEHIND),
    RequirementResult(BETTER, "inconclusive", Reason("no-improvement-seen"), **BEHIND),
    RequirementResult(BETTER, "inconclusive", Reason("too-close"), **{**AHEAD, "p_value": 0.2}),
    RequirementResult(NO_WORSE, "pass", Reason("margin-kept"), **AHEAD),
    RequirementResult(NO_WORSE, "fail", Reason("margin-exceeded"), **BEHIND),
    RequirementResult(NO_LOSS, "fail", Reason("regression-shown", tests=1, skipped=0), **BEHIND),
    RequirementResult(NO_LOSS, "pass", Reason("no-regression-shown", tests=1, skipped=0), **{**AHEAD, "p_value": 0.9}),
    RequirementResult(NO_LOSS, "not-applicable", Reason("no-baseline")),
    RequirementResult(AT_MOST, "pass", Reason("value-measured"), 2.0),
    RequirementResult(AT_MOST, "fail", Reason("value-measured"), 2.1),
    RequirementResult(RATIO, "pass", Reason("ratio-measured", baseline="m@v1.0.0"), 2.1, 1.9),
    RequirementResult(RATIO, "fail", Reason("ratio-measured", baseline="m@v1.0.0"), 2.4, 1.9),
]


@pytest.mark.parametrize("item", SOUND)
def test_a_sound_result_is_read_back_and_follows(item: RequirementResult) -> None:
    assert decode(RequirementResult, encode(item)) == item
    assert requirement_contradiction(item, 0.95) is None


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (replace(requirement("pass"), lower=0.6), "the numbers contradict the reason interval-clear"),
        (replace(requirement("pass"), upper=None), "the bounds do not form an interval"),
        (replace(requirement("pass"), lower=0.74, upper=0.73), "the bounds do not form an interval"),
        (
            replace(requirement("pass"), lower=None, upper=None),
            "the numbers that the reason interval-clear needs are missing",
        ),
        (
            replace(requirement("inconclusive"), reason=Reason("interval-crosses-limit", limit=0.66)),
            "the numbers contradict the reason",
        ),
        (replace(IMPROVED, difference=0.05), "the difference does not match the two values"),
        (replace(IMPROVED, baseline=None), "the difference does not match the two values"),
        (replace(IMPROVED, p_value=0.06), "the numbers contradict the reason improvement-shown"),
        (replace(IMPROVED, p_value=None), "the numbers that the reason improvement-shown needs are missing"),
        (replace(IMPROVED, p_value=0.0), "the p-value is not greater than 0 and at most 1"),
        (replace(IMPROVED, lower=0.005), "the numbers contradict the reason improvement-shown"),
        (
            replace(IMPROVED, requirement=replace(BETTER, margin=0.03)),
            "the numbers contradict the reason improvement-shown",
        ),
        (
            replace(IMPROVED, requirement=NO_WORSE),
            "improvement-shown is not a possible reason for the test non-inferiority",
        ),
        (replace(IMPROVED, rows=-1), "a number of rows is negative"),
        (
            RequirementResult(AT_MOST, "pass", Reason("value-measured"), 2.1),
            "the numbers contradict the reason value-measured",
        ),
        (
            RequirementResult(AT_MOST, "pass", Reason("value-measured")),
            "the numbers that the reason value-measured needs are missing",
        ),
        (
            RequirementResult(AT_MOST, "not-applicable", Reason("no-baseline")),
            "no-baseline is not a possible reason for the test threshold",
        ),
        (
            RequirementResult(RATIO, "pass", Reason("ratio-measured", baseline="m"), 2.4, 1.9),
            "the numbers contradict the reason",
        ),
        (
            RequirementResult(RATIO, "pass", Reason("ratio-measured", baseline="m"), 2.4, 0.0),
            "the numbers contradict the reason",
        ),
        (
            RequirementResult(NO_LOSS, "pass", Reason("no-regression-shown", tests=1, skipped=0), **BEHIND),
            "the numbers contradict the reason",
        ),
    ],
)
def test_what_does_not_follow_is_said(item: RequirementResult, why: str) -> None:
    assert why in (requirement_contradiction(item, 0.95) or "")


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("pass", Reason("too-close")), ("fail", Reason("improvement-shown")), ("pass", Reason("no-baseline"))],
)
def test_a_reason_explains_its_own_verdicts_alone(verdict: Any, reason: Reason) -> None:
    with pytest.raises(ValueError, match="does not fit the verdict"):
        RequirementResult(BETTER, verdict, reason)


@pytest.mark.parametrize(
    "terms",
    [
        {"test": "threshold"},
        {"test": "threshold", "min": 0.5, "margin": 0.1},
        {"test": "threshold", "min": 0.5, "against": "champion"},
        {"test": "ratio", "max_ratio": 1.2},
        {"test": "superiority", "against": "champion"},
        {"test": "superiority", "against": "champion", "margin": 0.0, "slices": "all"},
    ],
)
def test_terms_are_those_of_the_test(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="these terms do not fit the test"):
        RequirementTerms("auc", **terms)


def test_a_verdict_is_what_the_requirements_come_to() -> None:
    passed, failed, open_ = requirement("pass"), requirement("fail"), requirement("inconclusive")
    assert verdict_contradiction("pass", (passed,)) is None
    assert verdict_contradiction("fail", (passed, open_, failed)) is None
    assert verdict_contradiction("incomparable", (passed, open_)) is None
    for verdict, items in (("pass", (passed, failed)), ("pass", ()), ("incomparable", (failed,))):
        assert verdict_contradiction(verdict, items) is not None
