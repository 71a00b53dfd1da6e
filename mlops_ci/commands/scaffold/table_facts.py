"""What a table shows, as the specs for it need it: its columns, and what was chosen from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.commands.scaffold.column_summaries import ColumnSummary
from mlops_ci.commands.scaffold.refine_source import TableReading
from mlops_ci.data.column_types import SQL_TYPES
from mlops_ci.spec.spec_types import GateSpec, Task

MIN_HOLDOUT = GateSpec.min_rows  # with fewer rows, the gate is always inconclusive
SMALLEST_HOLDOUT = 20  # rows, with which a verdict is possible for a clear result
HOLDOUT_SHARES = (
    0.2,
    0.25,
    0.3,
    0.35,
    0.4,
    0.45,
    0.5,
)  # of the holdout; the first share that gives it enough rows is used
NATIVE_TYPES = set(SQL_TYPES) - {"other", "empty"}


@dataclass(frozen=True)
class NamedColumns:
    """The columns that a person named: the target, and the key and the time if they are known."""

    target: str
    key: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class ProposedPositive:
    """The proposed positive class of a binary target: the rarer label, with its number of rows."""

    label: str | int
    rows: int
    is_rarer: bool  # not, if both labels have as many rows


@dataclass(frozen=True)
class TableFacts:
    """A table as its specs describe it. `key` and `time` are None without such a column; `left_out` has the reasons."""

    reading: TableReading
    columns: Sequence[ColumnSummary]
    key: str | None
    is_key_given: bool
    time: str | None
    share: float
    holdout_rows: int
    notes: Sequence[str]
    goal: ColumnSummary
    task: Task
    positive: ProposedPositive | None
    features: Sequence[str]
    left_out: Mapping[str, str]

    @property
    def rows(self) -> int:
        """The number of rows of the table."""
        return self.goal.rows
