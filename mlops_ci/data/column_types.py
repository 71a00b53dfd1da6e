"""Maps DuckDB's types and CSV text to the six column types of a spec, and each value to one canonical form.

There is one missing value: null, NaN and an unquoted empty field of a CSV file are the same. Integers of every width
and decimals without a fraction are `integer`; float and decimal are `number`; enums are `string`; timestamps are naive,
in UTC. The engine stores a value as it is, or the file is refused (`data-precision`): integers up to 38 digits, decimals
as DECIMAL, floating-point numbers as DOUBLE, moments in microseconds, or in nanoseconds where a file has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

COLUMNS_PER_QUERY = 50
OTHER_TYPE = "other"  # lists, structs, blobs, times: read as text; no spec can declare this type
EMPTY_TYPE = "empty"  # a column without values and without a type: in CSV, or with parquet's null type
SQL_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
    OTHER_TYPE: "VARCHAR",
    EMPTY_TYPE: "VARCHAR",
}
_LOGICAL_TYPES = {
    **dict.fromkeys(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"], "integer"),
    **dict.fromkeys(["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"], "integer"),
    **dict.fromkeys(["FLOAT", "DOUBLE", "DECIMAL"], "number"),
    **dict.fromkeys(["VARCHAR", "ENUM", "UUID"], "string"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    '"NULL"': EMPTY_TYPE,
}
_NUMBER_PATTERN = (
    r"-?((0|[1-9][0-9]{0,37})|(0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)|-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]+"
)
_NAN_OR_INFINITY_PATTERN = "(?i:nan|[+-]?inf(inity)?)"
_ESCAPED_BYTE = re.compile(rb"[^a-z0-9_]")
_TIMESTAMP_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9}0*)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)

# SQL that tests whether the non-empty text `{v}` is a value of the type, in the order in which types are tried.
TYPE_TEST_SQL = {
    "boolean": "lower({v}) IN ('true', 'false')",
    # '007' and '1.0' are not integers
    "integer": "coalesce(TRY_CAST({v} AS BIGINT)::VARCHAR = {v}, TRY_CAST({v} AS HUGEINT)::VARCHAR = {v}, false)",
    "number": f"regexp_full_match({{v}}, '{_NUMBER_PATTERN}|{_NAN_OR_INFINITY_PATTERN}')",
    # DuckDB's dates may be infinite
    "date": "coalesce(TRY_CAST({v} AS DATE)::VARCHAR = {v} AND NOT ends_with({v}, 'infinity'), false)",
    "timestamp": f"(regexp_full_match({{v}}, '{_TIMESTAMP_PATTERN}') AND TRY_CAST({{v}} AS TIMESTAMPTZ) IS NOT NULL)",
}


def logical_type(sql_type: str) -> str:
    """Return the spec type for the name of a DuckDB type, or `other` or `empty`."""
    if sql_type.startswith("TIMESTAMP"):
        return "timestamp"
    if decimal_digits(sql_type)[1:] == (0,):
        return "integer"
    return OTHER_TYPE if sql_type.endswith("]") else _LOGICAL_TYPES.get(re.split(r"[( ]", sql_type)[0], OTHER_TYPE)


def decimal_digits(sql_type: str) -> tuple[int, ...]:
    """Return the digits of a DECIMAL type, and how many of them are behind the point; nothing for other types."""
    found = re.fullmatch(r"DECIMAL\(([0-9]+),([0-9]+)\)", sql_type)
    return (int(found[1]), int(found[2])) if found else ()


def quote_identifier(name: str) -> str:
    """Return a name as an SQL identifier. A column of the data is addressed by `column_sql` instead."""
    return '"' + name.replace('"', '""') + '"'


def column_alias(name: str) -> str:
    """Return the name that a column of the data has inside the engine, such as `c_amount` or `c_customer%2eid`.

    DuckDB and Narwhals read meaning into some names (`*`, `a.b`), and DuckDB takes upper and lower case for equal. An
    alias has only lower-case letters, digits, `_` and `%`, and different names have different aliases. It starts with
    `c_`, so that it is neither a word of SQL nor a column that a query of ours adds.
    """
    return "c_" + _ESCAPED_BYTE.sub(lambda byte: b"%%%02x" % byte[0][0], name.encode("utf-8", "surrogatepass")).decode()


def column_sql(name: str) -> str:
    """Return SQL for a column of the relation `cells`, whose columns have aliases."""
    return f'"{column_alias(name)}"'


def batch_columns(items: Iterable[T]) -> list[list[T]]:
    """Return the columns of a table, or what is asked of them, in batches for one query each; at least one.

    The time to plan a query grows faster than its number of columns, and each aggregate takes memory.
    """
    every = list(items)
    return [every[at : at + COLUMNS_PER_QUERY] for at in range(0, len(every), COLUMNS_PER_QUERY)] or [[]]


def quote_literal(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def parsed_value_sql(column: str, sql_type: str) -> str:
    """Return SQL that converts a text column to canonical values of a DuckDB type. Every text must be a value of the type."""
    if sql_type == "VARCHAR":
        return column
    value = f"nullif({column}, '')"
    if sql_type in ("TIMESTAMP", "TIMESTAMP_NS"):
        return f"timezone('UTC', CAST({value} AS {sql_type.replace('TIMESTAMP', 'TIMESTAMPTZ')}))"
    if sql_type.startswith("DECIMAL"):
        value = f"CASE WHEN lower({value}) <> 'nan' THEN {value} END"
    return canonical_value_sql(f"CAST({value} AS {sql_type})", sql_type)


def converted_value_sql(column: str, sql_type: str, target: str, refusal: str) -> str:
    """Return SQL that converts a column of DuckDB type `sql_type` to canonical values of type `target`.

    The query fails with the text `refusal` on a value that `target` cannot hold exactly.
    """
    if target in ("TIMESTAMP", "TIMESTAMP_NS"):
        zone = "TZ" if sql_type.startswith(("TIMESTAMPTZ", "TIMESTAMP WITH")) else ""
        moment = f"TRY_CAST({column} AS {target.replace('TIMESTAMP', 'TIMESTAMP' + zone)})"
        exact = column if sql_type == target else _exact_sql(column, moment, f"{moment} IS NOT NULL", refusal)
        return f"timezone('UTC', {exact})" if zone else exact
    value, kept = f"TRY_CAST({column} AS {target})", ""
    if target == "DOUBLE" and sql_type not in ("FLOAT", "DOUBLE", '"NULL"'):
        # the shortest decimal of a float is the value that is meant
        exact = sql_type if decimal_digits(sql_type) else "DECIMAL(38,0)"
        kept = f"coalesce(TRY_CAST({value}::VARCHAR AS {exact}) = {column}, false)"
    elif decimal_digits(target) or (target == "BIGINT" and decimal_digits(sql_type)):
        kept = f"{value} IS NOT NULL"
    elif target == "HUGEINT":
        value = f"CAST({column} AS HUGEINT)"
    return canonical_value_sql(
        _exact_sql(column, value, kept, refusal) if kept else f"CAST({column} AS {target})", target
    )


def _exact_sql(column: str, value: str, kept: str, refusal: str) -> str:
    return f"CASE WHEN {column} IS NULL OR {kept} THEN {value} ELSE error({quote_literal(refusal)}) END"


def canonical_value_sql(value: str, sql_type: str) -> str:
    """Return SQL that makes NaN a missing value, and minus zero zero."""
    return f"nullif({value} + 0.0, 'nan'::DOUBLE)" if sql_type == "DOUBLE" else value
