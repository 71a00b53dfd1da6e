"""Metrics as functions of many weight vectors at once, so that a paired bootstrap needs only a few matrix products.

A metric takes truth and predictions of n rows, and returns a function `weighted(w)` from weights [b, n] to values [b]. A
value is NaN when the metric has no value, for example with one class only. A metric that is the mean of a value per row
(`RowMetric`) returns these values [n] instead. With weights of 1 the values equal scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlops_ci.training.predictions import Floats, Ints, Predictions, Truth, require_part

CALIBRATION_BINS = 15
WeightedMetric = Callable[[Floats], Floats]
MetricFactory = Callable[[Truth, Predictions], "WeightedMetric | None"]  # None: the predictions lack a needed part
RowMetric = Callable[[Truth, Predictions], "Floats | None"]


def _divide(top: Floats, bottom: Floats) -> Floats:
    """Return top / bottom, with NaN where the divisor is 0."""
    out: Floats = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def weighted_mean(loss: Floats) -> WeightedMetric:
    """Return the weighted mean of the rows' values [n]."""
    return lambda w: _divide(w @ loss, w.sum(axis=1))


def mean_metric(loss: RowMetric) -> MetricFactory:
    """Return the metric that is the weighted mean of a row metric."""

    def make(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
        values = loss(truth, predictions)
        return None if values is None else weighted_mean(values)

    return make


def _labels_and_class_count(truth: Truth) -> tuple[Ints, int]:
    return require_part(truth.labels), len(truth.classes)


def _class_indicator(labels: Ints | None, index: int) -> Floats:
    """Return 1.0 for rows with that class and 0.0 for others, [n]."""
    return np.asarray(require_part(labels) == index, dtype=np.float64)


def accuracy_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return 1.0 for each correctly classified row, else 0.0; the mean is the accuracy."""
    return np.asarray(require_part(truth.labels) == require_part(predictions.labels), dtype=np.float64)


def log_loss_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return each row's log loss: minus the logarithm of the true class's probability; None without probabilities."""
    if predictions.probabilities is None:
        return None
    labels, _ = _labels_and_class_count(truth)
    smallest = np.finfo(float).eps
    right = np.where(labels >= 0, predictions.probabilities[np.arange(len(labels)), labels], 0.0)
    return np.asarray(-np.log(np.clip(right, smallest, 1 - smallest)))


def top_k_accuracy_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return 1.0 for each row whose true class is among the k most likely classes, else 0.0; None without probabilities.

    Other classes with the same probability rank before the true class; scikit-learn ranks them by name. A class that the
    model gives probability 0 is not among the most likely ones, however large k is.
    """
    if predictions.probabilities is None:
        return None
    labels, _ = _labels_and_class_count(truth)
    given = predictions.probabilities
    true = np.where(labels >= 0, given[np.arange(len(labels)), labels], 0.0)
    return np.asarray(
        (true > 0) & ((given >= true[:, None]).sum(axis=1) <= truth.metric_options.top_k), dtype=np.float64
    )


def cost_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return the cost of each row's prediction; None without costs, or when a row's label is unknown."""
    labels, costs = require_part(truth.labels), truth.metric_options.costs
    if costs is None or (labels < 0).any():
        return None
    return np.asarray(costs[labels, require_part(predictions.labels)])


def brier_of(truth: Truth, predictions: Predictions) -> Floats | None:
    """Return each row's Brier score: the squared error of the positive class's probability; None without probabilities."""
    if predictions.probabilities is None:
        return None
    return np.asarray((predictions.probabilities[:, 1] - _class_indicator(truth.labels, 1)) ** 2)


def calibration_error_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the expected calibration error: the weighted mean gap over bins of equal width; None without probabilities.

    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, ICML 2017.
    """
    if predictions.probabilities is None:
        return None
    positive = predictions.probabilities[:, 1]
    bins = np.minimum((positive * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = (bins[:, None] == np.arange(CALIBRATION_BINS)) * (positive - _class_indicator(truth.labels, 1))[:, None]
    return lambda w: _divide(np.abs(w @ gaps).sum(axis=1), w.sum(axis=1))


class _ConfusionIndicators(NamedTuple):
    """Indicators [n, k] of n rows and k classes: predicted and true (`hit`), predicted, true."""

    hit: Floats
    predicted: Floats
    true: Floats


def _confusion_indicators(truth: Truth, predictions: Predictions) -> _ConfusionIndicators:
    """Return whether each class is predicted, and whether it is true, for each row."""
    labels, k = _labels_and_class_count(truth)
    predicted = (require_part(predictions.labels)[:, None] == np.arange(k)).astype(float)
    true = (labels[:, None] == np.arange(k)).astype(float)
    return _ConfusionIndicators(predicted * true, predicted, true)


def precision_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the precision of class 1; 0 when no row is predicted as class 1."""
    hit, predicted, _ = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(w @ hit, w @ predicted))


def recall_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the recall of class 1; 0 when there is no row of class 1."""
    hit, _, true = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(w @ hit, w @ true))


def f1_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the F1 score of class 1; 0 when class 1 is neither true nor predicted."""
    hit, predicted, true = (np.asarray(part[:, 1]) for part in _confusion_indicators(truth, predictions))
    return lambda w: np.nan_to_num(_divide(2 * (w @ hit), w @ (predicted + true)))


def f1_macro_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the unweighted mean of all classes' F1 scores."""
    hit, predicted, true = _confusion_indicators(truth, predictions)
    # a class that is neither true nor predicted has no F1 score and does not count
    return lambda w: _mean_of_present_classes(_divide(2 * (w @ hit), w @ (predicted + true)))


def balanced_accuracy_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the balanced accuracy: the mean recall of the classes that occur."""
    hit, _, true = _confusion_indicators(truth, predictions)
    return lambda w: _mean_of_present_classes(_divide(w @ hit, w @ true))


def _mean_of_present_classes(by_class: Floats) -> Floats:
    is_present = ~np.isnan(by_class)
    return _divide(np.where(is_present, by_class, 0.0).sum(axis=1), is_present.sum(axis=1).astype(float))


def _weights_by_score(
    positive: Floats, scores: Floats, *, falling: bool = False
) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from w [b, n] to the weights of positives and of all rows, each [b, groups].

    Rows with equal scores are one group; groups are in the order of the scores.
    """
    order = np.argsort(-scores if falling else scores, kind="stable")
    ordered = scores[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    is_positive = positive[order]

    def split(w: Floats) -> tuple[Floats, Floats]:
        sorted_w = np.take(w, order, axis=1)
        good = sorted_w * is_positive
        if len(starts) == len(order):  # all scores are distinct
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
    """Return the area under the ROC curve; None without scores."""
    if predictions.scores is None:
        return None
    return _auc_from_scores(_class_indicator(truth.labels, 1), predictions.scores)


def auc_ovr_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the mean area under the ROC curve of each class against the rest; None without probabilities."""
    if predictions.probabilities is None:
        return None
    labels, k = _labels_and_class_count(truth)
    parts = [
        _auc_from_scores(_class_indicator(labels, index), predictions.probabilities[:, index]) for index in range(k)
    ]
    return lambda w: _mean_of_present_classes(np.stack([part(w) for part in parts], axis=1))


def average_precision_of(truth: Truth, predictions: Predictions) -> WeightedMetric | None:
    """Return the average precision; None without scores."""
    if predictions.scores is None:
        return None
    split = _weights_by_score(_class_indicator(truth.labels, 1), predictions.scores, falling=True)

    def weighted(w: Floats) -> Floats:
        good, every = split(w)
        precision, ranked = np.cumsum(good, axis=1), np.cumsum(every, axis=1)
        total = precision[:, -1].copy()
        precision /= np.maximum(ranked, np.finfo(float).tiny, out=ranked)  # avoids 0 / 0 before the first weight
        return _divide(np.einsum("ij,ij->i", good, precision), total)

    return weighted


def _errors(truth: Truth, predictions: Predictions) -> tuple[Floats, Floats]:
    true = require_part(truth.values)
    return true, true - require_part(predictions.values)


def mae_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return each row's absolute error; the mean is the MAE."""
    return np.abs(_errors(truth, predictions)[1])


def rmse_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the root mean squared error."""
    mean = weighted_mean(_errors(truth, predictions)[1] ** 2)
    return lambda w: np.sqrt(mean(w))


def mape_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return each row's absolute error as a share of the true value; the mean is the MAPE."""
    true, error = _errors(truth, predictions)
    return np.asarray(np.abs(error) / np.maximum(np.abs(true), np.finfo(float).eps))


def pinball_loss_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return each row's pinball loss at the given quantile (R. Koenker, G. Bassett, Econometrica 46 (1978) 33-50)."""
    error, q = _errors(truth, predictions)[1], truth.metric_options.quantile
    return np.maximum(q * error, (q - 1) * error)


def quantile_coverage_of(truth: Truth, predictions: Predictions) -> Floats:
    """Return 1.0 for each row whose true value is at most the prediction, else 0.0; the mean is the coverage."""
    return np.asarray(_errors(truth, predictions)[1] <= 0, dtype=np.float64)


def r2_of(truth: Truth, predictions: Predictions) -> WeightedMetric:
    """Return the coefficient of determination; for a constant target, 1 without any error, else 0."""
    true, error = _errors(truth, predictions)
    centred = true - true.mean() if len(true) else true  # keeps precision for a target far from 0
    squared = centred**2

    def weighted(w: Floats) -> Floats:
        left = w @ error**2
        spread = w @ squared - _divide((w @ centred) ** 2, w.sum(axis=1))
        constant = spread <= 1e-12 * (w @ squared)
        return np.where(constant, np.where(left == 0, 1.0, 0.0), 1 - _divide(left, np.where(constant, 1.0, spread)))

    return weighted
