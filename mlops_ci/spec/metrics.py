"""The table of metrics: name, tasks, better direction and description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plugins import Named, load
from mlops_ci.spec.spec_types import Task

_BINARY: tuple[Task, ...] = ("binary-classification",)
_MULTICLASS: tuple[Task, ...] = ("multiclass-classification",)
_CLASSES: tuple[Task, ...] = ("binary-classification", "multiclass-classification")
_REGRESSION: tuple[Task, ...] = ("regression",)
_ALL_TASKS: tuple[Task, ...] = (*_CLASSES, *_REGRESSION)


MetricRange = Literal["share", "positive", "unbounded"]  # share: from 0 to 1; positive: from 0
PredictionPart = Literal["probabilities", "scores"]


@dataclass(frozen=True)
class MetricDefinition:
    """A metric that specs can name. `best_value` is the best possible value, or None when there is no bound."""

    tasks: tuple[Task, ...]
    higher_is_better: bool | None  # None: neither direction is better, so only floors and ceilings make sense
    description: str
    best_value: float | None = None
    is_operational: bool = False  # a cost of the model, not its quality: for ceilings, and ratios to the champion
    compares_groups: bool = False  # compares groups of rows (`by`): for floors and ceilings only
    range: MetricRange = "share"
    counts_classes: bool = False  # an average over classes: its sample size is the size of the rarest class
    needs_class_rows: bool = False  # its interval is too narrow when a class has few rows
    needs: PredictionPart | None = None  # what a classifier must give, other than labels


class _DefinedMetric(Named, Protocol):
    """The part of a plugin metric that specs need. The functions that compute the metric are used elsewhere."""

    @property
    def definition(self) -> MetricDefinition:
        """The metric's definition."""
        ...


def _operational_metric(description: str) -> MetricDefinition:
    return MetricDefinition(_ALL_TASKS, False, description, 0.0, is_operational=True)


METRIC_DEFINITIONS: Mapping[str, MetricDefinition] = {
    "auc": MetricDefinition(
        _BINARY, True, "Area under the ROC curve.", 1.0, counts_classes=True, needs_class_rows=True, needs="scores"
    ),
    "average-precision": MetricDefinition(
        _BINARY,
        True,
        "Area under the precision-recall curve, as a sum of steps.",
        1.0,
        counts_classes=True,
        needs_class_rows=True,
        needs="scores",
    ),
    "accuracy": MetricDefinition(_CLASSES, True, "Share of rows that are predicted correctly.", 1.0),
    "balanced-accuracy": MetricDefinition(
        _CLASSES, True, "Mean recall of the classes.", 1.0, counts_classes=True, needs_class_rows=True
    ),
    "f1": MetricDefinition(
        _BINARY,
        True,
        "Harmonic mean of precision and recall of the positive class.",
        1.0,
        counts_classes=True,
        needs_class_rows=True,
    ),
    "precision": MetricDefinition(
        _BINARY,
        True,
        "Share of rows predicted positive that are positive.",
        1.0,
        counts_classes=True,
        needs_class_rows=True,
    ),
    "recall": MetricDefinition(
        _BINARY,
        True,
        "Share of positive rows that are predicted positive.",
        1.0,
        counts_classes=True,
        needs_class_rows=True,
    ),
    "demographic-parity-difference": MetricDefinition(
        _BINARY,
        False,
        "Largest difference between groups in the share of rows predicted positive.",
        0.0,
        compares_groups=True,
    ),
    "equalized-odds-difference": MetricDefinition(
        _BINARY,
        False,
        "Largest difference between groups in the true- or false-positive rate.",
        0.0,
        compares_groups=True,
    ),
    "f1-macro": MetricDefinition(
        _MULTICLASS, True, "Mean F1 of the classes.", 1.0, counts_classes=True, needs_class_rows=True
    ),
    "auc-ovr": MetricDefinition(
        _MULTICLASS,
        True,
        "Mean area under the ROC curve of each class against the rest.",
        1.0,
        counts_classes=True,
        needs_class_rows=True,
        needs="probabilities",
    ),
    "top-k-accuracy": MetricDefinition(
        _MULTICLASS,
        True,
        "Share of rows whose true class is among the `topK` most probable classes.",
        1.0,
        needs="probabilities",
    ),
    "log-loss": MetricDefinition(
        _CLASSES,
        False,
        "Mean negative log-likelihood of the true class, in nats.",
        0.0,
        range="positive",
        needs_class_rows=True,
        needs="probabilities",
    ),
    "brier": MetricDefinition(
        _BINARY,
        False,
        "Mean squared error of the predicted probability.",
        0.0,
        needs_class_rows=True,
        needs="probabilities",
    ),
    "calibration-error": MetricDefinition(
        _BINARY,
        False,
        "Mean difference between predicted probability and observed frequency, in 15 bins of equal width.",
        0.0,
        needs="probabilities",
    ),
    "cost": MetricDefinition(
        _CLASSES, False, "Mean cost of a prediction, from the spec's `costs`.", range="unbounded", needs_class_rows=True
    ),
    "mae": MetricDefinition(_REGRESSION, False, "Mean absolute error, in the target's unit.", 0.0, range="positive"),
    "rmse": MetricDefinition(
        _REGRESSION, False, "Square root of the mean squared error, in the target's unit.", 0.0, range="positive"
    ),
    "r2": MetricDefinition(
        _REGRESSION, True, "Share of the target's variance that the model explains.", 1.0, range="unbounded"
    ),
    "mape": MetricDefinition(
        _REGRESSION, False, "Mean absolute error as a share of the true value.", 0.0, range="positive"
    ),
    "pinball-loss": MetricDefinition(
        _REGRESSION, False, "Mean pinball loss at the spec's `quantile`.", 0.0, range="positive"
    ),
    "quantile-coverage": MetricDefinition(
        _REGRESSION,
        None,
        "Share of rows whose true value is at most the predicted value; ideally the spec's `quantile`.",
        1.0,
    ),
    "latency-p50-ms": _operational_metric("Median time of predicting one row, in milliseconds."),
    "latency-p95-ms": _operational_metric("95th percentile of the time of predicting one row, in milliseconds."),
    "batch-latency-p50-ms": _operational_metric(
        "Median time of predicting up to 1,000 holdout rows at once, in milliseconds."
    ),
    "batch-latency-p95-ms": _operational_metric(
        "95th percentile of the time of predicting up to 1,000 holdout rows at once, in ms."
    ),
    "peak-memory-mb": _operational_metric(
        "Peak memory that Python and numpy allocate while predicting up to 1,000 holdout rows at once, in megabytes of"
        " 10^6 bytes; the model itself and the memory of other compiled libraries are not counted."
    ),
    "model-size-mb": _operational_metric("Size of the packaged model, in megabytes of 10^6 bytes."),
    "training-seconds": _operational_metric("Time of fitting, in seconds."),
    "training-cost": _operational_metric("Cost of fitting: its hours multiplied by `evaluate.costPerHour`."),
}


def find_metric(name: str) -> MetricDefinition | None:
    """Return the definition of a built-in metric, or of an installed package's metric; None for an unknown name.

    Raises EnvironmentProblem, as `core.plugins.load` does, for a package's metric that cannot be used.
    """
    if name in METRIC_DEFINITIONS:
        return METRIC_DEFINITIONS[name]
    table: Mapping[str, _DefinedMetric] = {}
    try:
        return load(table, "mlops_ci.metrics", name).definition
    except UsageProblem:  # no package offers it
        return None


def metric_names(
    task: Task, *, include_operational: bool = True, include_group_metrics: bool = True
) -> tuple[str, ...]:
    """Return the names of a task's built-in metrics, operational metrics last."""
    return tuple(
        name
        for name, definition in METRIC_DEFINITIONS.items()
        if task in definition.tasks
        and (include_operational or not definition.is_operational)
        and (include_group_metrics or not definition.compares_groups)
    )
