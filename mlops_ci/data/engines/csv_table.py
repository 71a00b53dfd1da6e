"""Reads CSV files into a table: all fields as text first, then each column as the type that fits all its fields."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.data.column_types import EMPTY_TYPE, TYPE_TEST_SQL, column_sql, parsed_value_sql, quote_literal
from mlops_ci.data.engines.duckdb_errors import duckdb_error_text, translate_duckdb_errors
from mlops_ci.data.engines.file_columns import require_same_columns
from mlops_ci.data.sources.csv import duckdb_csv_options, explain_csv_error, read_header
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.spec_types import ColumnSpec


@dataclass(frozen=True)
class TypeMismatch:
    """CSV fields that are not values of the column's declared type: their number, and the smallest of them as text."""

    count: int
    example: str


def read_csv_files(
    connection: Any, local: ReadableFiles, declared: Mapping[str, ColumnSpec]
) -> tuple[dict[str, str], dict[str, TypeMismatch]]:
    """Read CSV files into the table `cells`; return the type of each column, and the mismatches with declared types.

    Raises Findings: `data-ragged-row`, `data-encoding`, `data-csv`, `data-delimiter`, `data-header`, `data-files-differ`.
    """
    import duckdb

    root, files, delimiter = local.root, local.files, local.source.delimiter

    headers = {file.path: read_header(root / file.path, file.path, delimiter) for file in files}
    names = headers[files[0].path]
    require_same_columns({path: dict.fromkeys(header, "") for path, header in headers.items()})
    connection.execute(f"CREATE TABLE raw ({', '.join(f'{column_sql(name)} VARCHAR' for name in names)})")
    for file in files:
        header = headers[file.path]
        path = (root / file.path).resolve()
        chosen = ", ".join(f"c{header.index(name)}" for name in names)
        try:
            connection.execute(
                f"INSERT INTO raw SELECT {chosen} FROM read_csv({quote_literal(str(path))}, "
                f"{duckdb_csv_options(len(header), delimiter)})"
            )
        except duckdb.Error as error:
            raise explain_csv_error(path, file.path, header, delimiter, duckdb_error_text(error), str(error)) from error
    types, mismatches = _infer_csv_types(connection, names, declared)
    columns = ", ".join(
        f"{parsed_value_sql(column_sql(name), type)} AS {column_sql(name)}" for name, type in types.items()
    )
    with translate_duckdb_errors("the data"):
        connection.execute(f"CREATE TABLE cells AS SELECT {columns} FROM raw")
    connection.execute("DROP TABLE raw")
    return types, mismatches


def _infer_csv_types(
    connection: Any, names: tuple[str, ...], columns: Mapping[str, ColumnSpec]
) -> tuple[dict[str, str], dict[str, TypeMismatch]]:
    """Return each column's type, and the mismatches with declared types. All rows are used.

    A column has its declared type when all its fields are values of that type, else the first type that fits.
    """
    declared = {name: type for name in names if name in columns and (type := columns[name].type) is not None}
    counts = _count_mismatches(connection, [(name, type) for name, type in declared.items() if type != "string"])
    fitting = {name: type for name, type in declared.items() if not counts.get((name, type))}
    # five tests a column, most of the time of reading a small file, so only where no declared type fits
    types = {**fitting, **_guess_csv_types(connection, [name for name in names if name not in fitting])}
    mismatches = {}
    for name, type in declared.items():
        if name not in fitting:
            least = f"SELECT min({column_sql(name)}) FROM raw WHERE {_type_mismatch_sql(name, type)}"
            mismatches[name] = TypeMismatch(counts[name, type], connection.execute(least).fetchall()[0][0])
    return {name: types[name] for name in names}, mismatches


def _count_mismatches(connection: Any, tests: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return, for each column and type, the number of fields that are no values of the type. All tests take one scan."""
    if not tests:
        return {}
    counts = (f"count(*) FILTER (WHERE {_type_mismatch_sql(name, type)})" for name, type in tests)
    answer = connection.execute(f"SELECT {', '.join(counts)} FROM raw").fetchall()[0]
    return dict(zip(tests, answer, strict=True))


def _guess_csv_types(connection: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the first type that fits all fields of each column; text without a fitting type, EMPTY_TYPE without a value."""
    if not names:
        return {}
    counts = _count_mismatches(connection, [(name, type) for name in names for type in TYPE_TEST_SQL])
    filled = [f"count(nullif({column_sql(name)}, ''))" for name in names]
    filled += [f"count({column_sql(name)})" for name in names]
    answer = connection.execute(f"SELECT {', '.join(filled)} FROM raw").fetchall()[0]
    types = {}
    for name, non_empty, non_null in zip(names, answer[: len(names)], answer[len(names) :], strict=True):
        fitting = [type for type in TYPE_TEST_SQL if non_empty and counts[name, type] == 0]
        types[name] = fitting[0] if fitting else "string" if non_null else EMPTY_TYPE
    return types


def _type_mismatch_sql(name: str, type: str) -> str:
    spells = TYPE_TEST_SQL[type].replace("{v}", column_sql(name))
    return f"{column_sql(name)} <> '' AND NOT {spells}"
