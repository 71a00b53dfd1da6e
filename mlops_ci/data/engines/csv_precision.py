"""Finds the DuckDB type that holds each column of a CSV file exactly: long integers, decimals and nanoseconds keep their digits."""

# ruff: noqa: S608  SQL contains only aliases, and the connection can only read the data
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import SQL_TYPES, column_sql
from mlops_ci.data.engines.duckdb_errors import precision_error

_MAX_DIGITS = 38  # of DuckDB's DECIMAL
EXACT_DIGITS = 15  # a float keeps so many digits of every decimal
_SUSPECTS = {
    # SQL that is true for a text `{v}` that the usual type of the column may not hold exactly; CASE spares short texts a cast
    "integer": "CASE WHEN strlen({v}) > 18 THEN TRY_CAST({v} AS BIGINT) IS NULL END",
    "number": f"CASE WHEN strlen({{v}}) > {EXACT_DIGITS} THEN CAST({{v}} AS DOUBLE)::VARCHAR <> {{v}} END",
    "timestamp": r"regexp_matches({v}, '\.[0-9]{6}[0-9]*[1-9]')",
}


def suspect_sql(text: str, type: str) -> str | None:
    """Return SQL that is true for a text, a value of the type, that the type's usual DuckDB type may not hold exactly.

    None: it holds all values.
    """
    return _SUSPECTS[type].replace("{v}", text) if type in _SUSPECTS else None


def exact_sql_types(connection: Any, rows: str, types: Mapping[str, str]) -> dict[str, str]:
    """Return the DuckDB type of each column of `rows`, which is SQL for texts that are values of the logical types.

    Numbers become DECIMAL where a float would lose digits and 38 digits suffice. Otherwise the fractions are rounded to
    floats, as in every other program that reads CSV. Raises Findings `data-precision` when this would change an integer,
    or when the nanoseconds of a column leave no room for its years.
    """
    tests = {name: suspect_sql(column_sql(name), type) for name, type in types.items()}
    asked = {name: test for name, test in tests.items() if test is not None}
    found: dict[str, str] = {name: SQL_TYPES[type] for name, type in types.items()}
    if not asked:
        return found
    answers = connection.execute(
        f"SELECT {', '.join(f'coalesce(bool_or({test}), false)' for test in asked.values())} FROM {rows}"
    ).fetchall()[0]
    for name, suspect in zip(asked, answers, strict=True):
        if suspect:
            exact = {"integer": _long_integer_type, "number": _number_type, "timestamp": _fine_timestamp_type}
            found[name] = exact[types[name]](connection, rows, name)
    return found


def _long_integer_type(_connection: Any, _rows: str, _name: str) -> str:
    return "HUGEINT"


def _fine_timestamp_type(connection: Any, rows: str, name: str) -> str:
    text = column_sql(name)
    lost = connection.execute(
        f"SELECT min({text}) FROM {rows} WHERE {text} <> '' AND TRY_CAST({text} AS TIMESTAMPTZ_NS) IS NULL"
    ).fetchall()[0][0]
    if lost is not None:
        raise precision_error(
            f"column {quote(name)} has nanoseconds, so it cannot have a moment outside the years 1678 to 2261"
        )
    return "TIMESTAMP_NS"


def _number_type(connection: Any, rows: str, name: str) -> str:
    text = column_sql(name)
    number = f"CAST({text} AS DOUBLE)"
    is_plain = f"regexp_full_match({text}, '-?[0-9]*(\\.[0-9]*)?')"
    before, behind = connection.execute(
        f"SELECT coalesce(max(strlen(ltrim(split_part({text}, '.', 1), '-'))), 0), "
        f"coalesce(max(strlen(rtrim(split_part({text}, '.', 2), '0'))), 0) FROM {rows} WHERE {text} <> '' AND {is_plain}"
    ).fetchall()[0]
    decimal = f"DECIMAL({_MAX_DIGITS},{min(behind, _MAX_DIGITS)})"
    as_decimal, as_float = f"TRY_CAST({text} AS {decimal})", f"TRY_CAST({number}::VARCHAR AS {decimal})"
    unfit, lossy = connection.execute(
        f"SELECT count(*) FILTER (WHERE NOT {is_plain} AND lower({text}) <> 'nan' "
        f"AND {as_decimal}::DOUBLE IS DISTINCT FROM {number}), "
        f"count(*) FILTER (WHERE {is_plain} AND {as_decimal} IS DISTINCT FROM {as_float}) FROM {rows} WHERE {text} <> ''"
    ).fetchall()[0]
    if before + behind <= _MAX_DIGITS and not unfit:
        return decimal if lossy else "DOUBLE"
    changed = connection.execute(
        f"SELECT min({text}) FROM {rows} WHERE regexp_full_match({text}, '-?[0-9]{{16,}}(\\.0*)?') "
        f"AND TRY_CAST({number} AS HUGEINT) IS DISTINCT FROM TRY_CAST(split_part({text}, '.', 1) AS HUGEINT)"
    ).fetchall()[0][0]
    if changed is not None:
        raise precision_error(
            f"column {quote(name)} has integers with more digits than a float keeps, beside numbers that no decimal of "
            f"{_MAX_DIGITS} digits can hold"
        )
    return "DOUBLE"
