"""The table of metric names: which tasks they belong to, which way is up, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.spec.spec_types import Task

_BINARY: tuple[Task, ...] = ("binary-classification",)
_MULTICLASS: tuple[Task, ...] = ("multiclass-classification",)
_CLASSES: tuple[Task, ...] = ("binary-classification", "multiclass-classification")
_REGRESSION: tuple[Task, ...] = ("regression",)
_EVERY: tuple[Task, ...] = (*_CLASSES, *_REGRESSION)


@dataclass(frozen=True)
class MetricName:
    """A metric as specs name it; `best` is the value that no model exceeds, None where there is no such value."""

    tasks: tuple[Task, ...]
    higher_is_better: bool | None  # None: neither, so that only floors and ceilings make sense
    description: str
    best: float | None = None
    operational: bool = False  # what a model costs, not what it answers: for ceilings, and ratios to the champion
    between: bool = False  # groups of rows (`by`): for floors and ceilings only


def _cost(description: str) -> MetricName:
    return MetricName(_EVERY, False, description, 0.0, operational=True)


METRICS: Mapping[str, MetricName] = {
    "auc": MetricName(_BINARY, True, "Area under the ROC curve.", 1.0),
    "average-precision": MetricName(_BINARY, True, "Area under the precision-recall curve, by steps.", 1.0),
    "accuracy": MetricName(_CLASSES, True, "Share of rows that are predicted right.", 1.0),
    "balanced-accuracy": MetricName(_CLASSES, True, "Mean recall of the classes.", 1.0),
    "f1": MetricName(_BINARY, True, "Harmonic mean of precision and recall of the positive class.", 1.0),
    "precision": MetricName(_BINARY, True, "Share of rows predicted positive that are.", 1.0),
    "recall": MetricName(_BINARY, True, "Share of positive rows that are predicted so.", 1.0),
    "demographic-parity-difference": MetricName(
        _BINARY, False, "Largest difference of the groups' shares of rows predicted positive.", 0.0, between=True
    ),
    "equalized-odds-difference": MetricName(
        _BINARY, False, "Largest difference of the groups' true- or false-positive rates.", 0.0, between=True
    ),
    "f1-macro": MetricName(_MULTICLASS, True, "Mean F1 of the classes.", 1.0),
    "auc-ovr": MetricName(_MULTICLASS, True, "Mean area under the ROC curve of each class against the rest.", 1.0),
    "top-k-accuracy": MetricName(
        _MULTICLASS, True, "Share of rows whose class is among the `topK` likeliest ones.", 1.0
    ),
    "log-loss": MetricName(_CLASSES, False, "Mean negative log-likelihood of the true class, in nats.", 0.0),
    "brier": MetricName(_BINARY, False, "Mean squared error of the predicted probability.", 0.0),
    "calibration-error": MetricName(
        _BINARY, False, "Mean gap between probability and frequency, over 15 bins of equal width.", 0.0
    ),
    "cost": MetricName(_CLASSES, False, "Mean cost of a prediction, by the spec's `costs`."),
    "mae": MetricName(_REGRESSION, False, "Mean absolute error, in the target's unit.", 0.0),
    "rmse": MetricName(_REGRESSION, False, "Root of the mean squared error, in the target's unit.", 0.0),
    "r2": MetricName(_REGRESSION, True, "Share of the target's variance that is explained.", 1.0),
    "mape": MetricName(_REGRESSION, False, "Mean absolute error as a share of the true value.", 0.0),
    "pinball-loss": MetricName(_REGRESSION, False, "Mean loss of a prediction of the spec's `quantile`.", 0.0),
    "quantile-coverage": MetricName(
        _REGRESSION, None, "Share of rows whose true value is at most the predicted one; ideally `quantile`.", 1.0
    ),
    "latency-p50-ms": _cost("Median time of predicting one row, in milliseconds."),
    "latency-p95-ms": _cost("95th percentile of the time of predicting one row, in milliseconds."),
    "batch-latency-p50-ms": _cost("Median time of predicting up to 1,000 holdout rows at once, in milliseconds."),
    "batch-latency-p95-ms": _cost("95th percentile of the time of predicting up to 1,000 holdout rows at once, in ms."),
    "peak-memory-mb": _cost(
        "Most memory that Python and numpy hold for predicting up to 1,000 holdout rows at once, in megabytes of 10^6"
        " bytes: without the model itself, and without what compiled libraries take by themselves."
    ),
    "model-size-mb": _cost("Size of the packaged model, in megabytes of 10^6 bytes."),
    "training-seconds": _cost("Time that fitting took, in seconds."),
    "training-cost": _cost("Hours that fitting took, times `evaluate.costPerHour`."),
}


def names_for(task: Task, *, operational: bool = True, between: bool = True) -> tuple[str, ...]:
    """Return the metrics of a task, those of operation last; these, and those between groups, may be left out."""
    return tuple(
        name
        for name, is_ in METRICS.items()
        if task in is_.tasks and (operational or not is_.operational) and (between or not is_.between)
    )
