"""Measures metrics of one model, and differences between two models, on a set of rows: values, bounds and p-values.

The method depends on the metric:

- auc: DeLong
- accuracy, recall and other shares of correct rows: Wilson's interval, McNemar's mid-p test, Tango's score test
- metrics with a derivative: the infinitesimal jackknife and Student's t
- metrics without a derivative (calibration-error): the paired bootstrap
- precision and balanced accuracy of one model: Wilson's interval
- any metric that is constant over the rows: `intervals.ConstantSample`

With weighted rows, or rows in groups, every metric with a derivative uses the jackknife, summed over groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlops_ci.evaluation.stats import bootstrap, rmse_difference
from mlops_ci.evaluation.stats.exact_methods import PairedEstimates
from mlops_ci.evaluation.stats.influence import sum_by_group
from mlops_ci.evaluation.stats.intervals import (
    MIN_INDEPENDENT_ROWS,
    Bound,
    ConstantSample,
    Difference,
    Estimate,
    Spread,
    log_bound,
    logit_bound,
    measure_spread,
    student_t_difference,
)
from mlops_ci.evaluation.stats.metric_table import (
    METRICS,
    compute_metric,
    find_row_metric,
    is_differentiable,
    metric_factory,
    row_influences,
)
from mlops_ci.evaluation.stats.metrics import WeightedMetric
from mlops_ci.spec.metrics import METRIC_DEFINITIONS, MetricRange, PredictionPart, find_metric
from mlops_ci.training.predictions import Floats, MetricOptions, Predictions, Truth, require_part

_PARTS: tuple[PredictionPart, ...] = ("probabilities", "scores")
_MIN_TAIL_SAMPLES = 10  # with fewer bootstrap samples beyond a margin, their count is too imprecise as a p-value


@dataclass(frozen=True)
class MetricEvidence:
    """The evidence of one set of rows, without metrics that have no value on them.

    `candidate` and `champion` are estimates by metric. `rarest_class_rows` counts the rows of the rarest class, among the
    candidate's classes and the known classes that occur. `effective_sample_size` is the number of equal, independent rows with
    the same information; None when the rows themselves are equal and independent. With weights or groups,
    `rarest_class_rows` is an effective sample size too. `lacking` are the parts of predictions that the candidate does not give.
    """

    rows: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    rarest_class_rows: int | None = None
    effective_sample_size: int | None = None
    lacking: frozenset[PredictionPart] = frozenset()

    @property
    def independent_rows(self) -> int:
        """The effective sample size; the number of rows when they are equal and independent."""
        return self.rows if self.effective_sample_size is None else self.effective_sample_size


def measure_evidence(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    *,
    seed: int,
    intervals: bool = True,
    candidate_classes: int | None = None,
) -> MetricEvidence:
    """Return the evidence of n rows about the named metrics; without `intervals`, values only, which is fast.

    The first `candidate_classes` of the truth's classes (None: all) are the candidate's; only the champion has the others.
    `seed` is the bootstrap's seed.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # when a square overflows, the metric has no value
        return _measure_evidence(
            metrics, truth, candidate, champion, seed=seed, intervals=intervals, candidate_classes=candidate_classes
        )


def _measure_evidence(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    *,
    seed: int,
    intervals: bool,
    candidate_classes: int | None,
) -> MetricEvidence:
    sides = [candidate] if champion is None else [candidate, champion]
    values = {metric: [compute_metric(metric, truth, side) for side in sides] for metric in metrics}
    known = [metric for metric in metrics if all(one is not None for one in values[metric])]
    found: dict[str, PairedEstimates] = {}
    if intervals:
        for metric in known:
            row = find_row_metric(metric, candidate)
            if truth.has_equal_independent_rows and row is not None and row.exact is not None:
                found[metric] = row.exact(truth, sides)
            elif is_differentiable(metric, candidate):
                found[metric] = _estimate_by_influence(
                    metric, truth, sides, [float(one or 0.0) for one in values[metric]]
                )
        found |= _estimate_by_bootstrap([metric for metric in known if metric not in found], truth, sides, seed)
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
        if difference is not None and higher_is_better(metric, truth.metric_options) is not None
    }
    units = None if truth.has_equal_independent_rows else whole_rows(truth.effective_sample_size())
    return MetricEvidence(
        len(truth),
        estimates[0],
        estimates[1] if champion is not None else {},
        differences,
        _rarest_class_rows(truth, candidate_classes),
        units,
        frozenset(part for part in _PARTS if getattr(candidate, part) is None),
    )


def whole_rows(units: float) -> int:
    """Return an effective sample size rounded down to whole rows; a rounding error such as 49.999999 becomes 50."""
    return int(units + 1e-6)


def higher_is_better(metric: str, terms: MetricOptions) -> bool | None:
    """Return whether higher values of a built-in or custom metric are better; None when neither direction is."""
    if metric in terms.higher_is_better and metric not in METRIC_DEFINITIONS:
        return terms.higher_is_better[metric]
    definition = find_metric(metric)
    return definition.higher_is_better if definition else None


def _sign(metric: str, truth: Truth) -> int:
    return 1 if higher_is_better(metric, truth.metric_options) else -1


def _rarest_class_rows(truth: Truth, candidate_classes: int | None = None) -> int | None:
    if truth.labels is None:
        return None
    if truth.has_equal_independent_rows:
        counts = np.bincount(truth.labels[truth.labels >= 0], minlength=len(truth.classes)).tolist()
    else:
        counts = [whole_rows(truth.effective_sample_size(truth.labels == index)) for index in range(len(truth.classes))]
    counts = counts[: truth.known_classes]  # of another class every metric is known: no model ever predicts it
    candidate_classes = len(counts) if candidate_classes is None else candidate_classes
    return min((int(count) for at, count in enumerate(counts) if count or at < candidate_classes), default=0)


def _estimate_by_influence(
    metric: str, truth: Truth, sides: Sequence[Predictions], values: Sequence[float]
) -> PairedEstimates:
    row = find_row_metric(metric, sides[0])
    bound = row.bound if row is not None else None
    influences = [sum_by_group(row_influences(metric, truth, side), truth) for side in sides]
    counts = [_independent_rows(metric, truth, side) for side in sides]
    estimates = [
        Estimate(
            one,
            bound(truth, side)
            if bound is not None and truth.has_equal_independent_rows
            else _influence_bound(metric, truth, one, moves, count),
        )
        for one, moves, count, side in zip(values, influences, counts, sides, strict=True)
    ]
    if len(sides) == 1:
        return estimates, None
    sign, count = _sign(metric, truth), min(counts)
    seen = sign * (values[0] - values[1])
    if metric == "rmse":
        return estimates, rmse_difference.rmse_difference(truth, sides, values, count)
    moved = measure_spread(
        sign * (influences[0] - influences[1]), count, influences, even=truth.has_equal_independent_rows
    )
    if moved.standard_error == 0:
        return estimates, _constant_difference(_range_of(metric, truth), seen, count, _has_equal_predictions(sides))
    known = math.isfinite(moved.standard_error) and require_part(moved.effective_sample_size) >= MIN_INDEPENDENT_ROWS
    difference = student_t_difference(seen, moved) if known else None
    if difference is not None and metric == "cost":
        return estimates, _worst_case_difference(
            difference, _cost_difference_range(truth), sign * (influences[0] - influences[1]), count
        )
    return estimates, difference


def _worst_case_difference(seen: Difference, ends: tuple[float, float], moves: Floats, units: float) -> Difference:
    """Return a difference with the wider of its own limits and those with one more row of the worst, or best, cost.

    A rare large loss may not occur in the sample at all, and then no correction for skewness accounts for it.
    """
    sides = [_difference_with_one_more_row(seen.value, end, moves, units) for end in ends]
    worst, best = sides
    return Difference(
        seen.value,
        lambda p: min(seen.bound(p), worst.bound(p)) if p < 0.5 else max(seen.bound(p), best.bound(p)),
        lambda margin: max(seen.p_value_above(margin), worst.p_value_above(margin)),
        lambda margin: max(seen.p_value_below(margin), best.p_value_below(margin)),
    )


def _difference_with_one_more_row(mean: float, value: float, moves: Floats, units: float) -> Difference:
    """Return the Student's t difference of a mean with one more row of the given `value`; `moves` are row influences."""
    share = 1 / (units + 1)
    joined = mean + (value - mean) * share
    rows = np.append(moves + (mean - joined) * share, (value - joined) * share)
    return student_t_difference(joined, measure_spread(rows, units + 1, [rows], even=True))


def _cost_difference_range(truth: Truth) -> tuple[float, float]:
    """Return the smallest and the largest possible gain in cost of the candidate over the champion on one row."""
    costs = require_part(truth.metric_options.costs)
    apart = float((costs.max(axis=1) - costs.min(axis=1)).max())
    return -apart, apart


def _influence_bound(metric: str, truth: Truth, value: float, moves: Floats, units: float) -> Bound | None:
    moved = measure_spread(moves, units, [moves], even=truth.has_equal_independent_rows)
    if not math.isfinite(moved.standard_error):
        return None
    if _range_of(metric, truth) == "share":
        return _bound_between_0_and_1(value, moved)
    if not moved.standard_error or require_part(moved.effective_sample_size) < MIN_INDEPENDENT_ROWS:
        return None
    if _range_of(metric, truth) == "positive":
        return log_bound(value, moved)
    alone = student_t_difference(value, moved)
    if metric != "cost":
        return alone.bound
    costs = require_part(truth.metric_options.costs)
    return _worst_case_difference(alone, (float(costs.min()), float(costs.max())), moves, units).bound


def _range_of(metric: str, truth: Truth) -> MetricRange:
    """Return the range of a metric's values; a custom metric is unbounded."""
    if metric in truth.metric_options.higher_is_better and metric not in METRICS:
        return "unbounded"
    definition = find_metric(metric)
    return definition.range if definition else "unbounded"


def _bound_between_0_and_1(value: float, moved: Spread) -> Bound | None:
    """Return the bound of a value in [0, 1], from its spread; when nothing varies, from the number of rows alone."""
    if not moved.standard_error or not 0 < value < 1:
        return (
            ConstantSample(value, moved.effective_sample_size, 0.0, 1.0).bound if moved.effective_sample_size else None
        )
    return (
        logit_bound(value, moved)
        if moved.effective_sample_size is None or moved.effective_sample_size >= MIN_INDEPENDENT_ROWS
        else None
    )


def _constant_difference(range: MetricRange, difference: float, units: float, same: bool) -> Difference | None:
    if not units:
        return None
    bounded = range == "share" and not same
    return (ConstantSample(difference, units, -1.0, 1.0) if bounded else ConstantSample(difference, units)).difference()


def _estimate_by_bootstrap(
    metrics: Sequence[str], truth: Truth, sides: Sequence[Predictions], seed: int
) -> dict[str, PairedEstimates]:
    if not metrics:
        return {}
    functions: list[WeightedMetric] = [
        require_part(metric_factory(metric, side)(truth, side)) for metric in metrics for side in sides
    ]
    drawn = bootstrap.resample_metrics(functions, truth, seed).reshape(len(metrics), len(sides), -1)
    mass = truth.weights_or_ones[None, :]
    found: dict[str, PairedEstimates] = {}
    for at, metric in enumerate(metrics):
        values = [float(function(mass)[0]) for function in functions[at * len(sides) : (at + 1) * len(sides)]]
        usable = drawn[at][:, np.isfinite(drawn[at]).all(axis=0)]
        if usable.shape[1] < bootstrap.RESAMPLES / 2:  # a class is so rare that most samples lack it
            found[metric] = ([Estimate(one) for one in values], None)
            continue
        counts = [_independent_rows(metric, truth, side) for side in sides]
        estimates = [
            Estimate(one, _bootstrap_bound(one, row, n)) for one, row, n in zip(values, usable, counts, strict=True)
        ]
        sign = _sign(metric, truth)
        difference = None
        if len(sides) == 2:
            seen = sign * (values[0] - values[1])
            difference = _bootstrap_difference(
                _range_of(metric, truth),
                seen,
                sign * (usable[0] - usable[1]),
                min(counts),
                _has_equal_predictions(sides),
            )
        found[metric] = (estimates, difference)
    return found


def _independent_rows(metric: str, truth: Truth, side: Predictions) -> float:
    """Return the effective sample size of a metric; for a class-based metric, that of the rarest class."""
    definition = find_metric(metric) if metric not in side.own else None
    if definition is None or not definition.counts_classes:
        return truth.effective_sample_size()
    fewest = _rarest_class_rows(truth, 0) or 0
    return (
        min(fewest, truth.effective_sample_size(require_part(side.labels) == 1))
        if metric in ("precision", "f1")
        else fewest
    )


def _has_equal_predictions(sides: Sequence[Predictions]) -> bool:
    """Tell whether two models predict identical numbers; equal labels do not count, since they may agree by chance."""
    pairs = [(getattr(sides[0], part), getattr(sides[1], part)) for part in ("values", "probabilities", "scores")]
    given = [(one, other) for one, other in pairs if one is not None and other is not None]
    return bool(given) and all(np.array_equal(one, other) for one, other in given)


def _has_variation(samples: Floats) -> bool:
    return bool(np.ptp(samples) > 1e-12 * np.abs(samples).max())  # anything smaller is a rounding error


def _bootstrap_bound(found: float, samples: Floats, units: float) -> Bound | None:
    if not _has_variation(samples):
        return ConstantSample(found, units, 0.0, 1.0).bound if units else None
    bound = _percentile_bound(found, samples)
    return lambda p: min(max(bound(p), 0.0), 1.0)


def _percentile_bound(found: float, samples: Floats) -> Bound:
    """Return the percentile bound; in the tails with few samples, the normal bound if that is wider."""
    from scipy.special import ndtri

    ordered, error, few = np.sort(samples), float(samples.std(ddof=1)), _MIN_TAIL_SAMPLES / len(samples)

    def bound(p: float) -> float:
        counted = float(np.quantile(ordered, p))
        if few <= p <= 1 - few:
            return counted
        normal = found + float(ndtri(p)) * error
        return min(counted, normal) if p < 0.5 else max(counted, normal)

    return bound


def _bootstrap_difference(
    range: MetricRange, difference: float, samples: Floats, units: float, same: bool
) -> Difference | None:
    """Return a difference with bootstrap limits and p-values; None when nothing varies and `units` is 0.

    A p-value from counts is at least 1 / (resamples + 1), too large for a correction over many slices. When fewer than
    _MIN_TAIL_SAMPLES samples lie beyond the margin, the p-value is the normal tail on the bootstrap's standard error, but
    at most the p-value of that count.
    """
    from scipy.special import ndtr

    if not _has_variation(samples):
        return _constant_difference(range, difference, units, same)
    total, error = len(samples) + 1, float(samples.std(ddof=1))

    def p_value(margin: float, sign: int) -> float:
        beyond, gap = int((sign * (samples - margin) <= 0).sum()), sign * (difference - margin)
        if beyond >= _MIN_TAIL_SAMPLES:
            return (1 + beyond) / total
        tail = float(ndtr(-gap / error))
        return min(tail, (1 + _MIN_TAIL_SAMPLES) / total) if gap > 0 else tail

    return Difference(
        difference,
        _percentile_bound(difference, samples),
        lambda margin: p_value(margin, 1),
        lambda margin: p_value(margin, -1),
    )
