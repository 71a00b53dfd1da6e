"""Rows as a model sees them: the same frame when it learns and when it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_ci.core.records.training_run import ModelField

_NUMBER_KINDS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})
_TIME_KINDS = frozenset({"date", "datetime", "datetime64"})
_ALLOWED_KINDS: Mapping[str, frozenset[str]] = {  # by column type, what pandas may infer of its values
    "integer": _NUMBER_KINDS,
    "number": _NUMBER_KINDS,
    "boolean": _NUMBER_KINDS,
    "string": frozenset({"string", "categorical"}),
    "date": _TIME_KINDS,
    "timestamp": _TIME_KINDS,
}


def incompatible_inputs(inputs: Sequence[ModelField], types_today: Mapping[str, str]) -> tuple[str, ...]:
    """Say which of a model's inputs are of another type today, as "a (integer then, string now)".

    Integers and numbers stand in for each other: `features` casts both without loss. Columns that are gone are no
    concern of this (`score.missing_inputs`).
    """
    return tuple(
        f"{field.name} ({field.type} then, {now} now)"
        for field in inputs
        if (now := types_today.get(field.name, field.type)) != field.type and {now, field.type} != {"integer", "number"}
    )


def feature_frame(frame: Any, inputs: Sequence[ModelField]) -> Any:
    """Return a pandas frame of the inputs in order: integers int64, numbers and booleans float64.

    Integers are float64 where values are missing, or are no integers any more. Strings are objects, NaN where they are
    missing; dates and timestamps stay as they are. Raises ValueError for a column of another kind of values, which no cast
    would turn into what the model learned from.
    """
    import pandas as pd

    return pd.DataFrame({field.name: _cast_column(frame[field.name], field) for field in inputs}, index=frame.index)


def _cast_column(values: Any, field: ModelField) -> Any:
    from pandas.api.types import infer_dtype

    type, kind = field.type, infer_dtype(values, skipna=True)
    if kind not in _ALLOWED_KINDS[type] and not values.isna().all():
        raise ValueError(f"input '{field.name}' was of type {type} when the model learned, and holds {kind} values now")
    if type == "integer":
        return values.astype("int64" if _has_only_int64(values) else "float64")
    if type in ("number", "boolean"):
        return values.astype("float64")
    if type == "string":
        return values.astype(object).where(values.notna(), np.nan)
    return values


def _has_only_int64(values: Any) -> bool:
    """Tell whether all values are there and fit int64 as they are."""
    if values.isna().any():
        return False
    if values.dtype.kind in "bi":
        return True
    limit = 2.0**63
    return all(-limit <= value < limit and value == int(value) for value in values.tolist())


def target_array(values: Any, type: str, task: str) -> Any:
    """Return the target as an array [n]: float64 for a regression and for numbers, else int64, bool or objects."""
    if task == "regression" or type == "number":
        return values.to_numpy(dtype="float64")
    if type == "boolean":
        return values.to_numpy(dtype=bool)
    if type == "integer":
        return values.to_numpy(dtype="int64")
    return values.astype(object).to_numpy()
