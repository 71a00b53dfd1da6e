"""Maps DuckDB's types and CSV text to the six column types of a spec, and each value to one canonical form.

There is one missing value: null, NaN and an unquoted empty field of a CSV file are the same. Integers of every width
are `integer`; float and decimal are `number`; enums are `string`; timestamps are naive, in UTC, in microseconds.
"""

from __future__ import annotations

import re

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
    r"-?((0|[1-9][0-9]{0,17})|(0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)|-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]+"
)
_NAN_OR_INFINITY_PATTERN = "(?i:nan|[+-]?inf(inity)?)"
_ESCAPED_BYTE = re.compile(rb"[^a-z0-9_]")
_MAX_EXACT_FLOAT = 2**53  # below this value, a float represents every integer exactly
_TIMESTAMP_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)

# SQL that tests whether the non-empty text `{v}` is a value of the type, in the order in which types are tried.
TYPE_TEST_SQL = {
    "boolean": "lower({v}) IN ('true', 'false')",
    "integer": "coalesce(TRY_CAST({v} AS BIGINT)::VARCHAR = {v}, false)",  # '007' and '1.0' are not integers
    "number": f"regexp_full_match({{v}}, '{_NUMBER_PATTERN}|{_NAN_OR_INFINITY_PATTERN}')",
    "date": "coalesce(TRY_CAST({v} AS DATE)::VARCHAR = {v}, false)",
    "timestamp": f"(regexp_full_match({{v}}, '{_TIMESTAMP_PATTERN}') AND TRY_CAST({{v}} AS TIMESTAMPTZ) IS NOT NULL)",
}


def logical_type(sql_type: str) -> str:
    """Return the spec type for the name of a DuckDB type, or `other` or `empty`."""
    if sql_type.startswith("TIMESTAMP"):
        return "timestamp"
    return OTHER_TYPE if sql_type.endswith("]") else _LOGICAL_TYPES.get(re.split(r"[( ]", sql_type)[0], OTHER_TYPE)


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


def quote_literal(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def parsed_value_sql(column: str, type: str) -> str:
    """Return SQL that converts a text column to canonical values of the type. Every text must be a value of the type."""
    if type in ("string", EMPTY_TYPE):
        return column
    value = f"nullif({column}, '')"
    if type == "timestamp":
        return f"timezone('UTC', CAST({value} AS TIMESTAMPTZ))"
    return _canonical_value_sql(f"CAST({value} AS {SQL_TYPES[type]})", type)


def identity_text_sql(column: str, type: str) -> str:
    """Return SQL for the text of a key value. The text does not depend on the inferred type of the column.

    One odd value turns a CSV column of integers into text, or a column of dates into timestamps. The identity of the
    other rows must not change with it. So whole numbers have no `.0`, midnight has no time of day, and a text that is a
    value of another type is written in that type's form. (A float beyond 2^53 no longer has its exact digits.)
    """
    if type == "number":
        return _number_text_sql(column)
    if type == "timestamp":
        return _timestamp_text_sql(column)
    if type != "string":
        return f"{column}::VARCHAR"
    number, moment = f"TRY_CAST({column} AS DOUBLE)", f"timezone('UTC', TRY_CAST({column} AS TIMESTAMPTZ))"
    spells = {known: text.replace("{v}", column) for known, text in TYPE_TEST_SQL.items()}
    return (
        f"CASE WHEN {spells['integer']} OR {spells['date']} THEN {column} "
        f"WHEN {spells['boolean']} THEN lower({column}) "
        f"WHEN {spells['number']} AND isfinite({number}) THEN {_number_text_sql(number)} "
        f"WHEN {spells['timestamp']} THEN {_timestamp_text_sql(moment)} ELSE {column} END"
    )


def _number_text_sql(value: str) -> str:
    whole = f"{value} = trunc({value}) AND abs({value}) < {_MAX_EXACT_FLOAT}"
    return f"CASE WHEN {whole} THEN TRY_CAST({value} AS BIGINT)::VARCHAR ELSE {value}::VARCHAR END"


def _timestamp_text_sql(value: str) -> str:
    return f"CASE WHEN {value} = date_trunc('day', {value}) THEN {value}::DATE::VARCHAR ELSE {value}::VARCHAR END"


def converted_value_sql(column: str, sql_type: str, type: str) -> str:
    """Return SQL that converts a column of DuckDB type `sql_type` to canonical values of the logical type."""
    if type == "integer":
        return column if sql_type in ("HUGEINT", "UHUGEINT", "UBIGINT") else f"CAST({column} AS BIGINT)"
    if type == "timestamp" and sql_type.startswith(("TIMESTAMPTZ", "TIMESTAMP WITH")):
        return f"timezone('UTC', CAST({column} AS TIMESTAMPTZ))"
    return _canonical_value_sql(f"CAST({column} AS {SQL_TYPES[type]})", type)


def _canonical_value_sql(value: str, type: str) -> str:
    # NaN becomes a missing value, and minus zero becomes zero
    return f"CASE WHEN NOT isnan({value}) THEN {value} + 0.0 END" if type == "number" else value
