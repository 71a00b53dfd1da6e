"""Whether two models say the same of the golden rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.training.packaging import skops as package

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Agreement:
    """How two models' answers for the golden `rows` compare.

    `changed` counts rows with another label, or where one of the two answers is not a number. `largest` is the largest
    |made - recorded| / max(1, |recorded|) of the others: absolute for probabilities, relative for large values; None when
    the two were not asked the same (other rows, other features, another kind of answer).
    """

    rows: int
    changed: int = 0
    largest: float | None = None

    @property
    def close(self) -> bool:
        """Whether every answer is the same within TOLERANCE."""
        return self.changed == 0 and self.largest is not None and self.largest <= TOLERANCE


def agreement(recorded: Path, made: Path, inputs: Sequence[str]) -> Agreement:
    """Compare the golden rows of two packages, files of `learn.fit`; one that is damaged agrees with nothing."""
    import numpy as np
    import pyarrow as pa

    try:
        before, now = _read(recorded), _read(made)
    except (OSError, ValueError, pa.ArrowException):
        return Agreement(0)
    rows = len(before)
    if rows != len(now) or set(before) != set(now) or not before[list(inputs)].equals(now[list(inputs)]):
        return Agreement(rows)
    changed, largest = np.zeros(rows, dtype=bool), 0.0
    for name in before.columns.difference(list(inputs)):
        apart = _apart(before[name], now[name])
        changed |= np.isnan(apart)
        largest = max(largest, float(np.nan_to_num(apart).max(initial=0.0)))
    return Agreement(rows, int(changed.sum()), largest)


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        # a small file can unfold to any number of rows
        if file.metadata.num_rows > package.GOLDEN_ROWS:
            raise ValueError(f"more than {package.GOLDEN_ROWS} rows")
        return file.read().to_pandas()


def _apart(before: Any, now: Any) -> Any:
    """Return how far apart answers are, [rows]; NaN where that is no number."""
    import numpy as np

    if before.name == package.LABEL:
        return np.where(np.array(before.tolist(), dtype=object) == np.array(now.tolist(), dtype=object), 0.0, np.nan)
    old, new = before.to_numpy(np.float64), now.to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(new - old) / np.maximum(1.0, np.abs(old))
    return np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, np.where(np.isinf(apart), np.nan, apart))
