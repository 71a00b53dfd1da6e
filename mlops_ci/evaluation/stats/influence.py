"""Influences of rows on a metric: each row's weight times the metric's derivative by that weight.

They give standard errors without resampling (the infinitesimal jackknife): the variance of a metric over samples of n rows
is approximately the sum of the squared influences, and the variance of a difference is the sum of the squared differences
of influences. B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans, SIAM 1982, chapter 6. Influences of
dependent rows are summed by group first, as in K.-Y. Liang, S. L. Zeger, Biometrika 73 (1986) 13-22.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlops_ci.training.predictions import Floats, Predictions, Truth, require_part

InfluenceFunction = Callable[[Truth, Predictions], Floats]


def sum_by_group(moves: Floats, truth: Truth) -> Floats:
    """Return the influences summed over groups of dependent rows, [groups]; unchanged [n] when rows are independent."""
    if truth.groups is None:
        return moves
    return np.bincount(np.unique(truth.groups, return_inverse=True)[1], moves).astype(np.float64)


def mean_influence(losses: Floats, truth: Truth) -> Floats:
    """Return the influence of each row on the weighted mean of the rows' values [n]."""
    return _ratio_influence(truth.weights_or_ones * losses, truth.weights_or_ones)


def rmse_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the RMSE, [n]."""
    squared, w = (require_part(truth.values) - require_part(predictions.values)) ** 2, truth.weights_or_ones
    mean = float((w * squared).sum() / w.sum())
    return _ratio_influence(w * squared, w) / (2 * np.sqrt(mean)) if mean else np.zeros(len(squared))


def _ratio_influence(top: Floats, bottom: Floats) -> Floats:
    """Return the influence of each row on the ratio sum(top) / sum(bottom), [n]; zeros when the divisor is 0."""
    total = float(bottom.sum())
    return (top - float(top.sum()) / total * bottom) / total if total else np.zeros(len(top))


def f1_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the F1 score, [n]."""
    true, predicted = _positive_indicators(truth, predictions)
    return _ratio_influence(2 * truth.weights_or_ones * true * predicted, truth.weights_or_ones * (true + predicted))


def precision_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the precision, [n]."""
    true, predicted = _positive_indicators(truth, predictions)
    return _ratio_influence(truth.weights_or_ones * true * predicted, truth.weights_or_ones * predicted)


def recall_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the recall, [n]."""
    true, predicted = _positive_indicators(truth, predictions)
    return _ratio_influence(truth.weights_or_ones * true * predicted, truth.weights_or_ones * true)


def _positive_indicators(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    return (require_part(truth.labels) == 1).astype(float), (require_part(predictions.labels) == 1).astype(float)


def average_precision_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the average precision, [n].

    A positive row adds the precision at its own rank. It also raises the number of hits at its own and all lower ranks,
    while every row raises the number of ranked rows there.
    """
    scores, positive, w = (
        require_part(predictions.scores),
        (require_part(truth.labels) == 1).astype(float),
        truth.weights_or_ones,
    )
    _, group = np.unique(-scores, return_inverse=True)  # equal scores share a rank; the highest score comes first
    good, every = np.bincount(group, positive * w), np.bincount(group, w)
    hits, ranked = np.cumsum(good), np.maximum(np.cumsum(every), np.finfo(float).tiny)
    precision, total = hits / ranked, float(good.sum())
    if not total:
        return np.zeros(len(scores))
    average = float((good * precision).sum()) / total
    raises = np.cumsum((good / ranked)[::-1])[::-1]
    lowers = np.cumsum((good * precision / ranked)[::-1])[::-1]
    return np.asarray(w * (positive * (precision + raises - average)[group] - lowers[group]) / total)


def _class_mean_influence(truth: Truth, one: Callable[[int], Floats | None]) -> Floats:
    """Return the influence of each row on a mean over classes, without the classes for which `one` returns None."""
    by_class = [moves for index in range(len(truth.classes)) if (moves := one(index)) is not None]
    return np.asarray(np.mean(by_class, axis=0)) if by_class else np.zeros(len(truth))


def balanced_accuracy_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the balanced accuracy, [n]."""
    labels, predicted, w = require_part(truth.labels), require_part(predictions.labels), truth.weights_or_ones

    def recall(index: int) -> Floats | None:
        true = w * (labels == index)
        return _ratio_influence(true * (predicted == index), true) if true.any() else None

    return _class_mean_influence(truth, recall)


def f1_macro_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the macro F1 score, [n]."""
    labels, predicted_labels, w = require_part(truth.labels), require_part(predictions.labels), truth.weights_or_ones

    def f1(index: int) -> Floats | None:
        true, predicted = (labels == index).astype(float), (predicted_labels == index).astype(float)
        total = w * (true + predicted)
        return _ratio_influence(2 * w * true * predicted, total) if total.any() else None

    return _class_mean_influence(truth, f1)


def auc_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the AUC, [n]."""
    moves = _area_influence(require_part(truth.labels) == 1, require_part(predictions.scores), truth.weights_or_ones)
    return np.zeros(len(truth)) if moves is None else moves


def auc_ovr_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the mean one-versus-rest AUC, [n]."""
    labels, probabilities = require_part(truth.labels), require_part(predictions.probabilities)
    return _class_mean_influence(
        truth, lambda index: _area_influence(labels == index, probabilities[:, index], truth.weights_or_ones)
    )


def _area_influence(positive: NDArray[np.bool_], scores: Floats, w: Floats) -> Floats | None:
    """Return the influence of each row on an AUC from DeLong's components; None when a class has no weight.

    A positive's component is the weight of negatives with a lower score; a negative's, of positives with a higher one.
    """
    _, group = np.unique(scores, return_inverse=True)
    good, bad = np.bincount(group, w * positive), np.bincount(group, w * ~positive)
    m, n = float(good.sum()), float(bad.sum())
    if not m or not n:
        return None
    beaten = (np.cumsum(bad) - bad / 2)[group] / n  # share of negatives below a positive with this score
    beating = 1 - (np.cumsum(good) - good / 2)[group] / m  # share of positives above a negative with this score
    whole = float((good * (np.cumsum(bad) - bad / 2)).sum()) / (m * n)
    return np.asarray(w * np.where(positive, (beaten - whole) / m, (beating - whole) / n))


def r2_influence(truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each row on the coefficient of determination, [n]."""
    true, w = require_part(truth.values), truth.weights_or_ones
    mean = float((w * true).sum() / w.sum())
    return -_ratio_influence(w * (true - require_part(predictions.values)) ** 2, w * (true - mean) ** 2)
