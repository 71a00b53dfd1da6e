"""Reads text columns of parquet files as dates and times, where the spec declares their format."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_ci.data.column_types import SQL_TYPES, column_sql, parsed_value_sql
from mlops_ci.data.engines.csv_table import TypeMismatch
from mlops_ci.data.engines.duckdb_errors import translate_duckdb_errors
from mlops_ci.data.engines.written_values import WrittenColumn
from mlops_ci.spec.source_types import SourceSpec
from mlops_ci.spec.spec_types import ColumnSpec


def read_time_texts(
    connection: Any, rows: str, types: dict[str, str], declared: Mapping[str, ColumnSpec]
) -> tuple[str, dict[str, TypeMismatch]]:
    """Return SQL for the rows with such columns as dates and times, and the mismatches; changes `types` accordingly.

    `rows` is SQL for the rows of files. A column with a value that its format cannot read stays text.
    """
    mismatches: dict[str, TypeMismatch] = {}
    chosen = {name: column_sql(name) for name in types}
    for name, type in types.items():
        column = declared.get(name, ColumnSpec())
        wanted = column.expected_type
        if type != "string" or column.format is None or wanted not in ("date", "timestamp"):
            continue
        written = WrittenColumn(name, SourceSpec("csv", ""), column.format)
        where = written.mismatch_sql(wanted)
        with translate_duckdb_errors("the data"):
            count, least = connection.execute(
                f"SELECT count(*), min({column_sql(name)}) FROM ({rows}) WHERE {where}"
            ).fetchall()[0]
        if count:
            mismatches[name] = TypeMismatch(count, least)
        else:
            types[name] = wanted
            chosen[name] = (
                f"{parsed_value_sql(written.plain_text_sql(wanted), SQL_TYPES[wanted])} AS {column_sql(name)}"
            )
    if all(value == column_sql(name) for name, value in chosen.items()):
        return rows, mismatches
    return f"SELECT {', '.join(chosen.values())} FROM ({rows})", mismatches
