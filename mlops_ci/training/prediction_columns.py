"""Predictions as named columns: workers write them, golden rows store them, and scoring reads them."""

from __future__ import annotations

from typing import Any

from mlops_ci.core.records.training_run import ModelSignature

RESERVED_FEATURE_PREFIX = "prediction."
LABEL_COLUMN, VALUE_COLUMN, SCORE_COLUMN, PROBABILITY_PREFIX = (
    "prediction.label",
    "prediction.value",
    "prediction.score",
    "prediction.probability.",
)


def predict_columns(model: Any, frame: Any, task: str) -> dict[str, Any]:
    """Return predictions for n rows as columns of n values: the value, or the label with probabilities or a score."""
    import numpy as np  # not for commands that only need the names of the columns

    if task == "regression":
        return {VALUE_COLUMN: np.asarray(model.predict(frame), dtype=np.float64).reshape(len(frame))}
    columns: dict[str, Any] = {}
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(frame), dtype=np.float64)
        columns = {f"{PROBABILITY_PREFIX}{index}": probabilities[:, index] for index in range(probabilities.shape[1])}
    elif task == "binary-classification" and hasattr(model, "decision_function"):
        columns = {SCORE_COLUMN: np.asarray(model.decision_function(frame), dtype=np.float64).reshape(len(frame))}
    return {LABEL_COLUMN: np.asarray(model.predict(frame)), **columns}


def class_labels(model: Any) -> tuple[Any, ...]:
    """Return a classifier's labels as Python values, in the order of its probability columns."""
    return tuple(item.item() if hasattr(item, "item") else item for item in model.classes_)


def signature_mismatch(model: Any, signature: ModelSignature, task: str) -> str | None:
    """Return a description of how a model differs from its signature, or None."""
    if task == "regression":
        return None
    classes = class_labels(model)
    return (
        None
        if classes == signature.classes
        else f"it has the classes {classes}, but its signature has {signature.classes}"
    )
