"""How much each row moves a metric: its derivative by the row's weight, from which standard errors follow without sampling.

The infinitesimal jackknife: the variance of a metric over samples of n rows is about the sum of the squares of these,
and that of a difference the sum of the squares of theirs. B. Efron, The Jackknife, the Bootstrap and Other Resampling
Plans, SIAM 1982, chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mlops_ci.learn import delong
from mlops_ci.learn.metrics import by_row
from mlops_ci.learn.predictions import Floats, Predictions, Truth, need

Influence = Callable[[Truth, Predictions], Floats]


def _mean(metric: str) -> Influence:
    def influence(truth: Truth, predictions: Predictions) -> Floats:
        losses = need(by_row(metric, truth, predictions))
        return np.asarray((losses - losses.mean()) / len(losses))

    return influence


def _rmse(truth: Truth, predictions: Predictions) -> Floats:
    squared = (need(truth.values) - need(predictions.values)) ** 2
    mean = float(squared.mean())
    return (squared - mean) / (2 * len(squared) * np.sqrt(mean)) if mean else np.zeros(len(squared))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Return the influences on a ratio of two sums, [n]; 0 where the lower one is 0."""
    total = float(bottom.sum())
    return (top - float(top.sum()) / total * bottom) / total if total else np.zeros(len(top))


def _f1(truth: Truth, predictions: Predictions) -> Floats:
    true, said = _positive(truth, predictions)
    return _ratio(2 * true * said, true + said)


def _precision(truth: Truth, predictions: Predictions) -> Floats:
    true, said = _positive(truth, predictions)
    return _ratio(true * said, said)


def _positive(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    return (need(truth.labels) == 1).astype(float), (need(predictions.labels) == 1).astype(float)


def _average_precision(truth: Truth, predictions: Predictions) -> Floats:
    """Return them; a positive counts by its own precision and raises that of those below it, and all above one lower its."""
    scores, positive = need(predictions.scores), (need(truth.labels) == 1).astype(float)
    _, group = np.unique(-scores, return_inverse=True)  # equal scores share a rank, the highest comes first
    good, every = np.bincount(group, positive), np.bincount(group).astype(float)
    found, ranked = np.cumsum(good), np.cumsum(every)
    precision, total = found / ranked, float(positive.sum())
    if not total:
        return np.zeros(len(scores))
    average = float((good * precision).sum()) / total
    raises = np.cumsum((good / ranked)[::-1])[::-1]
    lowers = np.cumsum((good * precision / ranked)[::-1])[::-1]
    return np.asarray((positive * (precision + raises - average)[group] - lowers[group]) / total)


def _of_classes(truth: Truth, one: Callable[[int], Floats | None]) -> Floats:
    """Return the influences on a mean over classes, of which those count that `one` gives influences for."""
    there = [moves for index in range(len(truth.classes)) if (moves := one(index)) is not None]
    return np.asarray(np.mean(there, axis=0)) if there else np.zeros(len(truth))


def _balanced_accuracy(truth: Truth, predictions: Predictions) -> Floats:
    labels, said = need(truth.labels), need(predictions.labels)

    def recall(index: int) -> Floats | None:
        true = (labels == index).astype(float)
        return _ratio(true * (said == index), true) if true.any() else None

    return _of_classes(truth, recall)


def _f1_macro(truth: Truth, predictions: Predictions) -> Floats:
    labels, predicted = need(truth.labels), need(predictions.labels)

    def f1(index: int) -> Floats | None:
        true, said = (labels == index).astype(float), (predicted == index).astype(float)
        return _ratio(2 * true * said, true + said) if true.any() or said.any() else None

    return _of_classes(truth, f1)


def _auc_ovr(truth: Truth, predictions: Predictions) -> Floats:
    """Return them by class as DeLong's components are: how many of the other side a row is above, or below."""
    labels, probabilities = need(truth.labels), need(predictions.probabilities)

    def area(index: int) -> Floats | None:
        positive, scores = labels == index, probabilities[:, index]
        m, n = int(positive.sum()), int((~positive).sum())
        if not m or not n:
            return None
        ranks = delong.midranks(scores)
        moves = np.empty(len(labels))
        moves[positive] = (ranks[positive] - delong.midranks(scores[positive])) / n
        moves[~positive] = 1 - (ranks[~positive] - delong.midranks(scores[~positive])) / m
        whole = float(moves[positive].mean())
        return np.where(positive, (moves - whole) / m, (moves - whole) / n)

    return _of_classes(truth, area)


def _r2(truth: Truth, predictions: Predictions) -> Floats:
    true = need(truth.values)
    left, spread = (true - need(predictions.values)) ** 2, (true - true.mean()) ** 2
    return -_ratio(left, spread)


INFLUENCES: Mapping[str, Influence] = {
    "average-precision": _average_precision,
    "f1": _f1,
    "precision": _precision,
    "log-loss": _mean("log-loss"),
    "brier": _mean("brier"),
    "mae": _mean("mae"),
    "mape": _mean("mape"),
    "rmse": _rmse,
    "r2": _r2,
    "balanced-accuracy": _balanced_accuracy,
    "f1-macro": _f1_macro,
    "auc-ovr": _auc_ovr,
}
