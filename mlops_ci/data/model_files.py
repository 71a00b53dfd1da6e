"""Writes the parquet files that models are trained and scored with: the rows of one side of a split."""

# ruff: noqa: S608  SQL contains only aliases and conditions of ours, and the connection can only read the data
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings
from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import column_sql, quote_literal
from mlops_ci.data.content_digest import row_hash_sql, stored_types
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.spec.spec_types import DatasetSpec

ROWS_PER_WRITE = 100_000  # rows written at a time


@dataclass(frozen=True)
class RowOrder:
    """The order of rows: by key, then by the content of the columns `first`, then by that of all columns.

    With a `secret`, rows that are equal in `first` follow each other in an order that nobody computes without it: content is
    compared by hash, and whoever knows the columns `first` of a row could otherwise try which value of another column, such as the
    label, puts the row where it is.
    """

    first: tuple[str, ...]
    secret: str = ""


def write_model_file(
    table: Table,
    spec: DatasetSpec,
    names: tuple[str, ...],
    where: str,
    path: Path,
    marks: Mapping[str, str],
    order: RowOrder,
) -> None:
    """Write the rows for which the SQL `where` is true, with the columns `names` and the SQL conditions `marks`.

    Raises Findings `column-name-reserved` for a column that is called as a mark.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if taken := sorted({*names} & {*marks}):
        raise Findings.of(
            "column-name-reserved",
            f"the column {quote(taken[0])} has the name of a mark that is written beside the rows",
            help="rename the column in the data and the specs: a name that starts with `mlops-ci.` may be needed",
        )
    chosen = ", ".join(
        [*_output_sql(table, spec, names), *(f"{sql} AS {column_sql(name)}" for name, sql in marks.items())]
    )
    query = f"SELECT {chosen} FROM cells WHERE {where} ORDER BY {_order_sql(table, spec, names, order)}"
    if (content := table.recall_file(query)) is not None:
        path.write_bytes(content)
        return
    reader: Any = table.connection.sql(query).to_arrow_reader(ROWS_PER_WRITE)
    schema = pa.schema([column.with_name(name) for column, name in zip(reader.schema, [*names, *marks], strict=True)])
    with pq.ParquetWriter(path, schema) as writer:
        for batch in reader:
            writer.write_batch(batch.rename_columns(schema.names))
    table.remember_file(query, path)


def _order_sql(table: Table, spec: DatasetSpec, names: tuple[str, ...], order: RowOrder) -> str:
    whole = _row_hash_sql(table, names)
    last = f"sha256({quote_literal(order.secret)} || {whole})" if order.secret else whole
    return ", ".join(dict.fromkeys([*map(column_sql, spec.key), _row_hash_sql(table, order.first), last]))


def _row_hash_sql(table: Table, names: tuple[str, ...]) -> str:
    stored = stored_types(table.connection, "cells", names)
    return row_hash_sql({name: table.types[name] for name in names}, stored)


def _output_sql(table: Table, spec: DatasetSpec, names: tuple[str, ...]) -> Iterator[str]:
    """Yield SQL for each column of a file for models, which compute with floats and 64-bit integers.

    Groups and keys are compared and not computed with, so they keep all their digits.
    """
    sql_types = table.sql_types()
    for name in names:
        column, sql_type = column_sql(name), sql_types[name]
        if name in (*spec.key, spec.group):
            yield column
        elif table.types[name] == "number" and sql_type != "DOUBLE":
            yield f"CAST({column} AS DOUBLE) AS {column}"
        elif sql_type == "HUGEINT":
            low, high = table.connection.execute(f"SELECT min({column}), max({column}) FROM cells").fetchall()[0]
            narrow = (
                "BIGINT" if low >= -(2**63) and high < 2**63 else "UBIGINT" if low >= 0 and high < 2**64 else "DOUBLE"
            )
            yield f"CAST({column} AS {narrow}) AS {column}"
        else:
            yield column
