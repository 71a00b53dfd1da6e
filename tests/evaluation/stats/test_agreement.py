"""400 random holdouts: every metric of classes and numbers is scikit-learn's, whatever the labels are and whoever lacks a class.

Where scikit-learn refuses, the definition is stated here: a class that no model knows has probability 0 on every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn import metrics as sk

from mlops_ci.evaluation.stats.metric_table import compute_metric, row_influences
from mlops_ci.evaluation.verdict.alignment import AlignedRows, RowMetadata, ScoredModel, align, order_classes
from mlops_ci.evaluation.verdict.fairness import measure_fairness_gap
from mlops_ci.spec.spec_types import Cost, EvaluateSpec
from mlops_ci.training.predictions import Floats, Label, Predictions, encode_labels

HOLDOUTS = {"binary": 180, "multiclass": 160, "regression": 60}
PAIRS: tuple[tuple[Label, Label], ...] = (
    *((0, 1), (1, 2), (-1, 1), (False, True), ("fraud", "legit"), ("N", "Y"), ("bad", "good"), ("0", "1")),
)
NAMES: tuple[tuple[Label, ...], ...] = (("a", "b", "c", "zz", "0"), (3, 1, 2, 10, -5), ("é", "E", "e", "", "x y"))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Validation of parameters is most of what scikit-learn does with thirty rows."""
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        yield


def draw_weights(random: np.random.Generator, rows: int) -> Floats | None:
    return random.integers(1, 5, rows) / 4 if random.random() < 0.5 else None


def draw_probabilities(random: np.random.Generator, rows: int, classes: int) -> Floats:
    """Return probabilities, rounded in half of the holdouts: ties, zeros and ones."""
    parts = random.dirichlet(np.full(classes, 0.7), rows)
    if random.random() < 0.5:
        parts = np.round(parts * 4) / 4
        parts[:, 0] = np.maximum(parts[:, 0] + 1 - parts.sum(axis=1), 0)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def draw_labels(random: np.random.Generator, among: Sequence[Label], rows: int) -> Any:
    values = np.empty(rows, dtype=object)
    values[:] = [among[at] for at in random.integers(len(among), size=rows)]
    return values.astype(type(among[0])) if type(among[0]) is not str else values


@pytest.mark.parametrize("seed", range(HOLDOUTS["binary"]))
def test_a_binary_holdout_is_measured_as_scikit_learn_does(seed: int) -> None:
    random = np.random.default_rng([1, seed])
    rows, pair = int(random.integers(12, 40)), PAIRS[seed % len(PAIRS)]
    positive = (None, *pair)[seed % 3]
    own = pair if random.random() < 0.7 else pair[::-1]  # a model of the repository's own may have any order
    given = draw_probabilities(random, rows, 2)
    predictions = Predictions(labels=given.argmax(axis=1), probabilities=given, scores=given[:, 1])
    if only_scores := random.random() < 0.3:
        predictions = replace(predictions, probabilities=None, scores=random.normal(size=rows).round(1))
    present = pair if random.random() < 0.9 else pair[:1]  # a class that the holdout lacks
    labels, weights = draw_labels(random, present, rows), draw_weights(random, rows)
    model = order_classes(ScoredModel("m", "m", predictions, own), positive)
    found = align("binary-classification", labels, [model], RowMetadata(weights=weights), EvaluateSpec())

    last = max(pair) if positive is None else positive
    y, said = labels == last, np.array([own[at] == last for at in require(predictions.labels)])
    flipped = own[0] == last
    scores = require(predictions.scores)
    scores = (-scores if only_scores else given[:, 0]) if flipped else scores
    rare: dict[str, Any] = {"zero_division": 0.0, "sample_weight": weights}
    expected: dict[str, float | None] = {
        "accuracy": sk.accuracy_score(y, said, sample_weight=weights),
        "precision": sk.precision_score(y, said, **rare),
        "recall": sk.recall_score(y, said, **rare),
        "f1": sk.f1_score(y, said, **rare),
    }
    both = 0 < y.sum() < rows
    # the mean of the recalls of the classes that occur: scikit-learn warns where a class is predicted only
    recalls = sk.recall_score(y, said, labels=np.unique(y), average=None, **rare)
    expected["balanced-accuracy"] = float(np.mean(recalls))
    # with one class scikit-learn's area is NaN; without a positive row it warns and invents a recall
    expected["auc"] = sk.roc_auc_score(y, scores, sample_weight=weights) if both else None
    expected["average-precision"] = sk.average_precision_score(y, scores, sample_weight=weights) if y.any() else None
    if only_scores:
        expected |= dict.fromkeys(("log-loss", "brier", "calibration-error"))
    else:
        columns = (
            np.stack([1 - scores, scores], axis=1) if not flipped else np.stack([given[:, 1], given[:, 0]], axis=1)
        )
        expected["log-loss"] = sk.log_loss(y, columns, labels=[False, True], sample_weight=weights)
        expected["brier"] = sk.brier_score_loss(y, scores, pos_label=True, sample_weight=weights)
        bins, mass = np.digitize(scores * 15, range(1, 15)), np.ones(rows) if weights is None else weights
        expected["calibration-error"] = np.abs(np.bincount(bins, mass * (scores - y))).sum() / mass.sum()
    assert_agreement(found, expected)
    groups = np.array(["u", "v"])[np.arange(rows) % 2]
    gap = measure_fairness_gap(
        "demographic-parity-difference", found.truth, found.predictions[0], groups.tolist(), min_rows=1
    )
    rates = [
        np.average(said[groups == one], weights=None if weights is None else weights[groups == one]) for one in "uv"
    ]
    assert gap is not None
    assert gap.estimate.value == pytest.approx(abs(rates[0] - rates[1]), abs=1e-12)


@pytest.mark.parametrize("seed", range(HOLDOUTS["multiclass"]))
def test_a_holdout_of_many_classes_is_measured_as_scikit_learn_does(seed: int) -> None:
    """Training and holdout each know some of five classes; a class that training lacked counts as wrong everywhere."""
    random = np.random.default_rng([2, seed])
    rows, names = int(random.integers(15, 40)), NAMES[seed % len(NAMES)]
    known = sorted(random.permutation(len(names))[: random.integers(3, 6)])
    own = tuple(sorted(names[at] for at in known))
    present = [names[at] for at in random.permutation(len(names))[: random.integers(1, 6)]]
    labels, weights = draw_labels(random, present, rows), draw_weights(random, rows)
    given = draw_probabilities(random, rows, len(own))
    predictions = Predictions(labels=given.argmax(axis=1), probabilities=given)
    k = int(random.integers(1, len(own) + 1))
    costs = (Cost(own[0], own[1], 3.0), Cost(own[1], own[0], -1.0), Cost(own[2], own[0], 2.0))
    evaluate = EvaluateSpec(top_k=k, costs=costs)
    model = ScoredModel("m", "m", predictions, own)
    found = align("multiclass-classification", labels, [model], RowMetadata(weights=weights), evaluate)

    all_labels = sorted({*own, *labels.tolist()})
    y = encode_labels(labels, all_labels)
    at = np.array([all_labels.index(one) for one in own])
    said = at[given.argmax(axis=1)]
    padded = np.zeros((rows, len(all_labels)))
    padded[:, at] = given
    strangers = ~np.isin(y, at)
    areas = [
        sk.roc_auc_score(y == one, padded[:, one], sample_weight=weights)
        for one in range(len(all_labels))
        if 0 < (y == one).sum() < rows
    ]
    rare: dict[str, Any] = {"zero_division": 0.0, "sample_weight": weights}
    recalls = sk.recall_score(y, said, labels=np.unique(y), average=None, **rare)
    # ties: scikit-learn ranks by name; here the true class comes last, as if it were a little less likely
    lowered = padded.copy()
    lowered[np.arange(rows), y] -= 1e-9
    hits = (
        sk.top_k_accuracy_score(y, lowered, k=k, labels=range(len(all_labels)), normalize=True, sample_weight=weights)
        if k < len(all_labels)
        else None
    )
    table = np.zeros((len(all_labels), len(all_labels)))
    table[[one for one in range(len(all_labels)) if one not in at]] = 3.0  # the highest cost
    for one in costs:
        table[all_labels.index(one.actual), all_labels.index(one.predicted)] = one.cost
    expected: dict[str, float | None] = {
        "accuracy": sk.accuracy_score(y, said, sample_weight=weights),
        "balanced-accuracy": float(np.mean(recalls)),
        "f1-macro": sk.f1_score(y, said, average="macro", **rare),
        "auc-ovr": float(np.mean(areas)) if areas else None,
        "log-loss": sk.log_loss(y, padded, labels=range(len(all_labels)), sample_weight=weights),
        "cost": float(np.average(table[y, said], weights=weights)),
    }
    if hits is not None and not (padded[np.arange(rows), y] == 0)[~strangers].any():
        expected["top-k-accuracy"] = hits
    assert_agreement(found, expected)
    if strangers.any():
        assert {one.id for one in found.diagnostics} == {"holdout-label-unknown"}
        wrong = found.truth.select_rows(strangers), found.predictions[0].select_rows(strangers)
        zero = ("accuracy", "balanced-accuracy", "f1-macro", "top-k-accuracy")
        assert [compute_metric(name, *wrong) for name in zero] == [0.0] * len(zero)


@pytest.mark.parametrize("seed", range(HOLDOUTS["regression"]))
def test_numbers_are_measured_as_scikit_learn_does(seed: int) -> None:
    random = np.random.default_rng([3, seed])
    rows = int(random.integers(5, 40))
    y = random.normal(10.0 ** random.integers(-3, 4), 1, rows).round(int(random.integers(0, 4)) + 1)
    said, weights, q = y + random.standard_t(3, rows).round(1), draw_weights(random, rows), float(random.random())
    model = ScoredModel("m", "m", Predictions(values=said))
    found = align("regression", y, [model], RowMetadata(weights=weights), EvaluateSpec(quantile=q))
    expected: dict[str, float | None] = {
        "mae": sk.mean_absolute_error(y, said, sample_weight=weights),
        "rmse": sk.root_mean_squared_error(y, said, sample_weight=weights),
        "r2": sk.r2_score(y, said, sample_weight=weights),
        "mape": sk.mean_absolute_percentage_error(y, said, sample_weight=weights),
        "pinball-loss": sk.mean_pinball_loss(y, said, sample_weight=weights, alpha=q),
        "quantile-coverage": float(np.average(y <= said, weights=weights)),
    }
    assert_agreement(found, expected)


def test_influences_are_the_derivatives_of_the_same_numbers_where_a_class_is_unknown() -> None:
    random = np.random.default_rng(4)
    given = random.dirichlet(np.ones(3), 30)
    labels = np.array(["a", "b", "c", "new", "newer"], dtype=object)[np.arange(30) % 5]
    model = ScoredModel("m", "m", Predictions(labels=given.argmax(axis=1), probabilities=given), ("a", "b", "c"))
    evaluate = EvaluateSpec(top_k=2, costs=(Cost("a", "b", 2.0),))
    found = align("multiclass-classification", labels, [model], RowMetadata(weights=random.random(30) + 0.5), evaluate)
    (predictions,), truth, step = found.predictions, found.truth, 1e-6
    for metric in ("accuracy", "balanced-accuracy", "f1-macro", "auc-ovr", "log-loss", "cost", "top-k-accuracy"):
        influences = row_influences(metric, truth, predictions)
        for row in (0, 3, 4):
            w = truth.weights_or_ones.copy()
            values = []
            for sign in (1, -1):
                moved = w.copy()
                moved[row] += sign * step
                values.append(require(compute_metric(metric, replace(truth, weights=moved), predictions)))
            assert influences[row] / w[row] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-6), metric


def require(part: Any) -> Any:
    assert part is not None
    return part


def assert_agreement(found: AlignedRows, expected: dict[str, float | None]) -> None:
    for metric, value in expected.items():
        mine = compute_metric(metric, found.truth, found.predictions[0])
        assert mine == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), metric
