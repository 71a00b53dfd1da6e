"""How much each row moves a metric: its weight times the derivative by it, from which standard errors follow without sampling.

The infinitesimal jackknife: the variance of a metric over samples of n rows is about the sum of the squares of these,
and that of a difference the sum of the squares of theirs. B. Efron, The Jackknife, the Bootstrap and Other Resampling
Plans, SIAM 1982, chapter 6. Where rows depend on each other in groups, they are summed by group first, as in K.-Y. Liang,
S. L. Zeger, Biometrika 73 (1986) 13-22.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlops_ci.training.predictions import Floats, Predictions, Truth, require_part

InfluenceFunction = Callable[[Truth, Predictions], Floats]


def sum_by_group(moves: Floats, truth: Truth) -> Floats:
    """Return influences summed over rows that depend on each other, [groups]; as they are where none do."""
    if truth.groups is None:
        return moves
    return np.bincount(np.unique(truth.groups, return_inverse=True)[1], moves).astype(np.float64)


def mean_influence(losses: Floats, truth: Truth) -> Floats:
    """Return how much each row moves a weighted mean of what each row has."""
    return _ratio_influence(truth.weights_or_ones * losses, truth.weights_or_ones)


def rmse_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the rmse."""
    squared, w = (require_part(truth.values) - require_part(predictions.values)) ** 2, truth.weights_or_ones
    mean = float((w * squared).sum() / w.sum())
    return _ratio_influence(w * squared, w) / (2 * np.sqrt(mean)) if mean else np.zeros(len(squared))


def _ratio_influence(top: Floats, bottom: Floats) -> Floats:
    """Return the influences on a ratio of two sums, [n]; 0 where the lower one is 0."""
    total = float(bottom.sum())
    return (top - float(top.sum()) / total * bottom) / total if total else np.zeros(len(top))


def f1_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the f1."""
    true, said = _positive_indicators(truth, predictions)
    return _ratio_influence(2 * truth.weights_or_ones * true * said, truth.weights_or_ones * (true + said))


def precision_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the precision."""
    true, said = _positive_indicators(truth, predictions)
    return _ratio_influence(truth.weights_or_ones * true * said, truth.weights_or_ones * said)


def recall_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the recall."""
    true, said = _positive_indicators(truth, predictions)
    return _ratio_influence(truth.weights_or_ones * true * said, truth.weights_or_ones * true)


def _positive_indicators(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    return (require_part(truth.labels) == 1).astype(float), (require_part(predictions.labels) == 1).astype(float)


def average_precision_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return them; a positive counts by its own precision and raises that of those below it, and all above one lower its."""
    scores, positive, w = (
        require_part(predictions.scores),
        (require_part(truth.labels) == 1).astype(float),
        truth.weights_or_ones,
    )
    _, group = np.unique(-scores, return_inverse=True)  # equal scores share a rank, the highest comes first
    good, every = np.bincount(group, positive * w), np.bincount(group, w)
    found, ranked = np.cumsum(good), np.maximum(np.cumsum(every), np.finfo(float).tiny)
    precision, total = found / ranked, float(good.sum())
    if not total:
        return np.zeros(len(scores))
    average = float((good * precision).sum()) / total
    raises = np.cumsum((good / ranked)[::-1])[::-1]
    lowers = np.cumsum((good * precision / ranked)[::-1])[::-1]
    return np.asarray(w * (positive * (precision + raises - average)[group] - lowers[group]) / total)


def _class_mean_influence(truth: Truth, one: Callable[[int], Floats | None]) -> Floats:
    """Return the influences on a mean over classes, of which those count that `one` gives influences for."""
    there = [moves for index in range(len(truth.classes)) if (moves := one(index)) is not None]
    return np.asarray(np.mean(there, axis=0)) if there else np.zeros(len(truth))


def balanced_accuracy_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the balanced accuracy."""
    labels, said, w = require_part(truth.labels), require_part(predictions.labels), truth.weights_or_ones

    def recall(index: int) -> Floats | None:
        true = w * (labels == index)
        return _ratio_influence(true * (said == index), true) if true.any() else None

    return _class_mean_influence(truth, recall)


def f1_macro_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the f1 macro."""
    labels, predicted, w = require_part(truth.labels), require_part(predictions.labels), truth.weights_or_ones

    def f1(index: int) -> Floats | None:
        true, said = (labels == index).astype(float), (predicted == index).astype(float)
        there = w * (true + said)
        return _ratio_influence(2 * w * true * said, there) if there.any() else None

    return _class_mean_influence(truth, f1)


def auc_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the auc."""
    moves = _area_influence(require_part(truth.labels) == 1, require_part(predictions.scores), truth.weights_or_ones)
    return np.zeros(len(truth)) if moves is None else moves


def auc_ovr_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the auc ovr."""
    labels, probabilities = require_part(truth.labels), require_part(predictions.probabilities)
    return _class_mean_influence(
        truth, lambda index: _area_influence(labels == index, probabilities[:, index], truth.weights_or_ones)
    )


def _area_influence(positive: NDArray[np.bool_], scores: Floats, w: Floats) -> Floats | None:
    """Return them as DeLong's components are: how much weight of the other side a row is above, or below."""
    _, group = np.unique(scores, return_inverse=True)
    good, bad = np.bincount(group, w * positive), np.bincount(group, w * ~positive)
    m, n = float(good.sum()), float(bad.sum())
    if not m or not n:
        return None
    beaten = (np.cumsum(bad) - bad / 2)[group] / n  # by a positive with this score
    beating = 1 - (np.cumsum(good) - good / 2)[group] / m  # a negative with this score
    whole = float((good * (np.cumsum(bad) - bad / 2)).sum()) / (m * n)
    return np.asarray(w * np.where(positive, (beaten - whole) / m, (beating - whole) / n))


def r2_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each row moves the r2."""
    true, w = require_part(truth.values), truth.weights_or_ones
    mean = float((w * true).sum() / w.sum())
    return -_ratio_influence(w * (true - require_part(predictions.values)) ** 2, w * (true - mean) ** 2)
