"""Cuts the holdout into slices: one for each value of a column, and one for each condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_ci.training.predictions import Ints

_MAX_SHOWN_SLICES = (
    50  # for each column, the largest first; slices that are large enough to be tested are always included
)


@dataclass(frozen=True)
class SliceRows:
    """A slice of the holdout: its name, the indices of its rows, and whether it has enough rows for a test."""

    name: tuple[str, ...]
    rows: Ints
    is_testable: bool


def cut_slices(columns: Mapping[str, Any], conditions: Mapping[str, Any], least: int) -> Iterator[SliceRows]:
    """Yield each slice of n rows; a slice with at least `least` rows is testable.

    `columns` maps names to values [n], and `conditions` maps names to masks [n]. A condition without any row is a slice too.
    """
    for column, values in columns.items():
        names, at, counts = np.unique(format_slice_values(values).astype(str), return_inverse=True, return_counts=True)
        for place, index in enumerate(np.argsort(-counts, kind="stable")):
            testable = int(counts[index]) >= least
            if not testable and place >= _MAX_SHOWN_SLICES:
                break
            yield SliceRows((column, str(names[index])), np.flatnonzero(at == index), testable)
    for name, mask in conditions.items():
        rows = np.flatnonzero(mask)
        yield SliceRows((name,), rows, len(rows) >= least)


def format_slice_values(values: Any) -> Any:
    """Return a column's values as slice names, [n]; a missing value becomes `(missing)`."""
    return np.array([_format_slice_value(value) for value in np.asarray(values, dtype=object).tolist()], dtype=object)


def _format_slice_value(value: Any) -> str:
    if value is None or value != value:
        return "(missing)"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
