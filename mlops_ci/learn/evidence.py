"""What a set of rows says about metrics of one model, and about the difference between two: values, bounds, p-values.

auc by DeLong; accuracy by Wilson's interval, McNemar's mid-p, Tango's score test; all others by the paired bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlops_ci.learn import bootstrap, delong, mcnemar
from mlops_ci.learn.metrics import METRICS, Weighted, value
from mlops_ci.learn.predictions import Floats, Predictions, Truth, need
from mlops_ci.spec.metrics import METRICS as NAMES

Bound = Callable[[float], float]  # probability -> that quantile of what the true value may be


@dataclass(frozen=True)
class Estimate:
    """A metric of one model. `bound(p)` lies above the true value with confidence 1-p at small p; None: no interval."""

    value: float
    bound: Bound | None = None


@dataclass(frozen=True)
class Difference:
    """Candidate minus champion, turned so that positive is better; `error` is its standard error.

    `above(m)` is the p-value that the truth exceeds m (null: at most m), `below(m)` that it falls short of m.
    """

    value: float
    error: float
    bound: Bound
    above: Callable[[float], float]
    below: Callable[[float], float]


@dataclass(frozen=True)
class Evidence:
    """All of it for one set of rows, without metrics that have no value there. `smallest_class`: its rows, if binary."""

    rows: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    smallest_class: int | None = None


def gather(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    *,
    seed: int,
    intervals: bool = True,
) -> Evidence:
    """Return what n rows say about the named metrics; without `intervals` values only, which is fast."""
    sides = [candidate] if champion is None else [candidate, champion]
    values = {metric: [value(metric, truth, side) for side in sides] for metric in metrics}
    known = [metric for metric in metrics if all(one is not None for one in values[metric])]
    found: dict[str, tuple[list[Estimate], Difference | None]] = {}
    if intervals:
        for metric in known:
            if method := _METHODS.get(metric):
                found[metric] = method(truth, sides)
        found |= _bootstrapped([metric for metric in known if metric not in _METHODS], truth, sides, seed)
    estimates = [
        {
            metric: found[metric][0][at] if metric in found else Estimate(one)
            for metric in metrics
            if (one := values[metric][at]) is not None
        }
        for at in range(len(sides))
    ]
    differences = {metric: difference for metric, (_, difference) in found.items() if difference is not None}
    return Evidence(
        len(truth), estimates[0], estimates[1] if champion is not None else {}, differences, _smallest(truth)
    )


def _smallest(truth: Truth) -> int | None:
    if truth.labels is None or len(truth.classes) != 2:
        return None
    positive = int((truth.labels == 1).sum())
    return min(positive, len(truth) - positive)


def _auc(truth: Truth, sides: Sequence[Predictions]) -> tuple[list[Estimate], Difference | None]:
    positive = truth.labels == 1
    scores = np.stack([side.scores for side in sides if side.scores is not None])
    areas = delong.areas(positive, scores)
    if areas is None:
        return [Estimate(value("auc", truth, side) or 0.0) for side in sides], None
    cov = areas.covariance
    fewest = min(areas.positives, areas.negatives)
    estimates = [
        Estimate(float(area), _auc_bound(float(area), _root(cov[at, at]), fewest))
        for at, area in enumerate(areas.values)
    ]
    if len(sides) == 1:
        return estimates, None
    return estimates, _normal(float(areas.values[0] - areas.values[1]), _root(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]))


def _root(variance: float) -> float:
    return math.sqrt(variance) if variance > 1e-18 else 0.0  # what is left of equal rankings is rounding


def _auc_bound(area: float, error: float, fewest: int) -> Bound:
    from scipy.special import ndtri

    def bound(p: float) -> float:
        if error == 0 and area in (0.0, 1.0):
            # nothing varies when every pair is ordered: what `fewest` independent pairs would prove (Clopper-Pearson)
            tail = min(p, 1 - p) ** (1 / fewest)
            return area if (p > 0.5) == (area == 1.0) else tail if area == 1.0 else 1 - tail
        return min(max(area + float(ndtri(p)) * error, 0.0), 1.0)

    return bound


def _normal(difference: float, error: float) -> Difference:
    from scipy.special import ndtr, ndtri

    def z(margin: float) -> float:
        gap = difference - margin
        return gap / error if error else 0.0 if gap == 0 else math.copysign(math.inf, gap)

    return Difference(
        difference,
        error,
        lambda p: difference + float(ndtri(p)) * error if error else difference,
        lambda margin: float(ndtr(-z(margin))),
        lambda margin: float(ndtr(z(margin))),
    )


def _accuracy(truth: Truth, sides: Sequence[Predictions]) -> tuple[list[Estimate], Difference | None]:
    from scipy.special import ndtr, ndtri

    right = [np.asarray(truth.labels == side.labels, dtype=bool) for side in sides]
    estimates = [Estimate(float(np.mean(one)), _wilson(float(np.mean(one)), len(truth))) for one in right]
    if len(sides) == 1:
        return estimates, None
    n = len(truth)
    better, worse = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    difference = (better - worse) / n

    def p_value(margin: float, sign: int) -> float:
        if margin == 0:
            return mcnemar.mid_p(better, worse, "greater" if sign > 0 else "less")
        return float(ndtr(-sign * mcnemar.score_statistic(better, worse, n, margin)))

    return estimates, Difference(
        difference,
        math.sqrt(max((better + worse) / n - difference**2, 0.0) / n),
        lambda p: mcnemar.bounds(better, worse, n, -float(ndtri(p)))[0],
        lambda margin: p_value(margin, 1),
        lambda margin: p_value(margin, -1),
    )


def _wilson(share: float, n: int) -> Bound:
    """E. B. Wilson, JASA 22 (1927) 209-212."""
    from scipy.special import ndtri

    def bound(p: float) -> float:
        z = float(ndtri(p))
        centre = share + z * z / (2 * n)
        return (centre + z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)

    return bound


_METHODS: Mapping[str, Callable[[Truth, Sequence[Predictions]], tuple[list[Estimate], Difference | None]]] = {
    "auc": _auc,
    "accuracy": _accuracy,
}


def _bootstrapped(
    metrics: Sequence[str], truth: Truth, sides: Sequence[Predictions], seed: int
) -> dict[str, tuple[list[Estimate], Difference | None]]:
    if not metrics:
        return {}
    functions: list[Weighted] = [need(METRICS[metric].make(truth, side)) for metric in metrics for side in sides]
    drawn = bootstrap.resample(functions, len(truth), seed).reshape(len(metrics), len(sides), -1)
    ones = np.ones((1, len(truth)))
    found: dict[str, tuple[list[Estimate], Difference | None]] = {}
    for at, metric in enumerate(metrics):
        values = [float(function(ones)[0]) for function in functions[at * len(sides) : (at + 1) * len(sides)]]
        usable = drawn[at][:, np.isfinite(drawn[at]).all(axis=0)]
        if usable.shape[1] < bootstrap.RESAMPLES / 2:  # one class is so rare that most samples lack it
            found[metric] = ([Estimate(one) for one in values], None)
            continue
        estimates = [Estimate(one, _quantile(row)) for one, row in zip(values, usable, strict=True)]
        sign = 1 if NAMES[metric].higher_is_better else -1
        difference = (
            _sampled(sign * (values[0] - values[1]), sign * (usable[0] - usable[1])) if len(sides) == 2 else None
        )
        found[metric] = (estimates, difference)
    return found


def _quantile(samples: Floats) -> Bound:
    ordered = np.sort(samples)
    return lambda p: float(np.quantile(ordered, p))


def _sampled(difference: float, samples: Floats) -> Difference:
    n = len(samples)
    return Difference(
        difference,
        float(samples.std(ddof=1)),
        _quantile(samples),
        lambda margin: (1 + int((samples <= margin).sum())) / (n + 1),
        lambda margin: (1 + int((samples >= margin).sum())) / (n + 1),
    )
