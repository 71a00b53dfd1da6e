"""How much each row moves a metric: its weight times the derivative by it, from which standard errors follow without sampling.

The infinitesimal jackknife: the variance of a metric over samples of n rows is about the sum of the squares of these,
and that of a difference the sum of the squares of theirs. B. Efron, The Jackknife, the Bootstrap and Other Resampling
Plans, SIAM 1982, chapter 6. Where rows depend on each other in groups, they are summed by group first, as in K.-Y. Liang,
S. L. Zeger, Biometrika 73 (1986) 13-22.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mlops_ci.evaluation.stats.metrics import BY_ROW, by_row
from mlops_ci.training.predictions import Floats, Predictions, Truth, need

Influence = Callable[[Truth, Predictions], Floats]


def influence(metric: str, truth: Truth, predictions: Predictions) -> Floats:
    """Return how much each of n rows moves a metric, [n]; raises KeyError for one that has no derivative."""
    if metric in BY_ROW or metric in predictions.own:
        return _mean(metric, truth, predictions)
    return INFLUENCES[metric](truth, predictions)


def differentiable(metric: str, predictions: Predictions) -> bool:
    """Tell whether `influence` knows the metric."""
    return metric in BY_ROW or metric in predictions.own or metric in INFLUENCES


def together(moves: Floats, truth: Truth) -> Floats:
    """Return influences summed over rows that depend on each other, [groups]; as they are where none do."""
    if truth.groups is None:
        return moves
    return np.bincount(np.unique(truth.groups, return_inverse=True)[1], moves).astype(np.float64)


def _mean(metric: str, truth: Truth, predictions: Predictions) -> Floats:
    losses = need(by_row(metric, truth, predictions))
    return _ratio(truth.mass * losses, truth.mass)


def _rmse(truth: Truth, predictions: Predictions) -> Floats:
    squared, w = (need(truth.values) - need(predictions.values)) ** 2, truth.mass
    mean = float((w * squared).sum() / w.sum())
    return _ratio(w * squared, w) / (2 * np.sqrt(mean)) if mean else np.zeros(len(squared))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Return the influences on a ratio of two sums, [n]; 0 where the lower one is 0."""
    total = float(bottom.sum())
    return (top - float(top.sum()) / total * bottom) / total if total else np.zeros(len(top))


def _f1(truth: Truth, predictions: Predictions) -> Floats:
    true, said = _positive(truth, predictions)
    return _ratio(2 * truth.mass * true * said, truth.mass * (true + said))


def _precision(truth: Truth, predictions: Predictions) -> Floats:
    true, said = _positive(truth, predictions)
    return _ratio(truth.mass * true * said, truth.mass * said)


def _recall(truth: Truth, predictions: Predictions) -> Floats:
    true, said = _positive(truth, predictions)
    return _ratio(truth.mass * true * said, truth.mass * true)


def _positive(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    return (need(truth.labels) == 1).astype(float), (need(predictions.labels) == 1).astype(float)


def _average_precision(truth: Truth, predictions: Predictions) -> Floats:
    """Return them; a positive counts by its own precision and raises that of those below it, and all above one lower its."""
    scores, positive, w = need(predictions.scores), (need(truth.labels) == 1).astype(float), truth.mass
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


def _of_classes(truth: Truth, one: Callable[[int], Floats | None]) -> Floats:
    """Return the influences on a mean over classes, of which those count that `one` gives influences for."""
    there = [moves for index in range(len(truth.classes)) if (moves := one(index)) is not None]
    return np.asarray(np.mean(there, axis=0)) if there else np.zeros(len(truth))


def _balanced_accuracy(truth: Truth, predictions: Predictions) -> Floats:
    labels, said, w = need(truth.labels), need(predictions.labels), truth.mass

    def recall(index: int) -> Floats | None:
        true = w * (labels == index)
        return _ratio(true * (said == index), true) if true.any() else None

    return _of_classes(truth, recall)


def _f1_macro(truth: Truth, predictions: Predictions) -> Floats:
    labels, predicted, w = need(truth.labels), need(predictions.labels), truth.mass

    def f1(index: int) -> Floats | None:
        true, said = (labels == index).astype(float), (predicted == index).astype(float)
        there = w * (true + said)
        return _ratio(2 * w * true * said, there) if there.any() else None

    return _of_classes(truth, f1)


def _auc(truth: Truth, predictions: Predictions) -> Floats:
    moves = _area(need(truth.labels) == 1, need(predictions.scores), truth.mass)
    return np.zeros(len(truth)) if moves is None else moves


def _auc_ovr(truth: Truth, predictions: Predictions) -> Floats:
    labels, probabilities = need(truth.labels), need(predictions.probabilities)
    return _of_classes(truth, lambda index: _area(labels == index, probabilities[:, index], truth.mass))


def _area(positive: NDArray[np.bool_], scores: Floats, w: Floats) -> Floats | None:
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


def _r2(truth: Truth, predictions: Predictions) -> Floats:
    true, w = need(truth.values), truth.mass
    mean = float((w * true).sum() / w.sum())
    return -_ratio(w * (true - need(predictions.values)) ** 2, w * (true - mean) ** 2)


# of what is no mean of something by row
INFLUENCES: Mapping[str, Influence] = {
    "auc": _auc,
    "average-precision": _average_precision,
    "recall": _recall,
    "f1": _f1,
    "precision": _precision,
    "rmse": _rmse,
    "r2": _r2,
    "balanced-accuracy": _balanced_accuracy,
    "f1-macro": _f1_macro,
    "auc-ovr": _auc_ovr,
}
