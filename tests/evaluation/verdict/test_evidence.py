"""Little evidence: few rows, one class, perfect or constant predictions decide nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, ScoredModel
from mlops_ci.evaluation.verdict.compare import judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.spec_types import GateSpec, Requirement
from mlops_ci.training.predictions import Predictions
from tests.support.binary_models import (
    BETTER,
    FAIR,
    LABELS,
    judge,
    labels_of,
    model,
    only,
)


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
