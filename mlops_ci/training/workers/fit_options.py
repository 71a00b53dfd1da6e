"""Reads what a fit needs beside features and target from the training rows."""

from __future__ import annotations

from typing import Any

from mlops_ci.core.errors import Findings
from mlops_ci.spec.train_spec import BALANCED, VALIDATION_COLUMN, FitSpec
from mlops_ci.training.frame import feature_frame
from mlops_ci.training.frameworks.protocol import FitOptions
from mlops_ci.training.workers.protocol import TrainJob


def read_fit_options(job: TrainJob, rows: Any, y: Any) -> FitOptions | None:
    """Return the options of a job's fit for a pandas frame of n training rows and their target [n]; None without options.

    Raises Findings `train-weights-invalid`.
    """
    if job.weights is None and job.fit is None and not job.columns:
        return None
    weights = None
    if job.weights is not None:
        weights = _balanced_weights(y) if job.weights == BALANCED else _require_weights(rows, job.weights)
    wanted = job.fit or FitSpec()
    stopping = wanted.early_stopping
    return FitOptions(
        weights,
        wanted.params,
        None if stopping is None else rows[VALIDATION_COLUMN].to_numpy(dtype=bool),
        stopping.rounds if stopping else 0,
        feature_frame(rows, job.columns) if job.columns else None,
    )


def _balanced_weights(y: Any) -> Any:
    from sklearn.utils.class_weight import compute_sample_weight

    return compute_sample_weight(BALANCED, y)


def _require_weights(rows: Any, name: str) -> Any:
    """Return the weights [n] in a column; raises Findings when they cannot be used."""
    import numpy as np

    weights = rows[name].astype("float64").to_numpy()
    counts = {
        "no value": np.isnan(weights).sum(),
        "a negative value": (weights < 0).sum(),
        "an infinite value": np.isposinf(weights).sum(),
    }
    causes = [f"{what} in {count:,} of {len(weights):,} training rows" for what, count in counts.items() if count]
    if not causes and not weights.any():
        causes = [f"0 in all of the {len(weights):,} training rows"]
    if causes:
        raise Findings.of(
            "train-weights-invalid",
            f"the weights column '{name}' has {', and '.join(causes)}",
            help="Correct the data: each weight is a finite number of at least 0, and at least one is above 0.",
        )
    return weights
