"""Reads parquet files as one relation: each column as the narrowest type that holds the values of all files exactly."""

# ruff: noqa: S608  SQL contains only aliases and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import (
    EMPTY_TYPE,
    SQL_TYPES,
    batch_columns,
    column_sql,
    converted_value_sql,
    decimal_digits,
    logical_type,
    quote_literal,
)
from mlops_ci.data.engines.csv_table import TypeMismatch
from mlops_ci.data.engines.duckdb_errors import precision_error, precision_refusal, translate_duckdb_errors
from mlops_ci.data.engines.file_columns import files_differ_error, require_distinct_names, require_same_columns
from mlops_ci.data.engines.time_texts import read_time_texts
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.spec_types import ColumnSpec

MAX_DIGITS = 38  # of DuckDB's DECIMAL
_BIGINT_DIGITS = 18  # every decimal of so many digits is a BIGINT
# `can_have_nan`: writers leave NaN out of a file's statistics, from which DuckDB would conclude that there is none
_OPTIONS = "hive_partitioning = false, can_have_nan = true"


@dataclass(frozen=True)
class ParquetView:
    """What is known of the view `cells`: the type of each column, and the mismatches with declared types.

    `narrow_views` names, of a wide table, the view of each column: DuckDB plans all columns of a view for each query of a few.
    """

    types: Mapping[str, str]
    type_mismatches: Mapping[str, TypeMismatch]
    narrow_views: Mapping[str, str] = field(default_factory=dict)


class _SchemaField(NamedTuple):
    """A row of DuckDB's `parquet_schema`: a column, or a part of one."""

    name: str
    children: int | None
    precision: int | None


def read_parquet_files(connection: Any, local: ReadableFiles, declared: Mapping[str, ColumnSpec]) -> ParquetView:
    """Create the view `cells` of parquet files, and return what is known of it.

    A query of the view fails with `data-precision` where a value has more digits than the column's type can hold.
    Raises Findings: `data-unreadable`, `data-header`, `data-precision`, `data-files-differ`.
    """
    root, files = local.root, local.files
    schemas = {file.path: _parquet_schema(connection, root, file.path) for file in files}
    require_same_columns(schemas)
    names = tuple(schemas[files[0].path])
    types = {name: _common_type(name, schemas, declared.get(name, ColumnSpec())) for name in names}
    targets = {name: common_sql_type(types[name], {schema[name] for schema in schemas.values()}) for name in names}
    # files with the same schema are read in one scan: a year of daily files needs a few scans, not hundreds
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for path, schema in schemas.items():
        groups.setdefault(tuple(schema.items()), []).append(quote_literal(str((root / path).resolve())))
    scans: list[tuple[dict[str, str], str]] = []
    for schema_items, paths in groups.items():
        sql_types = dict(schema_items)
        at = {name: f"n{index}" for index, name in enumerate(sql_types)}
        values = {
            name: converted_value_sql(at[name], sql_types[name], targets[name], precision_refusal(name))
            for name in names
        }
        scans.append((values, f"read_parquet([{', '.join(paths)}], {_OPTIONS}) AS file({', '.join(at.values())})"))
    as_stored = _scans_sql(scans, names)
    rows, mismatches = read_time_texts(connection, as_stored, types, declared)
    batches = batch_columns(names)
    views: dict[str, str] = {}
    with translate_duckdb_errors("the data"):
        connection.execute(f"CREATE VIEW cells AS {rows}")
        for number, batch in enumerate(batches if rows == as_stored and len(batches) > 1 else ()):
            views |= dict.fromkeys(batch, f"cells_{number}")
            connection.execute(f"CREATE VIEW cells_{number} AS {_scans_sql(scans, batch)}")
    return ParquetView(types, mismatches, views)


def _scans_sql(scans: Iterable[tuple[Mapping[str, str], str]], names: Iterable[str]) -> str:
    """Return SQL for the rows of several scans: each has SQL for the value of each column, and for its files."""
    chosen = tuple(names)
    return " UNION ALL ".join(
        f"SELECT {', '.join(f'{values[name]} AS {column_sql(name)}' for name in chosen)} FROM {source}"
        for values, source in scans
    )


def _parquet_schema(connection: Any, root: Path, name: str) -> dict[str, str]:
    """Return the DuckDB type of each column of a file, by the name that the file gives it."""
    path = quote_literal(str((root / name).resolve()))
    with translate_duckdb_errors(quote(name), Location(name)):
        types = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({path}, hive_partitioning = false)").fetchall()
        # `DESCRIBE` renames columns whose names differ only in case
        fields = connection.execute(f"SELECT name, num_children, precision FROM parquet_schema({path})").fetchall()
    columns = _top_level_fields([_SchemaField(*row) for row in fields])
    require_distinct_names([column.name for column in columns], name)
    for column in columns:
        if column.precision is not None and column.precision > MAX_DIGITS:  # DuckDB would read it as a float
            raise precision_error(
                f"column {quote(column.name)} has {column.precision} digits, and at most {MAX_DIGITS} can be kept", name
            )
    return {column.name: row[1] for column, row in zip(columns, types, strict=True)}


def _top_level_fields(fields: Sequence[_SchemaField]) -> list[_SchemaField]:
    """Return the fields that are columns from those of a parquet schema, which come each before its children."""
    columns, below = [], 0  # the number of fields that are still to come below the last column
    for part in fields[1:]:
        if below:
            below -= 1
        else:
            columns.append(part)
        below += part.children or 0
    return columns


def _common_type(name: str, schemas: Mapping[str, Mapping[str, str]], declared: ColumnSpec) -> str:
    """Return the common type of a column in all files: integer and number give number; empty gives the other type.

    Raises Findings `data-files-differ` for other combinations.
    """
    seen = {path: logical_type(schema[name]) for path, schema in schemas.items()}
    kinds = set(seen.values()) - {EMPTY_TYPE}
    if kinds <= {"integer", "number"} and kinds:
        return "number" if "number" in kinds or declared.type == "number" else "integer"
    if len(kinds) <= 1:
        return kinds.pop() if kinds else declared.type or EMPTY_TYPE
    first, *others = [(path, type) for path, type in seen.items() if type != EMPTY_TYPE]
    alike = {"integer", "number"} if first[1] in ("integer", "number") else {first[1]}
    other = next(item for item in others if item[1] not in alike)
    raise files_differ_error(f"column '{name}' is {first[1]} in '{first[0]}', but {other[1]} in '{other[0]}'", other[0])


def common_sql_type(type: str, sql_types: Iterable[str]) -> str:
    """Return the DuckDB type that holds a column's values from files where it has these types."""
    kinds = set(sql_types) - {'"NULL"'}
    if type == "timestamp":
        return "TIMESTAMP_NS" if any("_NS" in kind for kind in kinds) else "TIMESTAMP"
    if type not in ("integer", "number") or not kinds or kinds & {"FLOAT", "DOUBLE"}:
        return SQL_TYPES[type]
    digits = [decimal_digits(kind) or _integer_digits(kind) for kind in kinds]
    scale = max(behind for _, behind in digits)
    before = max(digits_in_all - behind for digits_in_all, behind in digits)
    if scale:
        return f"DECIMAL({min(before + scale, MAX_DIGITS)},{scale})"
    if kinds <= {"UBIGINT"}:
        return "UBIGINT"
    return "BIGINT" if before <= _BIGINT_DIGITS + 1 and not any(_is_wide(kind) for kind in kinds) else "HUGEINT"


def _integer_digits(sql_type: str) -> tuple[int, int]:
    return (MAX_DIGITS if sql_type.endswith("HUGEINT") else 20 if sql_type == "UBIGINT" else _BIGINT_DIGITS + 1), 0


def _is_wide(sql_type: str) -> bool:
    """Return whether not all values of an integer type are BIGINTs."""
    digits = decimal_digits(sql_type)
    return digits[0] > _BIGINT_DIGITS if digits else sql_type in ("UBIGINT", "HUGEINT", "UHUGEINT")
