"""Reads CSV files into a table, each column as the type that fits all its fields.

Fields are read as values at once where the declared types, or those of the first rows, fit; otherwise all are read as text first.
"""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.data.column_types import EMPTY_TYPE, batch_columns, column_sql, parsed_value_sql, quote_literal
from mlops_ci.data.engines.csv_precision import exact_sql_types
from mlops_ci.data.engines.csv_values import examine_first_rows, read_values
from mlops_ci.data.engines.duckdb_errors import duckdb_error_text, translate_duckdb_errors
from mlops_ci.data.engines.file_columns import require_same_columns
from mlops_ci.data.engines.written_values import WrittenColumn, field_sql
from mlops_ci.data.sources.csv import CsvFile, duckdb_csv_options, explain_csv_error, read_header
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
    source = local.source
    skipped, known = local.skipped_lines, local.known_names
    files = [CsvFile(local.root / file.path, file.path, source, skipped, known) for file in local.files]
    headers = _read_headers(files)
    names = tuple(name for name in headers[files[0].name] if name)
    require_same_columns({path: dict.fromkeys(header, "") for path, header in headers.items()})
    columns = {name: declared.get(name, ColumnSpec()) for name in names}
    written = {
        name: WrittenColumn(name, source, column.format, local.json_kinds.get(name)) for name, column in columns.items()
    }
    fields = " UNION ALL ".join(
        _fields_sql(tuple(alike), header, names)
        for header, alike in itertools.groupby(files, lambda file: headers[file.name])
    )
    if found := read_values(connection, fields, written, columns):
        return found, {}
    connection.execute(f"CREATE TABLE raw ({', '.join(f'{column_sql(name)} VARCHAR' for name in names)})")
    findings: list[Diagnostic] = []
    for file in files:
        findings += _insert_rows(connection, file, headers[file.name], names)
    if findings:
        raise Findings(findings)
    types, mismatches = _infer_csv_types(connection, written, columns)
    plain = {name: f"{written[name].plain_text_sql(type)} AS {column_sql(name)}" for name, type in types.items()}
    rows = f"(SELECT {', '.join(plain.values())} FROM raw)"
    with translate_duckdb_errors("the data"):
        sql_types: dict[str, str] = {}
        for batch in batch_columns(types):
            some = f"(SELECT {', '.join(plain[name] for name in batch)} FROM raw)"
            sql_types |= exact_sql_types(connection, some, {name: types[name] for name in batch})
        parsed = ", ".join(
            f"{parsed_value_sql(column_sql(name), type)} AS {column_sql(name)}" for name, type in sql_types.items()
        )
        connection.execute(f"CREATE TABLE cells AS SELECT {parsed} FROM {rows}")
    connection.execute("DROP TABLE raw")
    return types, mismatches


def _read_headers(files: Sequence[CsvFile]) -> dict[str, tuple[str, ...]]:
    """Return the header of each file by its name; raises the Findings of all files."""
    headers: dict[str, tuple[str, ...]] = {}
    findings: list[Diagnostic] = []
    for file in files:
        try:
            headers[file.name] = read_header(file)
        except Findings as error:
            findings += error.diagnostics
    if findings:
        raise Findings(findings)
    return headers


def _fields_sql(files: Sequence[CsvFile], header: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return SQL for the fields, as text, of files of one source that have the same header."""
    source = files[0].source
    places = {name: place for place, name in enumerate(header)}
    fields = ", ".join(f"{field_sql(f'c{places[name]}', source)} AS {column_sql(name)}" for name in names)
    paths = ", ".join(quote_literal(str(file.path.resolve())) for file in files)
    return f"SELECT {fields} FROM read_csv([{paths}], {duckdb_csv_options(len(header), source)})"


def _insert_rows(
    connection: Any, file: CsvFile, header: tuple[str, ...], names: tuple[str, ...]
) -> tuple[Diagnostic, ...]:
    """Add the fields of a file to the table `raw`; return the findings if it cannot be read."""
    import duckdb

    try:
        connection.execute(f"INSERT INTO raw {_fields_sql((file,), header, names)}")
    except duckdb.Error as error:
        return explain_csv_error(file, len(header), duckdb_error_text(error), str(error)).diagnostics
    return ()


def _infer_csv_types(
    connection: Any, columns: Mapping[str, WrittenColumn], declared: Mapping[str, ColumnSpec]
) -> tuple[dict[str, str], dict[str, TypeMismatch]]:
    """Return each column's type, and the mismatches with declared types. All rows are used.

    A column has its declared type when all its fields are values of that type, else the first type that fits.
    """
    wanted = {name: type for name in columns if (type := declared[name].expected_type) is not None}
    tests = [(columns[name], type) for name, type in wanted.items() if type != "string"]
    counts = _count_mismatches(connection, tests)
    fitting = {name: type for name, type in wanted.items() if not counts.get((name, type))}
    # several tests a column, most of the time of reading a small file, so only where no declared type fits
    types = {**fitting, **_guess_csv_types(connection, [columns[name] for name in columns if name not in fitting])}
    mismatches = {}
    for name, type in wanted.items():
        if name not in fitting:
            least = f"SELECT min({column_sql(name)}) FROM raw WHERE {columns[name].mismatch_sql(type)}"
            mismatches[name] = TypeMismatch(counts[name, type], connection.execute(least).fetchall()[0][0])
    return {name: types[name] for name in columns}, mismatches


def _count_mismatches(connection: Any, tests: Sequence[tuple[WrittenColumn, str]]) -> dict[tuple[str, str], int]:
    """Return, for each column and type, the number of fields that are no values of the type."""
    counts: dict[tuple[str, str], int] = {}
    for batch in batch_columns(tests):
        asked = ", ".join(f"count(*) FILTER (WHERE {column.mismatch_sql(type)})" for column, type in batch)
        answer = connection.execute(f"SELECT {asked} FROM raw").fetchall()[0] if batch else ()
        counts |= zip([(column.name, type) for column, type in batch], answer, strict=True)
    return counts


def _guess_csv_types(connection: Any, columns: Sequence[WrittenColumn]) -> dict[str, str]:
    """Return the first type that fits all fields of each column; text without a fitting type, EMPTY_TYPE without a value."""
    filled: dict[str, tuple[int, int]] = {}
    for batch in batch_columns(columns):
        asked = [f"count(nullif({column_sql(column.name)}, '')), count({column_sql(column.name)})" for column in batch]
        answer = connection.execute(f"SELECT {', '.join(asked)} FROM raw").fetchall()[0] if asked else ()
        filled |= zip([column.name for column in batch], zip(answer[::2], answer[1::2], strict=True), strict=True)
    # a type that does not fit the first rows fits no column: most columns need one test of all rows, not one of each type
    possible = {column.name: column.possible_types if filled[column.name][0] else () for column in columns}
    first = examine_first_rows(connection, columns, "raw")
    left = {
        column.name: [type for type in possible[column.name] if type in first[column.name].types] for column in columns
    }
    types: dict[str, str] = {}
    open_columns = list(columns)
    while open_columns:
        tests = [(column, left[column.name][0]) for column in open_columns if left[column.name]]
        counts = _count_mismatches(connection, tests)
        for column in open_columns:
            _, non_null = filled[column.name]
            if not left[column.name]:
                types[column.name] = column.text_type if non_null else EMPTY_TYPE
            elif not counts[column.name, left[column.name][0]]:
                types[column.name] = left[column.name][0]
            else:
                left[column.name].pop(0)
        open_columns = [column for column in open_columns if column.name not in types]
    return types
