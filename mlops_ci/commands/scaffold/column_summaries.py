"""Summarises each column of a table: what `init` infers the key, the task and the features from."""

# ruff: noqa: S608  the SQL contains quoted names only, and the connection can read only the table
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import COLUMNS_PER_QUERY, TYPE_TEST_SQL, batch_columns, column_sql
from mlops_ci.data.content_digest import stored_types
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.row_rules import pluralize

LONG_TEXT = 60  # characters, on average
INDEX_PATTERN = re.compile(r"Unnamed: \d+")  # the name that pandas gives to its own unnamed index in a CSV file
_COMMA_NUMBER = r"-?[0-9][0-9.]*,[0-9.,]*[0-9]"


@dataclass(frozen=True)
class ColumnSummary:
    """One column of the table.

    `mean_length` is the mean number of characters as text, `spaced` the number of values that contain white space, and
    `number_obstacle` the reason why a text column is not numeric.
    """

    name: str
    type: str
    rows: int
    nulls: int
    distinct: int
    mean_length: float
    spaced: int
    zero_or_one: bool
    number_obstacle: str | None = None

    @property
    def can_identify_rows(self) -> bool:
        """Whether every row has a unique value, and the values are not long text."""
        short = self.type == "integer" or (self.type == "string" and self.mean_length <= LONG_TEXT)
        return self.distinct == self.rows > 1 and short and not INDEX_PATTERN.fullmatch(self.name)


def summarise_columns(table: Table) -> list[ColumnSummary]:
    """Return the summaries of all columns, in the order of the table. Raises as `Table.fetch_rows` does."""
    found: dict[str, ColumnSummary] = {}
    for names in _alike_columns(table):
        for name, (rows, present, distinct, length, spaced, zero_or_one) in zip(
            names, _ask_facts(table, names), strict=True
        ):
            obstacle, type = _number_obstacle(table, name), table.types[name]
            found[name] = ColumnSummary(
                name, type, rows, rows - present, distinct, length or 0.0, spaced, zero_or_one, obstacle
            )
    return [found[name] for name in table.types]


def _alike_columns(table: Table) -> Iterator[list[str]]:
    """Yield all columns of a narrow table; of a wide one, batches of columns that are stored alike."""
    if not (stored := stored_types(table.connection, "cells", tuple(table.types))):
        yield list(table.types)
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for name, type in table.types.items():
        alike.setdefault((type, stored[name]), []).append(name)
    for names in alike.values():
        yield from batch_columns(names)


def _ask_facts(table: Table, names: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Yield the rows and the facts of `_summary_sql` for each column.

    Columns of a wide table are asked about below each other: each count of different values takes memory of its own.
    """
    if len(table.types) <= COLUMNS_PER_QUERY:
        expressions = [part for name in names for part in _summary_sql(column_sql(name), table.types[name])]
        rows, *facts = table.fetch_rows(table.relation(names).aggregate(f"count(*), {', '.join(expressions)}"))[0]
        yield from ((rows, *some) for some in zip(*[iter(facts)] * 5, strict=True))
        return
    asked = ", ".join(_summary_sql("value", table.types[names[0]]))
    values = f"unnest([{', '.join(map(column_sql, names))}]) AS value, unnest(range({len(names)})) AS place"
    below = f"SELECT {values} FROM ({table.rows_sql(names)})"
    yield from table.fetch_rows(f"SELECT count(*), {asked} FROM ({below}) GROUP BY place ORDER BY place")


def _summary_sql(column: str, type: str) -> tuple[str, ...]:
    """Return SQL for the facts of a column; the length and white space of text only, and 0 and 1 of numbers only."""
    is_text, is_number = type == "string", type == "number"
    return (
        f"count({column})",
        f"count(DISTINCT {column})",
        f"avg(length({column}))" if is_text else "any_value(0)",
        f"count(*) FILTER (WHERE regexp_matches({column}, '\\s'))" if is_text else "any_value(0)",
        f"bool_and(coalesce({column} IN (0, 1), true))" if is_number else "bool_and(false)",
    )


def _number_obstacle(table: Table, name: str) -> str | None:
    """Return why a text column is not numeric, if at least half of its values are numbers; else None."""
    if table.types[name] != "string":
        return None
    column = column_sql(name)
    number = TYPE_TEST_SQL["number"].replace("{v}", column)
    comma = f"regexp_full_match({column}, '{_COMMA_NUMBER}')"
    ask = table.connection.execute
    present, numbers, commas = ask(
        f"SELECT count({column}), count(*) FILTER (WHERE {number}), count(*) FILTER (WHERE {comma}) FROM cells"
    ).fetchall()[0]
    if numbers == present or (numbers + commas) * 2 < present:
        return None
    kind, count = (comma, commas) if commas else (f"NOT {number}", present - numbers)
    (example,) = ask(
        f"SELECT {column} FROM cells WHERE {kind} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ).fetchall()[0]
    if commas:
        return f"would contain only numbers if {pluralize(count, 'value')} such as {quote(example)} had no comma"
    if example.isdigit():  # digits that are not a number are a code, such as one with a leading zero
        return None
    return f"would contain only numbers without {pluralize(count, 'value')} such as {quote(example)}"
