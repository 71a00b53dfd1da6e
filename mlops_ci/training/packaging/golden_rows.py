"""Compares the predictions of two models for the golden rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.training.packaging.package_files import GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE, MAX_GOLDEN_ROWS
from mlops_ci.training.prediction_columns import LABEL_COLUMN

GOLDEN_TOLERANCE = 1e-9


@dataclass(frozen=True)
class GoldenAgreement:
    """The comparison of two models' predictions for the golden rows; `rows` is their number.

    `changed_rows` counts the rows with another label, and those where exactly one of the two predictions is not a finite
    number. `largest_difference` is the largest |made - recorded| / max(1, |recorded|) of the other rows: absolute for
    probabilities, relative for large values. It is None when the two are not comparable (other rows, other features,
    another kind of prediction).
    """

    rows: int
    changed_rows: int = 0
    largest_difference: float | None = None

    @property
    def is_close(self) -> bool:
        """Whether all predictions are equal within GOLDEN_TOLERANCE."""
        return (
            self.changed_rows == 0
            and self.largest_difference is not None
            and self.largest_difference <= GOLDEN_TOLERANCE
        )


def compare_golden_rows(recorded: Path, made: Path, inputs: Sequence[str]) -> GoldenAgreement:
    """Compare the golden rows of two packages, given as their folders. A missing or damaged file gives no agreement."""
    import numpy as np
    import pyarrow as pa

    try:
        rows_before, rows_now = (_read_table(folder / GOLDEN_FILE) for folder in (recorded, made))
        before, now = (_read_table(folder / GOLDEN_PREDICTIONS_FILE) for folder in (recorded, made))
    except (OSError, ValueError, pa.ArrowException):
        return GoldenAgreement(0)
    rows = len(rows_before)
    is_same_question = set(rows_before) == set(rows_now) and rows_before[list(inputs)].equals(rows_now[list(inputs)])
    if not is_same_question or set(before) != set(now) or {len(before), len(now)} != {rows}:
        return GoldenAgreement(rows)
    changed, largest = np.zeros(rows, dtype=bool), 0.0
    for name in before.columns:
        apart = _prediction_distances(before[name], now[name])
        changed |= np.isnan(apart)
        largest = max(largest, float(np.nan_to_num(apart).max(initial=0.0)))
    return GoldenAgreement(rows, int(changed.sum()), largest)


def _read_table(path: Path) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        # a small compressed file can contain any number of rows
        if file.metadata.num_rows > MAX_GOLDEN_ROWS:
            raise ValueError(f"more than {MAX_GOLDEN_ROWS} rows")
        return file.read().to_pandas()


def _prediction_distances(before: Any, now: Any) -> Any:
    """Return the distance of two predictions for each row, [rows]; NaN when it is not a number."""
    import numpy as np

    if before.name == LABEL_COLUMN:
        return np.where(np.array(before.tolist(), dtype=object) == np.array(now.tolist(), dtype=object), 0.0, np.nan)
    old, new = before.to_numpy(np.float64), now.to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(new - old) / np.maximum(1.0, np.abs(old))
    return np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, np.where(np.isinf(apart), np.nan, apart))
