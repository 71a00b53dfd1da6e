"""Every statistical metric is scikit-learn's, weighted or not, for many weight vectors at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from mlops_ci.evaluation.stats.metric_table import METRICS, compute_metric
from mlops_ci.spec.defaults import default_metrics, default_requirements
from mlops_ci.training.predictions import MetricOptions, Predictions, Truth, align_classes, encode_labels

ROWS = 300
COSTS = np.array([[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 5.0, 6.0], [7.0, 8.0, -1.0, 9.0], [1.0, 1.0, 1.0, 0.0]])
TERMS = MetricOptions(quantile=0.8, top_k=2, costs=COSTS)


def binary(seed: int) -> tuple[Truth, Predictions]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=ROWS)
    drawn = rng.beta(2, 2, ROWS) + 0.2 * (labels - 0.5)
    p = np.asarray(np.clip(np.round(drawn, 2), 0, 1), dtype=np.float64)  # rounded: ties, zeros and ones
    return Truth(labels=labels, classes=(False, True)), Predictions(
        labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p
    )


def multiclass(seed: int) -> tuple[Truth, Predictions]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=ROWS)
    p = rng.dirichlet(np.ones(4), ROWS) * 0.7
    p[np.arange(ROWS), labels] += 0.3
    return Truth(labels=labels, classes=("a", "b", "c", "d"), metric_options=TERMS), Predictions(
        labels=p.argmax(axis=1), probabilities=p
    )


def regression(seed: int) -> tuple[Truth, Predictions]:
    rng = np.random.default_rng(seed)
    true = rng.normal(1000, 3, ROWS)
    return Truth(values=true, metric_options=TERMS), Predictions(values=true + rng.normal(0, 2, ROWS))


Reference = Callable[[Any, Any, Any], float]
BINARY: dict[str, Reference] = {
    "auc": lambda y, p, w: sk.roc_auc_score(y, p.scores, sample_weight=w),
    "average-precision": lambda y, p, w: sk.average_precision_score(y, p.scores, sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.labels, sample_weight=w),
    "balanced-accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p.labels, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p.labels, sample_weight=w),
    "precision": lambda y, p, w: sk.precision_score(y, p.labels, sample_weight=w),
    "recall": lambda y, p, w: sk.recall_score(y, p.labels, sample_weight=w),
    "log-loss": lambda y, p, w: sk.log_loss(y, p.probabilities, sample_weight=w),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p.scores, sample_weight=w),
    "calibration-error": lambda y, p, w: float(
        np.abs(np.bincount(np.digitize(p.scores * 15, range(1, 15)), w * (p.scores - y))).sum() / w.sum()
    ),
}
MULTICLASS: dict[str, Reference] = {
    "accuracy": BINARY["accuracy"],
    "balanced-accuracy": BINARY["balanced-accuracy"],
    "f1-macro": lambda y, p, w: sk.f1_score(y, p.labels, sample_weight=w, average="macro"),
    "log-loss": BINARY["log-loss"],
    "auc-ovr": lambda y, p, w: sk.roc_auc_score(y, p.probabilities, sample_weight=w, multi_class="ovr"),
    "top-k-accuracy": lambda y, p, w: sk.top_k_accuracy_score(y, p.probabilities, k=2, sample_weight=w),
    "cost": lambda y, p, w: float((sk.confusion_matrix(y, p.labels, sample_weight=w) * COSTS).sum() / w.sum()),
}
REGRESSION: dict[str, Reference] = {
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p.values, sample_weight=w),
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p.values, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p.values, sample_weight=w),
    "mape": lambda y, p, w: sk.mean_absolute_percentage_error(y, p.values, sample_weight=w),
    "pinball-loss": lambda y, p, w: sk.mean_pinball_loss(y, p.values, sample_weight=w, alpha=0.8),
    "quantile-coverage": lambda y, p, w: float(np.average(y <= p.values, weights=w)),
}
CASES = [
    *((binary, name, function) for name, function in BINARY.items()),
    *((multiclass, name, function) for name, function in MULTICLASS.items()),
    *((regression, name, function) for name, function in REGRESSION.items()),
]


@pytest.mark.parametrize(
    ("make", "metric", "reference"), CASES, ids=[f"{make.__name__}-{name}" for make, name, _ in CASES]
)
def test_metric_is_that_of_scikit_learn(
    make: Callable[[int], tuple[Truth, Predictions]], metric: str, reference: Reference
) -> None:
    truth, predictions = make(1)
    y = truth.values if truth.labels is None else truth.labels
    weights = np.random.default_rng(2).integers(1, 5, size=(3, ROWS)).astype(float)
    weights[0] = 1
    weighted = METRICS[metric].factory()(truth, predictions)
    assert weighted is not None
    expected = [reference(y, predictions, row) for row in weights]
    assert weighted(weights) == pytest.approx(expected, rel=0, abs=1e-12)
    assert compute_metric(metric, truth, predictions) == pytest.approx(expected[0], rel=0, abs=1e-12)


def test_every_metric_is_tested() -> None:
    assert {name for _, name, _ in CASES} == set(METRICS)


def test_who_says_that_every_class_is_as_likely_names_none() -> None:
    truth = Truth(labels=np.array([0, 1, 2, 0]), classes=("a", "b", "c"), metric_options=MetricOptions(top_k=2))
    undecided = Predictions(labels=np.zeros(4, dtype=np.int64), probabilities=np.full((4, 3), 1 / 3))
    assert compute_metric("top-k-accuracy", truth, undecided) == 0.0  # whatever the order of the classes is


def test_a_class_that_the_costs_do_not_know_leaves_the_cost_unknown() -> None:
    truth = Truth(labels=np.array([0, -1]), classes=("a", "b"), metric_options=MetricOptions(costs=np.eye(2)))
    assert compute_metric("cost", truth, Predictions(labels=np.array([0, 0]))) is None


@pytest.mark.parametrize("metric", ["auc", "average-precision", "auc-ovr"])
def test_ranking_has_no_value_without_positives(metric: str) -> None:
    truth = Truth(labels=np.zeros(20, dtype=np.int64), classes=(0, 1))
    p = np.linspace(0, 1, 20)
    predictions = Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p)
    assert compute_metric(metric, truth, predictions) is None


def test_nothing_predicted_positive_is_a_precision_of_zero() -> None:
    truth = Truth(labels=np.array([0, 1, 1]), classes=(0, 1))
    predictions = Predictions(labels=np.zeros(3, dtype=np.int64))
    assert [compute_metric(metric, truth, predictions) for metric in ("precision", "recall", "f1")] == [0, 0, 0]


@pytest.mark.parametrize(("make", "metric"), [(make, metric) for make, metric, _ in CASES if make is not regression])
def test_a_metric_of_a_classifier_has_a_value_unless_the_model_lacks_what_its_definition_needs(
    make: Callable[[int], tuple[Truth, Predictions]], metric: str
) -> None:
    truth, whole = make(1)
    needs = METRICS[metric].definition.needs
    without = {"probabilities": replace(whole, probabilities=None), "scores": replace(whole, scores=None)}
    for part, lacking in without.items():
        assert (compute_metric(metric, truth, lacking) is None) == (part == needs), part


def test_r2_of_a_constant_target_is_that_of_scikit_learn() -> None:
    truth = Truth(values=np.full(10, 7.0))
    assert compute_metric("r2", truth, Predictions(values=np.full(10, 7.0))) == 1
    assert compute_metric("r2", truth, Predictions(values=np.full(10, 8.0))) == 0


def test_no_rows_have_no_value() -> None:
    assert compute_metric("mae", Truth(values=np.zeros(0)), Predictions(values=np.zeros(0))) is None


def test_labels_are_indices_and_strangers_are_minus_one() -> None:
    assert encode_labels(np.array(["b", "z", "a"], dtype=object), ("a", "b")).tolist() == [1, -1, 0]


def test_a_model_that_knows_fewer_classes_gives_the_others_probability_zero() -> None:
    own = Predictions(labels=np.array([0, 1]), probabilities=np.array([[0.9, 0.1], [0.2, 0.8]]))
    aligned = align_classes(own, ("c", "a"), ("a", "b", "c"))
    assert aligned.labels is not None
    assert aligned.probabilities is not None
    assert aligned.labels.tolist() == [2, 0]
    assert aligned.probabilities.tolist() == [[0.1, 0, 0.9], [0.8, 0, 0.2]]


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_defaults_have_a_floor_and_a_test_of_metrics_that_exist(task: Any) -> None:
    floor, better, *no_worse = default_requirements(task)
    assert floor.min is not None
    assert (better.test, better.against, better.when) == ("superiority", "champion", "changed")
    assert [(one.test, one.against, one.when, one.margin) for one in no_worse] == [
        ("non-inferiority", "champion", "retrained", 0.01),
        ("non-inferiority", "anchor", "retrained", 0.01),
    ]
    assert {floor.metric, better.metric, no_worse[0].metric, *default_metrics(task)} <= set(METRICS)
