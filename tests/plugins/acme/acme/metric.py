"""The share of rows that are predicted wrong."""

from __future__ import annotations

import numpy as np

from mlops_ci.evaluation.stats.metric_table import Metric
from mlops_ci.spec.metrics import MetricDefinition
from mlops_ci.training.predictions import Floats, Predictions, Truth


def _is_wrong(truth: Truth, predictions: Predictions) -> Floats | None:
    return np.asarray(truth.labels != predictions.labels, dtype=np.float64)


ERROR_RATE = Metric(
    "error-rate",
    MetricDefinition(("binary-classification",), False, "Share of rows that are predicted wrong.", 0.0),
    rows=_is_wrong,
)
