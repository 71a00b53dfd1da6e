"""The gate's semantics: what passes, what fails, what stays undecided, and what is said about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from mlops_ci.core.errors import Findings
from mlops_ci.core.requirement_consistency import requirement_contradiction
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Difference, Estimate
from mlops_ci.evaluation.stats.power import labels_needed
from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, NoBaseline, RowMetadata, ScoredModel
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet
from mlops_ci.evaluation.verdict.requirements import judge_requirement as judge_one
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.requirement_text import describe_requirement, describe_terms
from mlops_ci.spec.spec_types import EvaluateSpec, GateSpec, Requirement
from mlops_ci.training.predictions import Predictions

BETTER = Requirement("auc", against="champion", test="superiority")


def labels_of(rows: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(rows) < 0.4


def model(labels: Any, skill: float, name: str = "candidate", seed: int = 1, **operational: float) -> ScoredModel:
    """A binary classifier whose scores part the classes by `skill` standard deviations."""
    drawn = np.random.default_rng(seed).normal(size=len(labels)) + skill * (labels - 0.4)
    p = 1 / (1 + np.exp(-drawn))
    predictions = Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p)
    return ScoredModel(name, name, predictions, (False, True), operational)


def blend(one: ScoredModel, other: ScoredModel, share: float, name: str) -> ScoredModel:
    """A model between two: paired comparisons are of models that mostly agree."""
    mine, theirs = one.predictions.scores, other.predictions.scores
    assert mine is not None
    assert theirs is not None
    p = share * mine + (1 - share) * theirs
    predictions = Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p)
    return ScoredModel(name, name, predictions, (False, True))


def judge(
    candidate: ScoredModel, champion: ScoredModel | None, *requirements: Requirement, labels: Any, **options: Any
) -> CandidateJudgement:
    gate = options.pop("gate", GateSpec())
    why = options.pop("incomparable", None)
    rival = champion or (NO_CHAMPION if why is None else NoBaseline(why, "incomparable"))
    evaluate = EvaluateSpec(metrics=tuple(options.pop("metrics", ())))
    holdout = RowMetadata(slices=options.pop("slices", {}))
    found = judge_candidate(
        Contest(
            "binary-classification",
            labels,
            candidate,
            rival,
            replace(gate, requirements=requirements),
            evaluate=evaluate,
            holdout=holdout,
            **options,
        )
    )
    assert not [one for one in found.requirements if requirement_contradiction(one, gate.confidence)]
    return found


def only(judgement: CandidateJudgement) -> RequirementResult:
    (result,) = judgement.requirements
    return result


LABELS = labels_of(2000)
GOOD, FAIR, POOR = (
    model(LABELS, skill, name) for skill, name in ((1.5, "m@v2.0.0"), (1.0, "m@v1.0.0"), (0.2, "m@v0.1.0"))
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
        f"[{result.lower:.3f}, {result.upper:.3f}] on 2,000 holdout rows"
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


def timed(one: ScoredModel, **values: float) -> ScoredModel:
    return replace(one, operational_metrics={name.replace("_", "-"): value for name, value in values.items()})


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


def test_no_champion_yet_leaves_the_decision_to_the_floors() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.6), BETTER, labels=LABELS)
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert (found.champion_state, found.verdict) == ("none", "pass")
    assert found.sentence.endswith("on 2,000 holdout rows; there is no champion yet")


def test_no_champion_and_no_floor_decides_nothing() -> None:
    found = judge(FAIR, None, BETTER, labels=LABELS)
    assert found.verdict == "inconclusive"
    assert found.sentence == (
        "there is no champion yet and the gate has no floor, so no requirement applied: add a floor such as {metric: auc, min: 0.5}"
    )


def test_the_champion_itself_is_not_tested_against_itself() -> None:
    itself = replace(FAIR, run="1f0c")
    found = judge(itself, itself, Requirement("auc", min=0.6), BETTER, labels=LABELS)
    assert found.champion_state == "same"
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert "the candidate is the champion itself (m@v1.0.0)" in reason_text(found.requirements[1])


@pytest.mark.parametrize(("run", "champions"), [("1f0c", "77aa"), ("", ""), ("1f0c", "")])
def test_only_the_champions_own_run_is_the_champion(run: str, champions: str) -> None:
    # the digest names classes and not what their methods do: a changed predict_proba leaves it as it was
    changed = replace(POOR, model_digest=FAIR.model_digest, run=run)
    found = judge(changed, replace(FAIR, run=champions), Requirement("auc", min=0.5), BETTER, labels=LABELS)
    assert (found.champion_state, found.verdict) == ("compared", "fail")


def test_a_champion_that_cannot_be_scored_is_incomparable() -> None:
    found = judge(
        FAIR, None, BETTER, labels=LABELS, incomparable="m@v1.0.0 needs 'wind', which the data no longer have"
    )
    assert (found.champion_state, found.verdict) == ("incomparable", "incomparable")
    assert [one.id for one in found.diagnostics] == ["champion-incomparable"]
    assert "'wind'" in found.diagnostics[0].message


def test_floors_alone_do_not_promote_past_a_champion_that_cannot_be_scored() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.6), BETTER, labels=LABELS, incomparable="the data changed")
    assert [result.verdict for result in found.requirements] == ["pass", "inconclusive"]
    assert found.verdict == "incomparable"


def test_a_floor_that_is_missed_fails_whatever_the_champion() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.99), BETTER, labels=LABELS, incomparable="the data changed")
    assert found.verdict == "fail"


def test_a_champion_that_cannot_be_scored_is_let_go_for_a_reason_and_the_floors_decide() -> None:
    gate = GateSpec(requirements=(Requirement("auc", min=0.6), BETTER), accept_incomparable="the target is another one")
    found = judge_candidate(
        Contest("binary-classification", LABELS, FAIR, NoBaseline("the data changed", "incomparable"), gate)
    )
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert found.requirements[1].reason == Reason(
        "incomparable", why="the data changed", accepted="the target is another one"
    )
    assert found.verdict == "pass"
    assert found.sentence.endswith("the data changed; accepted: the target is another one")
    assert [one.id for one in found.diagnostics] == ["champion-incomparable"]


def test_a_reason_alone_decides_nothing() -> None:
    gate = GateSpec(requirements=(BETTER,), accept_incomparable="the target is another one")
    found = judge_candidate(
        Contest("binary-classification", LABELS, FAIR, NoBaseline("the data changed", "incomparable"), gate)
    )
    assert found.verdict == "inconclusive"


def test_a_reason_that_is_not_needed_changes_nothing_and_is_to_be_deleted() -> None:
    gate = GateSpec(requirements=(BETTER,), accept_incomparable="the target was another one")
    found = judge_candidate(Contest("binary-classification", LABELS, POOR, FAIR, gate))
    assert found.verdict == "fail"
    assert [one.id for one in found.diagnostics] == ["champion-comparable"]


def test_a_champion_of_other_labels_is_incomparable() -> None:
    other = replace(POOR, classes=("no", "yes"))
    assert judge(FAIR, other, BETTER, labels=LABELS).champion_state == "incomparable"


@pytest.mark.parametrize(("rows", "metric"), [(40, "auc"), (40, "log-loss")])
def test_a_small_holdout_decides_nothing(rows: int, metric: str) -> None:
    labels = labels_of(rows)
    found = judge(
        model(labels, 5),
        model(labels, 0, "old"),
        Requirement(metric, against="champion", test="superiority"),
        labels=labels,
    )
    assert only(found).verdict == "inconclusive"
    assert [one.id for one in found.diagnostics] == ["holdout-too-small"]
    assert found.diagnostics[0].severity == "warning"


def test_a_ranking_needs_ten_rows_of_either_class() -> None:
    labels = np.arange(200) < 9
    floors = (Requirement("auc", min=0.5), Requirement("accuracy", min=0.5))
    found = judge(model(labels, 9), None, *floors, labels=labels)
    assert [result.verdict for result in found.requirements] == ["inconclusive", "pass"]
    assert [one.id for one in found.diagnostics] == ["holdout-too-small"]


@pytest.mark.parametrize("metric", ["recall", "precision", "f1", "balanced-accuracy", "average-precision", "auc"])
@pytest.mark.parametrize("requirement", [Requirement("", min=0.1), Requirement("", against="champion")])
def test_three_positives_that_are_all_found_prove_nothing(metric: str, requirement: Requirement) -> None:
    labels = np.arange(60) < 3
    requirement = replace(requirement, metric=metric)
    found = judge(model(labels, 100), model(~labels, 100, "wrong"), requirement, labels=labels)
    assert only(found).verdict == "inconclusive"
    assert reason_text(only(found)) == f"the holdout has 3 rows of its rarest class, and {metric} needs 10"
    assert [one.id for one in found.diagnostics] == ["holdout-too-small"]


@pytest.mark.parametrize("metric", ["recall", "precision", "f1", "balanced-accuracy", "average-precision", "auc"])
def test_an_interval_of_a_perfect_model_has_width(metric: str) -> None:
    labels = np.arange(60) < 12
    result = only(judge(model(labels, 100), None, Requirement(metric, min=0.95), labels=labels))
    assert (result.candidate, result.verdict) == (1.0, "inconclusive")
    assert 0.7 < (result.lower or 0) < 0.95


def test_recall_and_precision_rest_on_the_rows_that_they_are_shares_of() -> None:
    labels = np.arange(100) < 20
    said = (np.arange(100) < 15) | (np.arange(100) >= 95)  # 15 of 20 found, 15 of 20 right
    p = np.where(said, 0.9, 0.1)
    one = ScoredModel("c", "c", Predictions(labels=said.astype(np.int64), scores=p), (False, True))
    lower, upper = proportion_confint(15, 20, alpha=0.1, method="wilson")
    for metric in ("recall", "precision"):
        result = only(judge(one, None, Requirement(metric, min=0.5), labels=labels))
        assert [result.lower, result.upper] == pytest.approx([lower, upper])


@pytest.mark.parametrize("metric", ["balanced-accuracy", "f1-macro", "auc-ovr"])
def test_every_class_of_several_needs_ten_rows(metric: str) -> None:
    labels = np.array(["a"] * 50 + ["b"] * 50 + ["c"] * 9, dtype=object)
    p = np.eye(3)[np.repeat([0, 1, 2], [50, 50, 9])] * 0.7 + 0.1
    one = ScoredModel("m", "m", Predictions(labels=p.argmax(axis=1), probabilities=p), ("a", "b", "c"))
    gate = GateSpec(requirements=(Requirement(metric, min=0.3), Requirement("accuracy", min=0.3)))
    found = judge_candidate(Contest("multiclass-classification", labels, one, NO_CHAMPION, gate))
    assert [result.verdict for result in found.requirements] == ["inconclusive", "pass"]


def test_a_class_that_only_the_champion_knows_and_nobody_has_today_asks_for_no_rows() -> None:
    labels = np.array(["a", "b"] * 60, dtype=object)
    q = np.tile([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], (60, 1))
    good = ScoredModel("m", "m", Predictions(labels=np.tile([0, 1], 60), probabilities=q[:, :2]), ("a", "b"))
    old = ScoredModel("o", "o", Predictions(labels=np.zeros(120, dtype=np.int64), probabilities=q), ("a", "b", "gone"))
    gate = GateSpec(requirements=(Requirement("balanced-accuracy", against="champion", test="superiority"),))
    assert judge_candidate(Contest("multiclass-classification", labels, good, old, gate)).verdict == "pass"
    assert (
        judge_candidate(Contest("multiclass-classification", labels, old, good, gate)).verdict == "inconclusive"
    )  # it knows "gone"


def test_one_class_in_the_holdout_is_an_answer_not_a_crash() -> None:
    labels = np.zeros(100, dtype=bool)
    found = judge(model(labels, 1), model(labels, 0, "old"), BETTER, Requirement("accuracy", min=0.1), labels=labels)
    assert [result.verdict for result in found.requirements] == ["inconclusive", "pass"]


def test_identical_predictions_are_no_improvement() -> None:
    twin = replace(FAIR, name="twin", model_digest="twin")
    for metric in ("auc", "accuracy", "log-loss"):
        result = only(judge(twin, FAIR, Requirement(metric, against="champion", test="superiority"), labels=LABELS))
        assert (result.verdict, result.difference, result.labels_needed) == ("inconclusive", 0.0, None)


def test_constant_predictions_do_not_clear_the_floor_of_guessing() -> None:
    p = np.full((len(LABELS), 2), 0.5)
    constant = ScoredModel(
        "c", "c", Predictions(np.zeros(1), np.zeros(len(LABELS), dtype=np.int64), p, p[:, 1]), (False, True)
    )
    assert only(judge(constant, None, Requirement("auc", min=0.5), labels=LABELS)).verdict == "inconclusive"


def test_a_perfect_ranking_of_few_rows_does_not_clear_a_high_floor() -> None:
    labels = np.arange(60) < 30
    perfect = model(labels, 100)
    result = only(judge(perfect, None, Requirement("auc", min=0.95), labels=labels))
    assert result.verdict == "inconclusive"
    assert result.lower == pytest.approx(0.05 ** (1 / 30))


def regressed_in(slice_: Any) -> ScoredModel:
    """The champion's predictions, but turned round on some rows."""
    assert FAIR.predictions.scores is not None
    p = np.where(slice_, 1 - FAIR.predictions.scores, FAIR.predictions.scores)
    return ScoredModel(
        "candidate",
        "c",
        Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p),
        (False, True),
    )


CITY = np.where(np.arange(2000) % 10 < 3, "Oslo", "Rome")
NO_REGRESSION = Requirement("auc", against="champion", test="no-regression", slices="all", margin=0.02)


def test_a_regression_in_one_slice_fails_and_is_named() -> None:
    found = judge(regressed_in(CITY == "Oslo"), FAIR, NO_REGRESSION, labels=LABELS, slices={"city": CITY})
    result = only(found)
    assert (result.verdict, result.slice) == ("fail", "city=Oslo")
    assert reason_text(result).startswith("in city=Oslo ")
    assert {value.slice for value in found.metrics} == {None, "city=Oslo", "city=Rome"}
    assert {value.rows for value in found.metrics if value.slice == "city=Oslo"} == {600}
    assert len(found.champion_metrics) == len(found.metrics)


def test_slices_that_are_not_named_do_not_count() -> None:
    other = np.where(np.arange(2000) % 2 == 0, "a", "b")
    few = CITY == "Oslo"
    few[np.flatnonzero(few)[150:]] = False  # too little to be seen on the whole
    slices = {"place": np.where(few, "Oslo", "Rome"), "other": other}
    by_all = judge(regressed_in(few), FAIR, NO_REGRESSION, labels=LABELS, slices=slices)
    by_other = judge(
        regressed_in(few), FAIR, replace(NO_REGRESSION, slices=("other",), margin=0.1), labels=LABELS, slices=slices
    )
    assert (by_all.verdict, by_other.verdict) == ("fail", "pass")


def test_small_slices_are_reported_only() -> None:
    few = np.arange(2000) < 80
    found = judge(regressed_in(few), FAIR, replace(NO_REGRESSION, margin=0.1), labels=LABELS, slices={"few": few})
    result = only(found)
    assert result.verdict == "pass"
    assert reason_text(result).endswith("; 1 slice is too small to test")
    (small,) = (value for value in found.metrics if value.slice == "few=True" and value.metric == "auc")
    assert (small.rows, small.lower) == (80, None)


def test_no_regression_against_an_equal_passes_on_the_whole() -> None:
    twin = model(LABELS, 1.0, "other", seed=7)
    assert only(judge(twin, FAIR, replace(NO_REGRESSION, slices=None), labels=LABELS)).verdict == "pass"


def test_a_named_column_without_evidence_is_not_passed_over() -> None:
    named = replace(NO_REGRESSION, slices=("city", "carrier"))
    found = only(judge(FAIR, replace(FAIR, name="twin"), named, labels=LABELS, slices={"city": CITY}))
    assert (found.verdict, reason_text(found)) == ("inconclusive", "auc could not be compared by carrier")
    worse = judge(regressed_in(CITY == "Oslo"), FAIR, named, labels=LABELS, slices={"city": CITY})
    assert only(worse).verdict == "fail"  # what was seen decides, whatever was not
    assert only(judge(FAIR, replace(FAIR, name="twin"), NO_REGRESSION, labels=LABELS)).verdict == "inconclusive"


def test_a_column_of_slices_that_are_all_too_small_is_not_passed_over() -> None:
    named = replace(NO_REGRESSION, slices=("place",))
    found = judge(FAIR, replace(FAIR, name="twin"), named, labels=LABELS, slices={"place": np.arange(2000) // 50})
    assert reason_text(only(found)) == "auc could not be compared by place; 40 slices are too small to test"
    assert found.verdict == "inconclusive"


def test_a_column_whose_name_holds_an_equals_sign_is_itself() -> None:
    named = replace(NO_REGRESSION, slices=("is=Oslo",), margin=0.1)
    few = CITY == "Oslo"
    few[np.flatnonzero(few)[150:]] = False
    slices = {"is": np.where(few, "Oslo", "Rome"), "is=Oslo": CITY == "Oslo"}
    for columns, verdict in ((("is=Oslo",), "pass"), (("is",), "fail")):
        found = only(judge(regressed_in(few), FAIR, replace(named, slices=columns), labels=LABELS, slices=slices))
        assert found.verdict == verdict, found.reason


@pytest.mark.parametrize("worse", [50.0, 0.5])
def test_one_bad_slice_among_a_hundred_is_found(worse: float) -> None:
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(101), 100)
    y = rng.normal(size=len(place))
    near = Predictions(values=y + rng.normal(0, 0.09, len(y)))
    bad = Predictions(values=y + np.where(place == 7, worse, 1) * rng.choice([-0.09, 0.09], len(y)))
    requirement = Requirement("mae", against="champion", test="no-regression", slices="all")
    found = judge_candidate(
        Contest(
            "regression",
            y,
            ScoredModel("c", "c", bad),
            ScoredModel("o", "o", near),
            GateSpec(requirements=(replace(requirement, margin=0.1),)),
            evaluate=EvaluateSpec(metrics=("mae",)),
            holdout=RowMetadata(slices={"place": place}),
        )
    )
    assert (found.verdict, found.requirements[0].slice) == (("fail", "place=7") if worse > 1 else ("pass", ANY))


def test_the_same_loss_in_every_row_of_a_slice_is_seen_too() -> None:
    y, place = np.zeros(2000), np.repeat([0, 1], [1900, 100])
    bad = ScoredModel("c", "c", Predictions(values=np.where(place == 1, 50.0, 0.0)))
    requirement = Requirement("mae", against="champion", test="no-regression", slices="all")
    gate = GateSpec(requirements=(requirement,))
    good = ScoredModel("o", "o", Predictions(values=y))
    found = judge_candidate(
        Contest(
            "regression",
            y,
            bad,
            good,
            gate,
            evaluate=EvaluateSpec(metrics=("mae",)),
            holdout=RowMetadata(slices={"place": place}),
        )
    )
    assert (found.verdict, found.requirements[0].slice) == ("fail", "place=1")


def test_many_slices_are_corrected_for() -> None:
    requirement = replace(NO_REGRESSION, margin=0.0)
    places = np.arange(2000) % 19
    found = [
        only(
            judge(
                model(LABELS, 1.0, "new", 50 + seed),
                FAIR,
                requirement,
                labels=LABELS,
                metrics=["auc"],
                slices={"place": places},
            )
        )
        for seed in range(6)
    ]
    alone = [one for one in found if (one.upper or 0) < 0]  # the worst slice, were it the only test
    assert len(alone) >= 2
    assert any(one.verdict == "pass" for one in alone)


def test_models_that_mostly_agree_are_told_apart_by_the_rows_where_they_do_not() -> None:
    assert only(judge(blend(GOOD, FAIR, 0.05, "nearly"), FAIR, BETTER, labels=LABELS)).verdict == "pass"


def test_missing_slice_values_are_a_slice() -> None:
    values = np.array([None if at % 2 else 1.0 for at in range(2000)], dtype=object)
    found = judge(GOOD, FAIR, BETTER, labels=LABELS, slices={"hour": values})
    assert {value.slice for value in found.metrics} == {None, "hour=1", "hour=(missing)"}


def test_a_strange_label_in_a_binary_holdout_is_a_finding() -> None:
    labels = LABELS.astype(object)
    labels[3] = "maybe"
    with pytest.raises(Findings) as caught:
        judge(GOOD, None, BETTER, labels=labels)
    assert caught.value.diagnostics[0].id == "holdout-label-unknown"


def test_a_new_class_in_a_multiclass_holdout_is_a_warning() -> None:
    labels = np.array(["a", "b", "c"] * 40 + ["d"], dtype=object)
    p = np.tile(np.eye(3) * 0.7 + 0.1, (41, 1))[:121]
    one = ScoredModel("m", "m", Predictions(labels=p.argmax(axis=1), probabilities=p), ("a", "b", "c"))
    found = judge_candidate(Contest("multiclass-classification", labels, one, NO_CHAMPION, GateSpec()))
    assert [(one.id, one.severity) for one in found.diagnostics] == [("holdout-label-unknown", "warning")]
    accuracy = next(value for value in found.metrics if value.metric == "accuracy")
    assert accuracy.value == pytest.approx(120 / 121)


def test_a_regression_by_default_must_beat_the_mean_and_the_champion() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(10, 2, 400)
    near, far = (
        ScoredModel(name, name, Predictions(values=y + rng.normal(0, spread, 400)))
        for name, spread in (("n", 0.5), ("f", 1.0))
    )
    found = judge_candidate(Contest("regression", y, near, far, GateSpec()))
    tested = [("r2", "pass"), ("rmse", "pass"), ("r2", "not-applicable"), ("r2", "not-applicable")]
    assert [(result.requirement.metric, result.verdict) for result in found.requirements] == tested
    assert found.sentence.startswith("rmse 0.")
    assert judge_candidate(Contest("regression", y, far, near, GateSpec())).verdict == "fail"


RETRAINED = (
    Requirement("auc", against="champion", test="superiority", when="changed"),
    Requirement("auc", against="champion", test="non-inferiority", margin=0.05, when="retrained"),
    Requirement("auc", against="anchor", test="non-inferiority", margin=0.05, when="retrained"),
)


@pytest.mark.parametrize(
    ("occasion", "verdicts"),
    [
        ("changed", ["inconclusive", "not-applicable", "not-applicable"]),
        ("retrained", ["not-applicable", "pass", "fail"]),
    ],
)
def test_a_test_applies_to_its_occasion_and_small_losses_do_not_add_up(occasion: Any, verdicts: list[str]) -> None:
    """Given a champion that has drifted from the anchor, then a twin of the champion passes against it only."""
    found = judge(replace(FAIR, name="twin"), FAIR, *RETRAINED, labels=LABELS, anchor=GOOD, change_kind=occasion)
    assert [one.verdict for one in found.requirements] == verdicts
    assert {one.metric for one in found.anchor_metrics} == {"auc", "log-loss", "brier", "accuracy"}


def test_an_anchor_that_cannot_be_scored_leaves_the_gate_undecided() -> None:
    gone = NoBaseline("m@v1.0.0 needs 'wind'", "incomparable")
    found = judge(GOOD, FAIR, *RETRAINED, labels=LABELS, anchor=gone, change_kind="retrained")
    assert (found.verdict, [one.id for one in found.diagnostics]) == ("incomparable", ["anchor-incomparable"])
    changed = judge(GOOD, FAIR, *RETRAINED, labels=LABELS, anchor=gone)
    assert changed.verdict == "pass"  # no test of this occasion is against it


def test_rows_that_the_champion_has_learned_from_are_left_out_of_the_tests_only() -> None:
    """Given a champion that is right on the rows it knows, and knows half of them, then that is no merit."""
    known = np.arange(2000) < 1000
    told: Any = np.where(known, LABELS.astype(float), FAIR.predictions.scores)
    stale = ScoredModel(
        "m@v1.0.0",
        "m",
        Predictions(
            labels=(told > 0.5).astype(np.int64), probabilities=np.stack([1 - told, told], axis=1), scores=told
        ),
        (False, True),
    )
    floor = Requirement("auc", min=0.5)
    assert judge(GOOD, stale, BETTER, floor, labels=LABELS).verdict == "fail"
    found = judge(
        GOOD, replace(stale, seen_rows=known), BETTER, floor, labels=LABELS, slices={"s": np.arange(2000) % 2}
    )
    alone = judge(GOOD, None, floor, labels=LABELS)
    half = judge_candidate(
        Contest(
            "binary-classification",
            LABELS[1000:],
            replace(GOOD, predictions=GOOD.predictions.select_rows(~known)),
            replace(FAIR, predictions=FAIR.predictions.select_rows(~known)),
            GateSpec(requirements=(BETTER,)),
        )
    )
    assert found.requirements[0] == half.requirements[0]
    assert found.requirements[1] == alone.requirements[0]
    assert found.excluded_rows == {"champion": 1000}
    (said,) = found.diagnostics
    assert (said.id, "1,000 of the 2,000 holdout rows" in said.message) == ("holdout-rows-seen", True)
    assert {one.rows for one in found.champion_metrics} == {1000, 500}


def test_a_metric_of_another_task_leaves_the_gate_undecided() -> None:
    """Given the rules of a base on which the model was a regression, then they cannot be applied, and nothing passes."""
    found = judge(GOOD, None, Requirement("rmse", max=3), Requirement("auc", min=0.5), labels=LABELS)
    assert [one.verdict for one in found.requirements] == ["inconclusive", "pass"]
    assert reason_text(found.requirements[0]) == "rmse is not one of this model's metrics"
    assert found.verdict == "inconclusive"


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


def says_yes_to(share: Mapping[str, float], rows: int = 300) -> tuple[ScoredModel, Any]:
    """A model, and the groups of as many rows each to which it says yes at these shares."""
    groups = np.repeat(list(share), rows)
    said = np.concatenate([np.arange(rows) < rows * part for part in share.values()])
    return ScoredModel("m", "m", Predictions(labels=said.astype(np.int64)), (False, True)), groups


@pytest.mark.parametrize(
    ("shares", "verdict", "reason"),
    [
        ({"a": 0.5, "b": 0.5}, "pass", "interval-clear"),
        ({"a": 0.5, "b": 0.7, "c": 0.1}, "fail", "interval-clear"),
        ({"a": 0.5}, "inconclusive", "too-few-groups"),
    ],
)
def test_a_gap_between_the_groups_of_a_column_is_required_to_be_small(
    shares: Mapping[str, float], verdict: str, reason: str
) -> None:
    one, groups = says_yes_to(shares)
    parity = Requirement("demographic-parity-difference", max=0.2, by="group")
    elsewhere = replace(parity, by="gone")  # a column that the holdout does not have
    gate = GateSpec(requirements=(parity, elsewhere))
    labels = np.arange(len(groups)) % 2 == 0
    holdout = RowMetadata(fairness_columns={"group": groups})
    found = judge_candidate(Contest("binary-classification", labels, one, NO_CHAMPION, gate, holdout=holdout))
    result, other = found.requirements
    assert (result.verdict, result.reason.code) == (verdict, reason)
    assert other.reason == Reason("too-few-groups")
    if len(shares) == 3:
        assert (result.reason.highest_group, result.reason.lowest_group) == ("b", "c")
        assert result.candidate == pytest.approx(0.6)


def test_the_same_answers_are_said_to_be_no_better_or_worse() -> None:
    found = judge(replace(FAIR, name="twin"), FAIR, BETTER, labels=LABELS)
    assert " for m@v1.0.0: neither better nor worse [" in found.sentence


@pytest.mark.parametrize(("worth", "tested"), [(50, True), (49, False)])
def test_a_slice_is_tested_from_the_rows_on_that_it_is_worth(worth: int, tested: bool) -> None:
    """Given two rows of each unit, then a slice is worth as many rows as it has units."""
    rows = 600
    units = np.arange(rows) // 2
    part = np.where(units < worth, "few", "many")
    labels = labels_of(rows)
    gate = GateSpec(min_slice_rows=50, requirements=(Requirement("accuracy", min=0.1),))
    found = judge_candidate(
        Contest(
            "binary-classification",
            labels,
            model(labels, 1.0),
            NO_CHAMPION,
            gate,
            evaluate=EvaluateSpec(metrics=("accuracy",)),
            holdout=RowMetadata(groups=units, slices={"part": part}),
        )
    )
    (few,) = [value for value in found.metrics if value.slice == "part=few"]
    assert (few.lower is not None) is tested
    assert few.rows == 2 * worth
