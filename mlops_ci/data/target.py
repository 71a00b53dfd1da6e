"""Measures the target in the two sides of a split: its type, its missing values and its classes."""

# ruff: noqa: S608  SQL contains only quoted names, and the connection can only read the data
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.data.column_types import column_sql
from mlops_ci.data.engines.duckdb import Table


@dataclass(frozen=True)
class TargetSummary:
    """The target in the two sides: its logical type, rows without a value, and numbers of different values.

    `labels` are the labels of a target with two, in their order; none for dates and fractions, which are no labels.
    """

    type: str
    missing: int
    classes: int
    train_classes: int
    holdout_classes: int
    labels: tuple[str | int | bool, ...] = ()


def summarize_target(table: Table, target: str, condition: str) -> TargetSummary:
    """Return the summary of the column `target`; `condition` is SQL that is true for a row of the holdout, and never null."""
    value = column_sql(target)
    classes, train, holdout, missing, *ends = table.connection.execute(
        f"SELECT count(DISTINCT {value}), count(DISTINCT {value}) FILTER (WHERE NOT {condition}), "
        f"count(DISTINCT {value}) FILTER (WHERE {condition}), count(*) - count({value}), min({value}), max({value}) FROM cells"
    ).fetchall()[0]
    labels = _class_labels(ends) if classes == 2 else ()
    return TargetSummary(table.types[target], missing, classes, train, holdout, labels)


def _class_labels(values: Sequence[Any]) -> tuple[str | int | bool, ...]:
    """Return values as a classifier's labels; nothing when one of them cannot be a label."""
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return tuple(whole) if all(isinstance(value, str | int | bool) for value in whole) else ()
