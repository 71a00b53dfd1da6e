"""The table of metrics that are computed from rows; metrics of plugin packages are loaded through the same functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlops_ci.core.plugins import load, translate_plugin_errors
from mlops_ci.evaluation.stats import exact_methods, influence, metrics
from mlops_ci.evaluation.stats.exact_methods import ExactMethod, ShareBound
from mlops_ci.evaluation.stats.influence import InfluenceFunction
from mlops_ci.evaluation.stats.metrics import MetricFactory, RowMetric
from mlops_ci.spec.metrics import METRIC_DEFINITIONS, MetricDefinition
from mlops_ci.training.predictions import Floats, Predictions, Truth, require_part


@dataclass(frozen=True)
class Metric:
    """A metric: its name, definition, computation and uncertainty.

    A metric that is the mean of a value per row has `rows`, and needs no other function. Any other metric has `weighted`,
    and `influence`, its derivative by each row's weight; without `influence`, its uncertainty comes from the bootstrap.
    `exact`, if given, replaces both for equal, independent rows. `bound` gives the bound of one model's value.
    """

    name: str
    definition: MetricDefinition
    rows: RowMetric | None = None
    weighted: MetricFactory | None = None
    influence: InfluenceFunction | None = None
    exact: ExactMethod | None = None
    bound: ShareBound | None = None

    def factory(self) -> MetricFactory:
        """Return the factory of the function that computes the metric for many weight vectors at once."""
        return self.weighted or metrics.mean_metric(require_part(self.rows))


def _row(
    name: str,
    weighted: MetricFactory | None = None,
    influence: InfluenceFunction | None = None,
    *,
    rows: RowMetric | None = None,
    exact: ExactMethod | None = None,
    bound: ShareBound | None = None,
) -> Metric:
    return Metric(name, METRIC_DEFINITIONS[name], rows, weighted, influence, exact, bound)


_ROWS = (
    _row("auc", metrics.auc_of, influence.auc_influence, exact=exact_methods.estimate_auc),
    _row("average-precision", metrics.average_precision_of, influence.average_precision_influence),
    _row("accuracy", rows=metrics.accuracy_of, exact=exact_methods.estimate_accuracy),
    _row(
        "balanced-accuracy",
        metrics.balanced_accuracy_of,
        influence.balanced_accuracy_influence,
        bound=exact_methods.balanced_accuracy_bound,
    ),
    _row("f1", metrics.f1_of, influence.f1_influence),
    _row("precision", metrics.precision_of, influence.precision_influence, bound=exact_methods.precision_bound),
    _row("recall", metrics.recall_of, influence.recall_influence, exact=exact_methods.estimate_recall),
    _row("log-loss", rows=metrics.log_loss_of),
    _row("brier", rows=metrics.brier_of),
    _row("calibration-error", metrics.calibration_error_of),  # bootstrap: there is no derivative where a gap is 0
    _row("f1-macro", metrics.f1_macro_of, influence.f1_macro_influence),
    _row("auc-ovr", metrics.auc_ovr_of, influence.auc_ovr_influence),
    _row("mae", rows=metrics.mae_of),
    _row("rmse", metrics.rmse_of, influence.rmse_influence),
    _row("r2", metrics.r2_of, influence.r2_influence),
    _row("mape", rows=metrics.mape_of),
    _row("cost", rows=metrics.cost_of),
    _row(
        "top-k-accuracy",
        rows=metrics.top_k_accuracy_of,
        exact=exact_methods.share_method(metrics.top_k_accuracy_of),
    ),
    _row("pinball-loss", rows=metrics.pinball_loss_of),
    _row(
        "quantile-coverage",
        rows=metrics.quantile_coverage_of,
        exact=exact_methods.share_method(metrics.quantile_coverage_of),
    ),
)
METRICS: Mapping[str, Metric] = {row.name: row for row in _ROWS}


def find_row_metric(metric: str, predictions: Predictions) -> Metric | None:
    """Return a metric's entry, built-in or of a plugin; None for a custom metric, whose values are in the predictions.

    Raises what `core.plugins.load` raises for an unknown metric.
    """
    if metric in METRICS:
        return METRICS[metric]
    if metric in predictions.own:
        return None
    return load(METRICS, "mlops_ci.metrics", metric)


def compute_metric(metric: str, truth: Truth, predictions: Predictions) -> float | None:
    """Return the value of a metric on these rows; None when it has no value on them."""
    weighted = metric_factory(metric, predictions)(truth, predictions)
    if weighted is None or not len(truth):
        return None
    found = float(weighted(truth.weights_or_ones[None, :])[0])
    return found if np.isfinite(found) else None


def metric_factory(metric: str, predictions: Predictions) -> MetricFactory:
    """Return the factory of a built-in, plugin or custom metric; raises what `find_row_metric` raises."""
    row = find_row_metric(metric, predictions)
    if row is None:
        losses = predictions.own[metric]
        return lambda _truth, _predictions: metrics.weighted_mean(losses)
    return row.factory() if metric in METRICS else _guard_plugin_metric(row)


def _guard_plugin_metric(row: Metric) -> MetricFactory:
    """Return the factory of a plugin's metric; its errors name the plugin's package."""
    make = row.factory()

    def guarded(truth: Truth, predictions: Predictions) -> metrics.WeightedMetric | None:
        with translate_plugin_errors("mlops_ci.metrics", row.name):
            return make(truth, predictions)

    return guarded


def row_influences(metric: str, truth: Truth, predictions: Predictions) -> Floats:
    """Return the influence of each of n rows on a metric, [n]; raises ValueError for a metric without a derivative."""
    row = find_row_metric(metric, predictions)
    if row is None:
        return influence.mean_influence(predictions.own[metric], truth)
    if row.rows is not None:
        return influence.mean_influence(require_part(row.rows(truth, predictions)), truth)
    if row.influence is None:
        raise ValueError(f"{metric} has no derivative with respect to the weights of the rows")
    return row.influence(truth, predictions)


def is_differentiable(metric: str, predictions: Predictions) -> bool:
    """Tell whether `row_influences` supports the metric."""
    row = find_row_metric(metric, predictions)
    return row is None or row.rows is not None or row.influence is not None
