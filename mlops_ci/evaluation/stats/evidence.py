"""What a set of rows says about metrics of one model, and about the difference between two: values, bounds, p-values.

auc by DeLong; accuracy and other shares of right rows by Wilson's interval, McNemar's mid-p, Tango's score test; what has a
derivative by the infinitesimal jackknife and Student's t; what has none (calibration-error) by the paired bootstrap;
precision and balanced accuracy of one model by Wilson's interval. Where nothing varies, by how likely that would be
(`intervals.Constant`). Where rows have weights or come in groups, all of it by the jackknife, over groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlops_ci.evaluation.stats import bootstrap
from mlops_ci.evaluation.stats import rmse_difference as squares
from mlops_ci.evaluation.stats.exact_methods import METHODS, OF_SHARES, Answer
from mlops_ci.evaluation.stats.influence import differentiable, influence, together
from mlops_ci.evaluation.stats.intervals import (
    FEWEST,
    Bound,
    Constant,
    Difference,
    Estimate,
    Spread,
    on_logarithms,
    on_logits,
    spread,
    student,
)
from mlops_ci.evaluation.stats.metrics import Weighted, of, value
from mlops_ci.spec.metrics import METRICS as NAMES
from mlops_ci.training.predictions import Floats, Predictions, Terms, Truth, need

_FEW = 10  # samples beyond a margin: below that, counting them says little about how far beyond it lies
_POSITIVE = ("log-loss", "mae", "rmse", "mape", "pinball-loss")  # and with no upper end
_OF_CLASSES = ("auc", "average-precision", "recall", "f1", "precision", "balanced-accuracy", "f1-macro", "auc-ovr")
_ANYWHERE = ("r2", "cost")  # as are the user's own metrics; all others lie within 0 and 1


@dataclass(frozen=True)
class Evidence:
    """All of it for one set of rows, without metrics that have no value there.

    `smallest_class` counts the rows of the rarest class, among those of the candidate and those that are there. `units`
    is what the rows are worth where they have weights or depend on each other (as many independent ones), else None;
    the rarest class is counted in the same way.
    """

    rows: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    smallest_class: int | None = None
    units: int | None = None

    @property
    def independent(self) -> int:
        """How many independent rows these are worth."""
        return self.rows if self.units is None else self.units


def gather(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    *,
    seed: int,
    intervals: bool = True,
    own: int | None = None,
) -> Evidence:
    """Return what n rows say about the named metrics; without `intervals` values only, which is fast.

    The first `own` of the truth's classes (all, when None) are the candidate's; only the champion knows the others.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large to be squared: the metric has no value then
        return _gathered(metrics, truth, candidate, champion, seed=seed, intervals=intervals, own=own)


def _gathered(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    *,
    seed: int,
    intervals: bool,
    own: int | None,
) -> Evidence:
    sides = [candidate] if champion is None else [candidate, champion]
    values = {metric: [value(metric, truth, side) for side in sides] for metric in metrics}
    known = [metric for metric in metrics if all(one is not None for one in values[metric])]
    found: dict[str, Answer] = {}
    if intervals:
        for metric in known:
            if truth.plain and (method := METHODS.get(metric)):
                found[metric] = method(truth, sides)
            elif differentiable(metric, candidate):
                found[metric] = _by_influence(metric, truth, sides, [float(one or 0.0) for one in values[metric]])
        found |= _bootstrapped([metric for metric in known if metric not in found], truth, sides, seed)
    estimates = [
        {
            metric: found[metric][0][at] if metric in found else Estimate(one)
            for metric in metrics
            if (one := values[metric][at]) is not None
        }
        for at in range(len(sides))
    ]
    differences = {
        metric: difference
        for metric, (_, difference) in found.items()
        if difference is not None and higher_is_better(metric, truth.terms) is not None
    }
    units = None if truth.plain else whole(truth.units())
    return Evidence(
        len(truth),
        estimates[0],
        estimates[1] if champion is not None else {},
        differences,
        _smallest(truth, own),
        units,
    )


def whole(units: float) -> int:
    """Return how many whole rows so many are: 49.999999 are 50."""
    return int(units + 1e-6)


def higher_is_better(metric: str, terms: Terms) -> bool | None:
    """Tell which way a metric is better, a user's own one too; None when neither is."""
    return NAMES[metric].higher_is_better if metric in NAMES else terms.better[metric]


def _sign(metric: str, truth: Truth) -> int:
    return 1 if higher_is_better(metric, truth.terms) else -1


def _smallest(truth: Truth, own: int | None = None) -> int | None:
    if truth.labels is None:
        return None
    if truth.plain:
        counts = np.bincount(truth.labels[truth.labels >= 0], minlength=len(truth.classes)).tolist()
    else:
        counts = [whole(truth.units(truth.labels == index)) for index in range(len(truth.classes))]
    own = len(counts) if own is None else own
    return min((int(count) for at, count in enumerate(counts) if count or at < own), default=0)


def _by_influence(metric: str, truth: Truth, sides: Sequence[Predictions], values: Sequence[float]) -> Answer:
    influences = [together(influence(metric, truth, side), truth) for side in sides]
    counts = [_independent(metric, truth, side) for side in sides]
    estimates = [
        Estimate(
            one,
            OF_SHARES[metric](truth, side)
            if metric in OF_SHARES and truth.plain
            else _bound(metric, truth, one, moves, count),
        )
        for one, moves, count, side in zip(values, influences, counts, sides, strict=True)
    ]
    if len(sides) == 1:
        return estimates, None
    sign, count = _sign(metric, truth), min(counts)
    seen = sign * (values[0] - values[1])
    if metric == "rmse":
        return estimates, squares.difference(truth, sides, values, count)
    moved = spread(sign * (influences[0] - influences[1]), count, influences, even=truth.plain)
    if moved.error == 0:
        return estimates, _unvarying(metric, seen, count, _say_the_same(sides))
    known = math.isfinite(moved.error) and need(moved.units) >= FEWEST
    difference = student(seen, moved) if known else None
    if difference is not None and metric == "cost":
        return estimates, _at_worst(difference, _worst_difference(truth), sign * (influences[0] - influences[1]), count)
    return estimates, difference


def _at_worst(seen: Difference, ends: tuple[float, float], moves: Floats, units: float) -> Difference:
    """Return what is left of a difference when one more row had the worst cost, or the best, that there is.

    A loss that is rare may not have been seen, however often the gains were: no correction for skewness knows of it.
    """
    sides = [_with_one_more(seen.value, end, moves, units) for end in ends]
    worst, best = sides
    return Difference(
        seen.value,
        lambda p: min(seen.bound(p), worst.bound(p)) if p < 0.5 else max(seen.bound(p), best.bound(p)),
        lambda margin: max(seen.above(margin), worst.above(margin)),
        lambda margin: max(seen.below(margin), best.below(margin)),
    )


def _with_one_more(mean: float, value: float, moves: Floats, units: float) -> Difference:
    """Return what a mean says that one more row joins, whose value is given; rows move it by `moves`."""
    share = 1 / (units + 1)
    joined = mean + (value - mean) * share
    rows = np.append(moves + (mean - joined) * share, (value - joined) * share)
    return student(joined, spread(rows, units + 1, [rows], even=True))


def _worst_difference(truth: Truth) -> tuple[float, float]:
    """Return the least and the largest that the candidate's cost of one row can be below the champion's."""
    costs = need(truth.terms.costs)
    apart = float((costs.max(axis=1) - costs.min(axis=1)).max())
    return -apart, apart


def _bound(metric: str, truth: Truth, value: float, moves: Floats, units: float) -> Bound | None:
    moved = spread(moves, units, [moves], even=truth.plain)
    if not math.isfinite(moved.error):
        return None
    if _within(metric):
        return _within_one(value, moved)
    if not moved.error or need(moved.units) < FEWEST:
        return None
    if metric in _POSITIVE:
        return on_logarithms(value, moved)
    alone = student(value, moved)
    if metric != "cost":
        return alone.bound
    costs = need(truth.terms.costs)
    return _at_worst(alone, (float(costs.min()), float(costs.max())), moves, units).bound


def _within(metric: str) -> bool:
    """Tell whether a metric lies within 0 and 1."""
    return metric in NAMES and metric not in _POSITIVE and metric not in _ANYWHERE


def _within_one(value: float, moved: Spread) -> Bound | None:
    """Return the bound of a value within 0 and 1, from its spread, or, where nothing varies, from the rows alone."""
    if not moved.error or not 0 < value < 1:
        return Constant(value, moved.units, 0.0, 1.0).bound if moved.units else None
    return on_logits(value, moved) if moved.units is None or moved.units >= FEWEST else None


def _unvarying(metric: str, difference: float, units: float, same: bool) -> Difference | None:
    if not units:
        return None
    bounded = _within(metric) and not same
    return (Constant(difference, units, -1.0, 1.0) if bounded else Constant(difference, units)).difference()


def _bootstrapped(metrics: Sequence[str], truth: Truth, sides: Sequence[Predictions], seed: int) -> dict[str, Answer]:
    if not metrics:
        return {}
    functions: list[Weighted] = [need(of(metric, side)(truth, side)) for metric in metrics for side in sides]
    drawn = bootstrap.resample(functions, truth, seed).reshape(len(metrics), len(sides), -1)
    mass = truth.mass[None, :]
    found: dict[str, Answer] = {}
    for at, metric in enumerate(metrics):
        values = [float(function(mass)[0]) for function in functions[at * len(sides) : (at + 1) * len(sides)]]
        usable = drawn[at][:, np.isfinite(drawn[at]).all(axis=0)]
        if usable.shape[1] < bootstrap.RESAMPLES / 2:  # one class is so rare that most samples lack it
            found[metric] = ([Estimate(one) for one in values], None)
            continue
        counts = [_independent(metric, truth, side) for side in sides]
        estimates = [
            Estimate(one, _sampled_bound(one, row, n)) for one, row, n in zip(values, usable, counts, strict=True)
        ]
        sign = _sign(metric, truth)
        difference = None
        if len(sides) == 2:
            seen = sign * (values[0] - values[1])
            difference = _sampled(metric, seen, sign * (usable[0] - usable[1]), min(counts), _say_the_same(sides))
        found[metric] = (estimates, difference)
    return found


def _independent(metric: str, truth: Truth, side: Predictions) -> float:
    """Return how many independent rows a metric is a mean of: where it is of classes, those of the rarest."""
    if metric not in _OF_CLASSES:
        return truth.units()
    fewest = _smallest(truth, 0) or 0
    return min(fewest, truth.units(need(side.labels) == 1)) if metric in ("precision", "f1") else fewest


def _say_the_same(sides: Sequence[Predictions]) -> bool:
    """Tell whether two models give the same numbers; labels are so few that models may agree on them by chance."""
    pairs = [(getattr(sides[0], part), getattr(sides[1], part)) for part in ("values", "probabilities", "scores")]
    given = [(one, other) for one, other in pairs if one is not None and other is not None]
    return bool(given) and all(np.array_equal(one, other) for one, other in given)


def _vary(samples: Floats) -> bool:
    return bool(np.ptp(samples) > 1e-12 * np.abs(samples).max())  # less is rounding


def _sampled_bound(found: float, samples: Floats, units: float) -> Bound | None:
    if not _vary(samples):
        return Constant(found, units, 0.0, 1.0).bound if units else None
    bound = _quantile(found, samples)
    return lambda p: min(max(bound(p), 0.0), 1.0)


def _quantile(found: float, samples: Floats) -> Bound:
    """Return the percentile bound; beyond the last few samples, the normal one where that is wider."""
    from scipy.special import ndtri

    ordered, error, few = np.sort(samples), float(samples.std(ddof=1)), _FEW / len(samples)

    def bound(p: float) -> float:
        counted = float(np.quantile(ordered, p))
        if few <= p <= 1 - few:
            return counted
        normal = found + float(ndtri(p)) * error
        return min(counted, normal) if p < 0.5 else max(counted, normal)

    return bound


def _sampled(metric: str, difference: float, samples: Floats, units: float, same: bool) -> Difference | None:
    """Return the bootstrap's answer about a difference; None when no sample could have told the models apart.

    Counting gives no p-value below 1 / (resamples + 1), which no correction for many slices survives. Where the count is
    too small to be one, a normal tail on the bootstrap's own standard error takes over, never above what was counted.
    """
    from scipy.special import ndtr

    if not _vary(samples):
        return _unvarying(metric, difference, units, same)
    total, error = len(samples) + 1, float(samples.std(ddof=1))

    def p_value(margin: float, sign: int) -> float:
        beyond, gap = int((sign * (samples - margin) <= 0).sum()), sign * (difference - margin)
        if beyond >= _FEW:
            return (1 + beyond) / total
        tail = float(ndtr(-gap / error))
        return min(tail, (1 + _FEW) / total) if gap > 0 else tail

    return Difference(
        difference,
        _quantile(difference, samples),
        lambda margin: p_value(margin, 1),
        lambda margin: p_value(margin, -1),
    )
