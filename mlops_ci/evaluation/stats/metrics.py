"""Metrics as weighted functions of many weight vectors at once, so that a paired bootstrap is a few matrix products.

Every function takes truth and predictions and returns `weighted(w)`, from weights [b, n] to values [b], NaN where the
metric has no value (one class only). With weights of 1 the values are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlops_ci.training.predictions import Floats, Ints, Predictions, Truth, require_part

CALIBRATION_BINS = 15
WeightedMetric = Callable[[Floats], Floats]
MetricFactory = Callable[[Truth, Predictions], "WeightedMetric | None"]  # None: the predictions lack what it needs
RowMetric = Callable[[Truth, Predictions], "Floats | None"]


def _divide(top: Floats, bottom: Floats) -> Floats:
    """Divide, NaN where the divisor is 0."""
    out: Floats = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def weighted_mean(loss: Floats) -> WeightedMetric:
    """Return the mean of what each row has, by the rows' weights."""
    return lambda w: _divide(w @ loss, w.sum(axis=1))


def mean_metric(loss: RowMetric) -> MetricFactory:
    """Return the metric that is the mean of what a function gives row by row."""

    def make(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
        found = loss(truth, predictions)
        return None if found is None else weighted_mean(found)

    return make


def _labels_and_class_count(truth: Truth) -> tuple[Ints, int]:
    return require_part(truth.labels), len(truth.classes)


def _class_indicator(labels: Ints | None, index: int) -> Floats:
    """Return 1.0 where the label is that class, [n]."""
    return np.asarray(require_part(labels) == index, dtype=np.float64)


def accuracy_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return the accuracy."""
    return np.asarray(require_part(truth.labels) == require_part(predictions.labels), dtype=np.float64)


def log_loss_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return the log loss."""
    if predictions.probabilities is None:
        return None
    labels, _ = _labels_and_class_count(truth)
    smallest = np.finfo(float).eps
    right = np.where(labels >= 0, predictions.probabilities[np.arange(len(labels)), labels], 0.0)
    return np.asarray(-np.log(np.clip(right, smallest, 1 - smallest)))


def top_k_accuracy_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Tell whether the true class is among the k likeliest; where others are as likely, they come first."""
    if predictions.probabilities is None:
        return None
    labels, _ = _labels_and_class_count(truth)
    given = predictions.probabilities
    true = np.where(labels >= 0, given[np.arange(len(labels)), labels], np.inf)
    return np.asarray(
        (labels >= 0) & ((given >= true[:, None]).sum(axis=1) <= truth.metric_options.top_k), dtype=np.float64
    )


def cost_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return what each row's prediction costs; a class that the costs do not know has none, so that nothing is decided."""
    labels, costs = require_part(truth.labels), truth.metric_options.costs
    if costs is None or (labels < 0).any():
        return None
    return np.asarray(costs[labels, require_part(predictions.labels)])


def brier_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return the brier."""
    if predictions.probabilities is None:
        return None
    return np.asarray((predictions.probabilities[:, 1] - _class_indicator(truth.labels, 1)) ** 2)


def calibration_error_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, ICML 2017: the mean gap over bins of equal width, by their weight."""
    if predictions.probabilities is None:
        return None
    positive = predictions.probabilities[:, 1]
    bins = np.minimum((positive * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = (bins[:, None] == np.arange(CALIBRATION_BINS)) * (positive - _class_indicator(truth.labels, 1))[:, None]
    return lambda w: _divide(np.abs(w @ gaps).sum(axis=1), w.sum(axis=1))


class _ConfusionIndicators(NamedTuple):
    """Indicators [n, k] by class: predicted and true, predicted, true."""

    hit: Floats
    said: Floats
    true: Floats


def _confusion_indicators(truth: Truth, predictions: Predictions) -> _ConfusionIndicators:
    """Return for each row and class whether the class is predicted, and whether it is true."""
    labels, k = _labels_and_class_count(truth)
    said = (require_part(predictions.labels)[:, None] == np.arange(k)).astype(float)
    true = (labels[:, None] == np.arange(k)).astype(float)
    return _ConfusionIndicators(said * true, said, true)


def precision_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the precision."""
    hit, said, _ = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(w @ hit, w @ said))


def recall_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the recall."""
    hit, _, true = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(w @ hit, w @ true))


def f1_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the f1."""
    hit, said, true = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(2 * (w @ hit), w @ (said + true)))


def f1_macro_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the f1 macro."""
    hit, said, true = _confusion_indicators(truth, predictions)
    # a class that is neither there nor predicted has no f1 and does not count
    return lambda w: _mean_of_present_classes(_divide(2 * (w @ hit), w @ (said + true)))


def balanced_accuracy_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the balanced accuracy."""
    hit, _, true = _confusion_indicators(truth, predictions)
    return lambda w: _mean_of_present_classes(_divide(w @ hit, w @ true))


def _mean_of_present_classes(by_class: Floats) -> Floats:
    there = ~np.isnan(by_class)
    return _divide(np.where(there, by_class, 0.0).sum(axis=1), there.sum(axis=1).astype(float))


def _weights_by_score(
    positive: Floats, scores: Floats, *, falling: bool = False
) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return w -> weights of positives and of all rows [b, groups], summed over equal scores, in the scores' order."""
    order = np.argsort(-scores if falling else scores, kind="stable")
    ordered = scores[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    is_positive = positive[order]

    def split(w: Floats) -> tuple[Floats, Floats]:
        sorted_w = np.take(w, order, axis=1)
        good = sorted_w * is_positive
        if len(starts) == len(order):  # no two scores are equal
            return good, sorted_w
        return np.add.reduceat(good, starts, axis=1), np.add.reduceat(sorted_w, starts, axis=1)

    return split


def _auc_from_scores(positive: Floats, scores: Floats) -> WeightedMetric:
    split = _weights_by_score(positive, scores)

    def weighted(w: Floats) -> Floats:
        good, every = split(w)
        bad = every - good
        below = np.cumsum(bad, axis=1)
        total = below[:, -1].copy()
        below -= bad / 2
        return _divide(np.einsum("ij,ij->i", good, below), good.sum(axis=1) * total)

    return weighted


def auc_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the auc."""
    if predictions.scores is None:
        return None
    return _auc_from_scores(_class_indicator(truth.labels, 1), predictions.scores)


def auc_ovr_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the auc ovr."""
    if predictions.probabilities is None:
        return None
    labels, k = _labels_and_class_count(truth)
    parts = [
        _auc_from_scores(_class_indicator(labels, index), predictions.probabilities[:, index]) for index in range(k)
    ]
    return lambda w: _mean_of_present_classes(np.stack([part(w) for part in parts], axis=1))


def average_precision_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the average precision."""
    if predictions.scores is None:
        return None
    split = _weights_by_score(_class_indicator(truth.labels, 1), predictions.scores, falling=True)

    def weighted(w: Floats) -> Floats:
        good, every = split(w)
        found, ranked = np.cumsum(good, axis=1), np.cumsum(every, axis=1)
        total = found[:, -1].copy()
        found /= np.maximum(ranked, np.finfo(float).tiny, out=ranked)  # where nothing is ranked yet, nothing is found
        return _divide(np.einsum("ij,ij->i", good, found), total)

    return weighted


def _errors(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    true = require_part(truth.values)
    return true, true - require_part(predictions.values)


def mae_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return the mae."""
    return np.abs(_errors(truth, predictions)[1])


def rmse_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the rmse."""
    mean = weighted_mean(_errors(truth, predictions)[1] ** 2)
    return lambda w: np.sqrt(mean(w))


def mape_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return the mape."""
    true, error = _errors(truth, predictions)
    return np.asarray(np.abs(error) / np.maximum(np.abs(true), np.finfo(float).eps))


def pinball_loss_of(truth: Truth, predictions: Predictions) -> Floats:
    """R. Koenker, G. Bassett, Econometrica 46 (1978) 33-50."""
    error, q = _errors(truth, predictions)[1], truth.metric_options.quantile
    return np.maximum(q * error, (q - 1) * error)


def quantile_coverage_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return the quantile coverage."""
    return np.asarray(_errors(truth, predictions)[1] <= 0, dtype=np.float64)


def r2_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the r2."""
    true, error = _errors(truth, predictions)
    centred = true - true.mean() if len(true) else true  # keeps the digits of a target far from 0
    squared = centred**2

    def weighted(w: Floats) -> Floats:
        left = w @ error**2
        spread = w @ squared - _divide((w @ centred) ** 2, w.sum(axis=1))
        constant = spread <= 1e-12 * (w @ squared)
        return np.where(constant, np.where(left == 0, 1.0, 0.0), 1 - _divide(left, np.where(constant, 1.0, spread)))

    return weighted
