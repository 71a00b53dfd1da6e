"""Metric-specific methods for independent rows of equal weight: DeLong for areas, counts for shares of correct rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlops_ci.evaluation.stats import delong, mcnemar
from mlops_ci.evaluation.stats.intervals import (
    Bound,
    ConstantSample,
    Difference,
    Estimate,
    Spread,
    auc_standard_error,
    hanley_mcneil_bound,
    logit_bound,
    student_t_difference,
    wilson_bound,
)
from mlops_ci.evaluation.stats.metrics import RowMetric, auc_of
from mlops_ci.training.predictions import Predictions, Truth, require_part

PairedEstimates = tuple[list[Estimate], Difference | None]  # each side's estimate, and the difference of two sides
ExactMethod = Callable[[Truth, Sequence[Predictions]], PairedEstimates]
ShareBound = Callable[[Truth, Predictions], Bound | None]


def estimate_auc(truth: Truth, sides: Sequence[Predictions]) -> PairedEstimates:
    """Return the areas under the ROC curve and their difference, by DeLong's method."""
    positive = truth.labels == 1
    scores = np.stack([side.scores for side in sides if side.scores is not None])
    areas = delong.estimate_aucs(positive, scores)
    if areas is None:
        return [Estimate(_plain_auc(truth, side)) for side in sides], None
    cov = areas.covariance
    fewest = min(areas.positives, areas.negatives)
    estimates = [
        Estimate(
            float(area), _area_bound(float(area), auc_standard_error(cov[at, at]), areas.positives, areas.negatives)
        )
        for at, area in enumerate(areas.values)
    ]
    if len(sides) == 1:
        return estimates, None
    difference = float(areas.values[0] - areas.values[1])
    error = auc_standard_error(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    if error:
        return estimates, student_t_difference(difference, Spread(error))
    equal = bool((delong.midranks(scores[0]) == delong.midranks(scores[1])).all())
    return estimates, (
        ConstantSample(0.0, fewest) if equal else ConstantSample(difference, fewest, -1.0, 1.0)
    ).difference()


def _plain_auc(truth: Truth, side: Predictions) -> float:
    weighted = auc_of(truth, side)
    return float(weighted(truth.weights_or_ones[None, :])[0]) if weighted is not None else 0.0


def _area_bound(area: float, error: float, positives: int, negatives: int) -> Bound:
    """Return the wider of DeLong's and Newcombe's bounds; near 1, DeLong's rests on only a few wrongly ranked pairs."""
    if not error or not 0 < area < 1:
        return ConstantSample(area, min(positives, negatives), 0.0, 1.0).bound
    one, other = logit_bound(area, Spread(error)), hanley_mcneil_bound(area, positives, negatives)
    return lambda p: min(one(p), other(p)) if p < 0.5 else max(one(p), other(p))


def estimate_accuracy(truth: Truth, sides: Sequence[Predictions]) -> PairedEstimates:
    """Return the accuracies (shares of correct rows) and their difference."""
    return _estimate_shares([np.asarray(truth.labels == side.labels, dtype=bool) for side in sides])


def estimate_recall(truth: Truth, sides: Sequence[Predictions]) -> PairedEstimates:
    """Return the recalls of class 1 and their difference."""
    positive = truth.labels == 1  # recall is the accuracy on these rows
    return _estimate_shares([np.asarray(require_part(side.labels)[positive] == 1, dtype=bool) for side in sides])


def share_method(rows: RowMetric) -> ExactMethod:
    """Return the method for a metric that is the share of rows whose value is above 0."""
    return lambda truth, sides: _estimate_shares([require_part(rows(truth, side)) > 0 for side in sides])


def _estimate_shares(right: Sequence[Any]) -> PairedEstimates:
    """Return each side's share of correct rows and the difference, from one mask of correct rows [n] for each side."""
    from scipy.special import ndtr, ndtri

    n = len(right[0])
    if not n:
        return [Estimate(0.0) for _ in right], None
    estimates = [Estimate(float(np.mean(one)), wilson_bound(float(np.mean(one)), n)) for one in right]
    if len(right) == 1:
        return estimates, None
    better, worse = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())

    def p_value(margin: float, sign: int) -> float:
        if margin == 0:
            return mcnemar.mid_p_value(better, worse, "greater" if sign > 0 else "less")
        return float(ndtr(-sign * mcnemar.score_statistic(better, worse, n, margin)))

    def bound(p: float) -> float:
        # the exact test applies at 0 and the score test elsewhere: the interval contains 0 iff the exact test does not reject
        limit = mcnemar.tango_interval(better, worse, n, -float(ndtri(p)))[0]
        lower = p < 0.5
        excluded = p_value(0.0, 1 if lower else -1) <= min(p, 1 - p)
        return max(limit, 0.0) if lower == excluded else min(limit, 0.0)

    return estimates, Difference(
        (better - worse) / n, bound, lambda margin: p_value(margin, 1), lambda margin: p_value(margin, -1)
    )


def precision_bound(truth: Truth, side: Predictions) -> Bound | None:
    """Return the bound of the precision of class 1; None when no row is predicted as class 1."""
    rows = np.flatnonzero(require_part(side.labels) == 1)
    return wilson_bound(float(np.mean(require_part(truth.labels)[rows] == 1)), len(rows)) if len(rows) else None


def balanced_accuracy_bound(truth: Truth, side: Predictions) -> Bound:
    """Return the bound of the balanced accuracy, combined from the Wilson intervals of the classes' recalls.

    The squared distances from each recall to its limit add up, like variances: G. Y. Zou, A. Donner, Statistics in
    Medicine 27 (2008) 1693-1702.
    """
    labels, predicted = require_part(truth.labels), require_part(side.labels)
    right = [predicted[labels == index] == index for index in range(len(truth.classes)) if (labels == index).any()]
    recalls = [float(one.mean()) for one in right]
    bounds = [wilson_bound(recall, len(one)) for recall, one in zip(recalls, right, strict=True)]

    def bound(p: float) -> float:
        wide = math.hypot(*(recall - one(p) for recall, one in zip(recalls, bounds, strict=True)))
        return (sum(recalls) + math.copysign(wide, p - 0.5)) / len(recalls)

    return bound
