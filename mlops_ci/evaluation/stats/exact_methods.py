"""What independent rows of equal weight say by a method of the metric's own: areas by DeLong, shares of right rows by counting them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlops_ci.evaluation.stats import delong, mcnemar
from mlops_ci.evaluation.stats.intervals import (
    Bound,
    Constant,
    Difference,
    Estimate,
    Spread,
    hanley,
    on_logits,
    root,
    student,
    wilson,
)
from mlops_ci.evaluation.stats.metrics import by_row, value
from mlops_ci.training.predictions import Predictions, Truth, need

Answer = tuple[list[Estimate], Difference | None]  # of each side, and of their difference


def _auc(truth: Truth, sides: Sequence[Predictions]) -> Answer:
    positive = truth.labels == 1
    scores = np.stack([side.scores for side in sides if side.scores is not None])
    areas = delong.areas(positive, scores)
    if areas is None:
        return [Estimate(value("auc", truth, side) or 0.0) for side in sides], None
    cov = areas.covariance
    fewest = min(areas.positives, areas.negatives)
    estimates = [
        Estimate(float(area), _area_bound(float(area), root(cov[at, at]), areas.positives, areas.negatives))
        for at, area in enumerate(areas.values)
    ]
    if len(sides) == 1:
        return estimates, None
    difference = float(areas.values[0] - areas.values[1])
    error = root(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    if error:
        return estimates, student(difference, Spread(error))
    equal = bool((delong.midranks(scores[0]) == delong.midranks(scores[1])).all())
    return estimates, (Constant(0.0, fewest) if equal else Constant(difference, fewest, -1.0, 1.0)).difference()


def _area_bound(area: float, error: float, positives: int, negatives: int) -> Bound:
    """Return the wider of DeLong's bound and Newcombe's: near 1 the few pairs that are ranked wrongly say little of others."""
    if not error or not 0 < area < 1:
        return Constant(area, min(positives, negatives), 0.0, 1.0).bound
    one, other = on_logits(area, Spread(error)), hanley(area, positives, negatives)
    return lambda p: min(one(p), other(p)) if p < 0.5 else max(one(p), other(p))


def _accuracy(truth: Truth, sides: Sequence[Predictions]) -> Answer:
    return _shares([np.asarray(truth.labels == side.labels, dtype=bool) for side in sides])


def _recall(truth: Truth, sides: Sequence[Predictions]) -> Answer:
    positive = truth.labels == 1  # recall is the accuracy on these rows
    return _shares([np.asarray(need(side.labels)[positive] == 1, dtype=bool) for side in sides])


def _share_of(metric: str) -> Callable[[Truth, Sequence[Predictions]], Answer]:
    return lambda truth, sides: _shares([need(by_row(metric, truth, side)) > 0 for side in sides])


def _shares(right: Sequence[Any]) -> Answer:
    """Return what rows [n] that are right or not say of each side's share of right ones, and of their difference."""
    from scipy.special import ndtr, ndtri

    n = len(right[0])
    if not n:
        return [Estimate(0.0) for _ in right], None
    estimates = [Estimate(float(np.mean(one)), wilson(float(np.mean(one)), n)) for one in right]
    if len(right) == 1:
        return estimates, None
    better, worse = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())

    def p_value(margin: float, sign: int) -> float:
        if margin == 0:
            return mcnemar.mid_p(better, worse, "greater" if sign > 0 else "less")
        return float(ndtr(-sign * mcnemar.score_statistic(better, worse, n, margin)))

    def bound(p: float) -> float:
        # two tests, the exact one at 0 and the score test elsewhere: the interval holds 0 when the exact one does
        limit = mcnemar.bounds(better, worse, n, -float(ndtri(p)))[0]
        lower = p < 0.5
        excluded = p_value(0.0, 1 if lower else -1) <= min(p, 1 - p)
        return max(limit, 0.0) if lower == excluded else min(limit, 0.0)

    return estimates, Difference(
        (better - worse) / n, bound, lambda margin: p_value(margin, 1), lambda margin: p_value(margin, -1)
    )


# of both models
METHODS: Mapping[str, Callable[[Truth, Sequence[Predictions]], Answer]] = {
    "auc": _auc,
    "accuracy": _accuracy,
    "recall": _recall,
    "top-k-accuracy": _share_of("top-k-accuracy"),
    "quantile-coverage": _share_of("quantile-coverage"),
}


def _precision(truth: Truth, side: Predictions) -> Bound | None:
    said = np.flatnonzero(need(side.labels) == 1)
    return wilson(float(np.mean(need(truth.labels)[said] == 1)), len(said)) if len(said) else None


def _balanced_accuracy(truth: Truth, side: Predictions) -> Bound:
    """Join the intervals of the classes' recalls as variances add up.

    G. Y. Zou, A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    labels, said = need(truth.labels), need(side.labels)
    right = [said[labels == index] == index for index in range(len(truth.classes)) if (labels == index).any()]
    recalls = [float(one.mean()) for one in right]
    bounds = [wilson(recall, len(one)) for recall, one in zip(recalls, right, strict=True)]

    def bound(p: float) -> float:
        wide = math.hypot(*(recall - one(p) for recall, one in zip(recalls, bounds, strict=True)))
        return (sum(recalls) + math.copysign(wide, p - 0.5)) / len(recalls)

    return bound


OF_SHARES: Mapping[str, Callable[[Truth, Predictions], Bound | None]] = {
    "precision": _precision,
    "balanced-accuracy": _balanced_accuracy,
}
