"""Measures a table for checks and profile: one aggregate query, or one for each batch of a wide table's columns.

Exact uniqueness needs a separate query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from mlops_ci.core.records.base import Scalar
from mlops_ci.core.records.training_run import ColumnProfile
from mlops_ci.data.column_types import EMPTY_TYPE, OTHER_TYPE, batch_columns, column_alias, column_sql
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.row_rules import RowRule, UniqueRule
from mlops_ci.spec.personal_data import PII_MASK, is_personal_column
from mlops_ci.spec.spec_types import DatasetSpec

MAX_SAMPLE_ROWS = 5
MAX_TEXT_WIDTH = 80
DUPLICATES_LABEL = "rows with these values"
_BITS_A_ROW = 32  # a bitmap of integers with larger gaps is larger than the column
_MAX_BITS = 1_000_000_000  # of DuckDB's bitmaps
_ORDERED_TYPES = ("integer", "number", "boolean", "date", "timestamp", "string")
_MAX_SQUARABLE = (
    1e150  # the square of a larger value overflows: mean and deviation leave such values out, like infinities
)


@dataclass(frozen=True)
class TableMeasures:
    """The results of the aggregate queries: rows, profile, failing rows by rule, and the exact newest value by column."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    failing_counts: tuple[int, ...]
    newest: Mapping[str, date | str | None]  # a datetime for timestamps, a text for years that Python does not have


def measure_table(table: Table, spec: DatasetSpec, rules: tuple[RowRule, ...]) -> TableMeasures:
    """Run the aggregate queries. Raises DuckDB's error for a damaged file."""
    import narwhals as nw

    places = {name: index for index, name in enumerate(table.types)}
    by_column: dict[str | None, list[int]] = {}
    for index, rule in enumerate(rules):
        by_column.setdefault(rule.column, []).append(index)
    answer: dict[str, Any] = {}
    for number, names in enumerate(batch_columns(table.types)):
        aggregates = {"rows": nw.len()}
        for name in names:
            found = _profile_expressions(name, table.types[name])
            aggregates |= {f"{what} {places[name]}": expression for what, expression in found.items()}
        without_column = by_column.get(None, []) if number == 0 else []
        mine = [*without_column, *(index for name in names for index in by_column.get(name, ()))]
        aggregates |= {f"failing {index}": rules[index].failure_expression.sum() for index in mine}
        read = dict.fromkeys((*names, *(name for index in without_column for name in rules[index].sample_columns)))
        query = nw.from_native(table.relation(read)).select(*(value.alias(name) for name, value in aggregates.items()))
        # not collect(): it would import and use arrow
        answer |= zip(aggregates, query.to_native().fetchall()[0], strict=True)
    rows = int(answer["rows"])
    columns = tuple(_column_profile(index, name, table, spec, answer) for index, name in enumerate(table.types))
    newest = {
        name: answer.get(f"max {index}")
        for index, (name, type) in enumerate(table.types.items())
        if type in ("date", "timestamp")
    }
    return TableMeasures(
        rows,
        columns,
        tuple(int(answer[f"failing {index}"] or 0) for index in range(len(rules))),
        newest,
    )


def find_duplicates(
    table: Table, rule: UniqueRule, pii: frozenset[str]
) -> tuple[int, tuple[Mapping[str, Scalar], ...]]:
    """Return the exact number of rows that have the same values as another row, and the first such values."""
    import narwhals as nw

    if len(rule.columns) == 1 and _has_distinct_integers(table, rule.columns[0]):
        return 0, ()
    columns = list(map(column_alias, rule.columns))
    counter = "rows_with_these_values"
    lazy: Any = nw.from_native(table.relation(rule.columns))
    groups = lazy.drop_nulls(columns).group_by(*columns).agg(nw.len().alias(counter)).filter(nw.col(counter) > 1)
    count = table.fetch_rows(groups.select(nw.col(counter).sum()).to_native())[0][0]
    if not count:
        return 0, ()
    samples = table.fetch_rows(groups.sort(*columns).head(MAX_SAMPLE_ROWS).to_native())
    return int(count), tuple(_duplicate_sample(rule.columns, row, pii) for row in samples)


def _has_distinct_integers(table: Table, name: str) -> bool:
    """Return whether a column has integers that are dense enough for a bitmap, and no two rows have the same one.

    The bitmap takes a twentieth of the time of a hash table, and a hundredth of its memory.
    """
    if table.types[name] != "integer":
        return False
    column, rows = column_sql(name), table.relation([name])
    count, least, most = table.fetch_rows(rows.aggregate(f"count({column}), min({column}), max({column})"))[0]
    if not count:
        return True
    if most - least >= min(_BITS_A_ROW * count, _MAX_BITS):
        return False
    bits = rows.aggregate(f"bit_count(bitstring_agg({column}, {least}, {most}))")
    return bool(table.fetch_rows(bits)[0][0] == count)


def _duplicate_sample(columns: tuple[str, ...], row: tuple[Any, ...], pii: frozenset[str]) -> Mapping[str, Scalar]:
    *values, times = row
    shown = displayable_row(dict(zip(columns, values, strict=True)), pii)
    # a column of this name keeps its value
    return {**shown, DUPLICATES_LABEL: times} if DUPLICATES_LABEL not in shown else shown


def sample_failing_rows(
    table: Table, relation: Any, rule: RowRule, key: tuple[str, ...], pii: frozenset[str]
) -> tuple[Mapping[str, Scalar], ...]:
    """Return the first failing rows with the key's and the rule's columns, in the order of these columns.

    The relation needs these columns alone. To sort by 500 columns takes 0.3 s for each check that fails.
    """
    import narwhals as nw

    columns = rule.shown_columns(key)
    if not columns:  # an expression without columns, in a table without a key
        return ()
    aliases = list(map(column_alias, columns))
    lazy: Any = nw.from_native(relation)
    failing = lazy.filter(rule.failure_expression).select(*aliases)
    samples = failing.sort(*aliases).head(MAX_SAMPLE_ROWS).to_native()
    return tuple(displayable_row(dict(zip(columns, row, strict=True)), pii) for row in table.fetch_rows(samples))


def mentioned_columns(sql: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns that an SQL expression mentions."""
    words = {word.casefold() for word in re.findall(r"\w+", sql)}
    return tuple(name for name in names if name.casefold() in words or f'"{name}"' in sql)


def displayable_row(row: Mapping[str, Any], pii: frozenset[str]) -> dict[str, Scalar]:
    """Return a row as reports show it: personal data masked, long text shortened, control characters replaced."""
    return {
        name: PII_MASK if name in pii and value is not None else displayable_value(value) for name, value in row.items()
    }


def displayable_value(value: Any) -> Scalar:
    """Return a value for JSON: dates as ISO 8601 text, infinities and decimals that no float holds as text, other text shortened and printable."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        nearest = int(value) if value == value.to_integral_value() else float(value)
        return nearest if Decimal(repr(nearest)) == value else format(value, "f").rstrip("0")
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    text = "".join(char if char.isprintable() else "\ufffd" for char in text[: MAX_TEXT_WIDTH + 1])
    return text if len(text) <= MAX_TEXT_WIDTH else text[: MAX_TEXT_WIDTH - 1] + "…"


def _profile_expressions(name: str, type: str) -> dict[str, Any]:
    import narwhals as nw

    value = nw.col(column_alias(name))
    expressions = {"nulls": value.is_null().sum()}
    if type in _ORDERED_TYPES:
        expressions |= {"min": value.min(), "max": value.max()}
    if type in ("integer", "number"):
        squarable = nw.when(value.cast(nw.Float64).abs() < _MAX_SQUARABLE).then(value.cast(nw.Float64))
        expressions |= {"mean": squarable.mean(), "std": squarable.std()}
    return expressions


def _column_profile(index: int, name: str, table: Table, spec: DatasetSpec, answer: Mapping[str, Any]) -> ColumnProfile:
    type, nulls = table.types[name], int(answer[f"nulls {index}"])
    declared = spec.columns[name].type if name in spec.columns else None
    if nulls == answer["rows"] or type == EMPTY_TYPE:  # a column without values does not show its type
        return ColumnProfile(name, declared or ("string" if type in (EMPTY_TYPE, OTHER_TYPE) else type), nulls)
    if is_personal_column(spec, name):
        return ColumnProfile(name, type, nulls)
    least, most, mean, std = (answer.get(f"{what} {index}") for what in ("min", "max", "mean", "std"))
    return ColumnProfile(
        name,
        type,
        nulls,
        displayable_value(least),
        displayable_value(most),
        _round_statistic(mean),
        _round_statistic(std),
    )


def _round_statistic(value: float | None) -> float | None:
    # the last digits of a sum of floats depend on the order of the rows; nine significant digits do not
    return None if value is None or value != value else float(f"{value:.9g}")
