"""Properties of every verdict: symmetry, agreement of test and interval, and the promised error rate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Difference, Estimate
from mlops_ci.evaluation.verdict.alignment import ScoredModel
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet
from mlops_ci.evaluation.verdict.requirements import judge_requirement as judge_one
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.requirement_text import describe_requirement
from mlops_ci.spec.spec_types import GateSpec, Requirement
from mlops_ci.training.predictions import Predictions
from tests.support.binary_models import (
    BETTER,
    FAIR,
    GOOD,
    LABELS,
    NO_REGRESSION,
    POOR,
    judge,
    labels_of,
    model,
    only,
)


def test_the_same_comparison_gives_the_same_numbers() -> None:
    assert judge(GOOD, FAIR, BETTER, labels=LABELS, seed=5) == judge(GOOD, FAIR, BETTER, labels=LABELS, seed=5)


@pytest.mark.parametrize(
    ("requirement", "text"),
    [
        (Requirement("auc", min=0.65), "auc: at least 0.65"),
        (replace(BETTER, margin=0.01), "auc: better than the champion by more than 0.01"),
        (NO_REGRESSION, "auc: no regression against the champion by more than 0.02, in every slice"),
        (
            replace(NO_REGRESSION, slices=("city", "day")),
            "auc: no regression against the champion by more than 0.02, by city, day",
        ),
        (
            Requirement("auc", test="non-inferiority", margin=0.01),
            "auc: not worse than the champion by more than 0.01",
        ),
    ],
)
def test_a_requirement_is_described(requirement: Requirement, text: str) -> None:
    assert describe_requirement(requirement) == text


def test_the_p_that_is_recorded_is_the_one_that_decided() -> None:
    for requirement in (BETTER, Requirement("auc", against="champion", test="non-inferiority", margin=0.001)):
        result = only(judge(POOR, FAIR, requirement, labels=LABELS))
        assert (result.verdict, result.p_value) == ("fail", 1e-16)
        assert reason_text(result).endswith("(p < 1e-16)")
    milder = only(judge(model(LABELS, 0.85, "new", 3), model(LABELS, 1.1, "old", 4), BETTER, labels=LABELS))
    assert milder.verdict == "fail"
    assert 1e-16 < (milder.p_value or 0) < 0.05
    assert (
        f"(p = {milder.p_value:.2g}: a model that is no worse would give a result at least this bad in "
        in reason_text(milder)
    )


def test_a_low_confidence_is_no_pass_for_equals() -> None:
    gate = GateSpec(confidence=0.5)  # the schema allows 0.8 at least; the judgement does not rest on that
    for metric in ("auc", "accuracy", "log-loss", "f1", "recall"):
        requirement = Requirement(metric, against="champion", test="superiority")
        assert only(judge(replace(FAIR, name="t"), FAIR, requirement, labels=LABELS, gate=gate)).verdict != "pass"


@pytest.mark.parametrize("test", ["superiority", "non-inferiority"])
@pytest.mark.parametrize(
    ("value", "bound", "p", "verdict"),
    [(0.02, 0.01, 0.01, "pass"), (0.0, 0.01, 0.01, ""), (0.02, -0.01, 0.01, ""), (0.02, 0.01, 0.1, "")],
)
def test_a_pass_is_seen_tested_and_within_the_interval(
    test: Any, value: float, bound: float, p: float, verdict: str
) -> None:
    margin = 0.0 if test == "superiority" else 1e-9
    found = Difference(value - 1e-9, lambda _: bound, lambda _: p, lambda _: 1 - p)
    one = {"mae": Estimate(1.0)}
    case = EvidenceSet(
        MetricEvidence(500, one, {}, {}),
        GateSpec(),
        FAIR,
        {"champion": BaselineEvidence("m@v1.0.0", MetricEvidence(500, one, one, {"mae": found}))},
    )
    result = judge_one(Requirement("mae", against="champion", test=test, margin=margin), case)
    assert result.verdict == (verdict or "inconclusive")


@pytest.mark.parametrize(("better", "worse", "confidence"), [(3, 0, 0.95), (0, 3, 0.95), (5, 1, 0.9), (4, 0, 0.95)])
def test_the_interval_holds_zero_when_the_exact_test_does(better: int, worse: int, confidence: float) -> None:
    labels = np.arange(100) % 2 == 0
    right = labels.astype(np.int64)
    sides = []
    for name, wrong in (("c", slice(better, better + worse)), ("o", slice(0, better))):
        said = right.copy()
        said[wrong] = 1 - said[wrong]
        sides.append(ScoredModel(name, name, Predictions(labels=said), (False, True)))
    requirement = Requirement("accuracy", against="champion", test="superiority")
    result = only(judge(sides[0], sides[1], requirement, labels=labels, gate=GateSpec(confidence=confidence)))
    passes = stats.binom.sf(better - 1, better + worse, 0.5) - stats.binom.pmf(better, better + worse, 0.5) / 2
    assert result.verdict == ("pass" if passes <= 1 - confidence else "inconclusive")
    assert ((result.lower or 0) >= 0) == (result.verdict == "pass") or result.lower == 0
    assert (result.upper or 0) >= 0


@given(
    st.integers(0, 2**31),
    st.floats(0, 2),
    st.floats(0, 2),
    st.integers(50, 200),
    st.sampled_from(["auc", "accuracy", "log-loss", "f1", "recall", "precision", "balanced-accuracy"]),
    st.sampled_from([0.8, 0.95, 0.9999]),
    st.sampled_from([0.0, 0.0, 0.001, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_swapping_the_models_turns_the_difference_and_never_lets_both_win(
    seed: int, one: float, other: float, rows: int, metric: str, confidence: float, margin: float
) -> None:
    labels = labels_of(rows, seed)
    first, second = model(labels, one, "a", seed), model(labels, other, "b", seed + 1)
    requirement = Requirement(metric, against="champion", test="superiority", margin=margin)
    gate = GateSpec(confidence=confidence)
    there = only(judge(first, second, requirement, labels=labels, metrics=[metric], gate=gate))
    back = only(judge(second, first, requirement, labels=labels, metrics=[metric], gate=gate))
    if there.difference is not None:
        assert there.difference == pytest.approx(-(back.difference or 0.0), abs=1e-12)
    assert [there.verdict, back.verdict].count("pass") <= 1
    for result in (there, back):
        if result.verdict == "pass":
            assert (result.lower or 0.0) >= margin < (result.difference or 0.0)


@pytest.mark.parametrize("metric", ["auc", "accuracy"])
def test_equal_models_are_promoted_no_more_often_than_alpha(metric: str) -> None:
    requirement = Requirement(metric, against="champion", test="superiority")
    wins = 0
    for trial in range(400):
        labels = labels_of(300, 10_000 + trial)
        pair = [model(labels, 1.0, name, 3 * trial + at) for at, name in enumerate("ab")]
        wins += only(judge(pair[0], pair[1], requirement, labels=labels, metrics=[metric])).verdict == "pass"
    assert wins <= 400 * 0.05 + 2 * math.sqrt(400 * 0.05 * 0.95)


def test_the_same_answers_are_said_to_be_no_better_or_worse() -> None:
    found = judge(replace(FAIR, name="twin"), FAIR, BETTER, labels=LABELS)
    assert " for m@v1.0.0: neither better nor worse [" in found.sentence
