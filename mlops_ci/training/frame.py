"""Builds the frame of features that a model reads; it is the same for training and for prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_ci.core.records.training_run import ModelField

_NUMBER_KINDS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})
_TIME_KINDS = frozenset({"date", "datetime", "datetime64"})
_ALLOWED_KINDS: Mapping[str, frozenset[str]] = {  # by column type: the kinds that pandas may infer from the values
    "integer": _NUMBER_KINDS,
    "number": _NUMBER_KINDS,
    "boolean": _NUMBER_KINDS,
    "string": frozenset({"string", "categorical"}),
    "date": _TIME_KINDS,
    "timestamp": _TIME_KINDS,
}


def incompatible_inputs(inputs: Sequence[ModelField], types_today: Mapping[str, str]) -> tuple[str, ...]:
    """Return the model's inputs that have another type in today's data, as "a (integer then, string now)".

    Integer and number are compatible: `feature_frame` casts both without loss. Missing columns are not reported here
    (see `scoring.missing_inputs`).
    """
    return tuple(
        f"{field.name} ({field.type} in training, {now} now)"
        for field in inputs
        if (now := types_today.get(field.name, field.type)) != field.type and {now, field.type} != {"integer", "number"}
    )


def feature_frame(frame: Any, inputs: Sequence[ModelField]) -> Any:
    """Return a pandas frame of the inputs in order: integers as int64, numbers and booleans as float64.

    Integers are float64 when values are missing or are no longer integers. Strings are objects, with NaN for missing
    values; dates and timestamps are unchanged. Raises ValueError for a column with another kind of values, which no cast
    can turn into the type that the model was trained on.
    """
    import pandas as pd

    return pd.DataFrame({field.name: _cast_column(frame[field.name], field) for field in inputs}, index=frame.index)


def _cast_column(values: Any, field: ModelField) -> Any:
    from pandas.api.types import infer_dtype

    type, kind = field.type, infer_dtype(values, skipna=True)
    if kind not in _ALLOWED_KINDS[type] and not values.isna().all():
        raise ValueError(f"input '{field.name}' was of type {type} in training, but now has {kind} values")
    if type == "integer":
        return values.astype("int64" if has_only_int64(values) else "float64")
    if type in ("number", "boolean"):
        return values.astype("float64")
    if type == "string":
        return values.astype(object).where(values.notna(), np.nan)
    return values


def has_only_int64(values: Any) -> bool:
    """Return whether no value is missing and all values are exact int64 values."""
    if values.isna().any():
        return False
    if values.dtype.kind in "bi":
        return True
    limit = 2.0**63
    return all(-limit <= value < limit and value == int(value) for value in values.tolist())


def target_array(values: Any, type: str, task: str) -> Any:
    """Return the target as an array of n values: float64 for a regression and for numbers, else int64, bool or object."""
    if task == "regression" or type == "number":
        return values.to_numpy(dtype="float64")
    if type == "boolean":
        return values.to_numpy(dtype=bool)
    if type == "integer":
        return values.to_numpy(dtype="int64")
    return values.astype(object).to_numpy()
