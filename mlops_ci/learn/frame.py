"""Rows as a model sees them: the same frame when it learns and when it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlops_ci.records import Field


def features(frame: Any, inputs: Sequence[Field]) -> Any:
    """Return a pandas frame of the inputs in order: integers int64 (float64 with nulls), numbers and booleans float64.

    Strings are objects, NaN where they are missing; dates and timestamps stay as they are.
    """
    import pandas as pd

    return pd.DataFrame({field.name: _column(frame[field.name], field.type) for field in inputs}, index=frame.index)


def _column(values: Any, type: str) -> Any:
    if type == "integer":
        return values.astype("float64" if values.isna().any() else "int64")
    if type in ("number", "boolean"):
        return values.astype("float64")
    if type == "string":
        return values.astype(object).where(values.notna(), np.nan)
    return values


def target(values: Any, type: str, task: str) -> Any:
    """Return the target as an array [n]: float64 for a regression and for numbers, else int64, bool or objects."""
    if task == "regression" or type == "number":
        return values.to_numpy(dtype="float64")
    if type == "boolean":
        return values.to_numpy(dtype=bool)
    if type == "integer":
        return values.to_numpy(dtype="int64")
    return values.astype(object).to_numpy()
