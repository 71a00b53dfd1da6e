"""What a set of rows says about metrics of one model, and about the difference between two: values, bounds, p-values.

auc by DeLong; accuracy and other shares of right rows by Wilson's interval, McNemar's mid-p, Tango's score test; what has a
derivative by the infinitesimal jackknife and Student's t; what has none (calibration-error) by the paired bootstrap;
precision and balanced accuracy of one model by Wilson's interval. Where nothing varies, by how likely that would be
(`intervals.ConstantSample`). Where rows have weights or come in groups, all of it by the jackknife, over groups.
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
from mlops_ci.spec.metrics import METRIC_DEFINITIONS, MetricRange, find_metric
from mlops_ci.training.predictions import Floats, MetricOptions, Predictions, Truth, require_part

_MIN_TAIL_SAMPLES = 10  # samples beyond a margin: below that, counting them says little about how far beyond it lies


@dataclass(frozen=True)
class MetricEvidence:
    """All of it for one set of rows, without metrics that have no value there.

    `smallest_class` counts the rows of the rarest class, among those of the candidate and those that are there. `units`
    is what the rows are worth where they have weights or depend on each other (as many independent ones), else None;
    the rarest class is counted in the same way.
    """

    rows: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    rarest_class_rows: int | None = None
    effective_sample_size: int | None = None

    @property
    def independent_rows(self) -> int:
        """How many independent rows these are worth."""
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
    """Return what n rows say about the named metrics; without `intervals` values only, which is fast.

    The first `own` of the truth's classes (all, when None) are the candidate's; only the champion knows the others.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large to be squared: the metric has no value then
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
    )


def whole_rows(units: float) -> int:
    """Return how many whole rows so many are: 49.999999 are 50."""
    return int(units + 1e-6)


def higher_is_better(metric: str, terms: MetricOptions) -> bool | None:
    """Tell which way a metric is better, a user's own one too; None when neither is."""
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
    """Return what is left of a difference when one more row had the worst cost, or the best, that there is.

    A loss that is rare may not have been seen, however often the gains were: no correction for skewness knows of it.
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
    """Return what a mean says that one more row joins, whose value is given; rows move it by `moves`."""
    share = 1 / (units + 1)
    joined = mean + (value - mean) * share
    rows = np.append(moves + (mean - joined) * share, (value - joined) * share)
    return student_t_difference(joined, measure_spread(rows, units + 1, [rows], even=True))


def _cost_difference_range(truth: Truth) -> tuple[float, float]:
    """Return the least and the largest that the candidate's cost of one row can be below the champion's."""
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
    """Return where a metric's values lie; those of a user's own may lie anywhere."""
    if metric in truth.metric_options.higher_is_better and metric not in METRICS:
        return "unbounded"
    definition = find_metric(metric)
    return definition.range if definition else "unbounded"


def _bound_between_0_and_1(value: float, moved: Spread) -> Bound | None:
    """Return the bound of a value within 0 and 1, from its spread, or, where nothing varies, from the rows alone."""
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
        if usable.shape[1] < bootstrap.RESAMPLES / 2:  # one class is so rare that most samples lack it
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
    """Return how many independent rows a metric is a mean of: where it is of classes, those of the rarest."""
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
    """Tell whether two models give the same numbers; labels are so few that models may agree on them by chance."""
    pairs = [(getattr(sides[0], part), getattr(sides[1], part)) for part in ("values", "probabilities", "scores")]
    given = [(one, other) for one, other in pairs if one is not None and other is not None]
    return bool(given) and all(np.array_equal(one, other) for one, other in given)


def _has_variation(samples: Floats) -> bool:
    return bool(np.ptp(samples) > 1e-12 * np.abs(samples).max())  # less is rounding


def _bootstrap_bound(found: float, samples: Floats, units: float) -> Bound | None:
    if not _has_variation(samples):
        return ConstantSample(found, units, 0.0, 1.0).bound if units else None
    bound = _percentile_bound(found, samples)
    return lambda p: min(max(bound(p), 0.0), 1.0)


def _percentile_bound(found: float, samples: Floats) -> Bound:
    """Return the percentile bound; beyond the last few samples, the normal one where that is wider."""
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
    """Return the bootstrap's answer about a difference; None when no sample could have told the models apart.

    Counting gives no p-value below 1 / (resamples + 1), which no correction for many slices survives. Where the count is
    too small to be one, a normal tail on the bootstrap's own standard error takes over, never above what was counted.
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
