"""Column types: what DuckDB and text say, reduced to the six types of a spec, and each type's one canonical form.

Missing is one thing here: null, NaN, and an unquoted empty field of a CSV file are the same. Integers of every width
are `integer`; float and decimal are `number`; enums are `string`; timestamps are naive, in UTC, to the microsecond.
"""

from __future__ import annotations

import re

OTHER = "other"  # lists, structs, blobs, times: carried as text, and never what a spec asks for
EMPTY = "empty"  # a column that holds nothing, of a file that says no type: CSV, and parquet's null type
SQL_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
    OTHER: "VARCHAR",
    EMPTY: "VARCHAR",
}
_BY_NAME = {
    **dict.fromkeys(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"], "integer"),
    **dict.fromkeys(["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"], "integer"),
    **dict.fromkeys(["FLOAT", "DOUBLE", "DECIMAL"], "number"),
    **dict.fromkeys(["VARCHAR", "ENUM", "UUID"], "string"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    '"NULL"': EMPTY,
}
_NUMBER = (
    r"-?((0|[1-9][0-9]{0,17})|(0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)|-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]+"
)
_WORDS = "(?i:nan|[+-]?inf(inity)?)"
_SAFE = 2**53  # below it a float has the integer's own digits
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"

# of text `{v}` that is not empty: does it spell a value of the type? In the order in which a type is guessed.
SPELLS = {
    "boolean": "lower({v}) IN ('true', 'false')",
    "integer": "coalesce(TRY_CAST({v} AS BIGINT)::VARCHAR = {v}, false)",  # '007' and '1.0' are no integers
    "number": f"regexp_full_match({{v}}, '{_NUMBER}|{_WORDS}')",
    "date": "coalesce(TRY_CAST({v} AS DATE)::VARCHAR = {v}, false)",
    "timestamp": f"(regexp_full_match({{v}}, '{_MOMENT}') AND TRY_CAST({{v}} AS TIMESTAMPTZ) IS NOT NULL)",
}


def logical_type(sql_type: str) -> str:
    """Return the spec type of a DuckDB type's name, or `other` or `empty`."""
    if sql_type.startswith("TIMESTAMP"):
        return "timestamp"
    return OTHER if sql_type.endswith("]") else _BY_NAME.get(re.split(r"[( ]", sql_type)[0], OTHER)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def parsed(name: str, type: str) -> str:
    """Return SQL that turns the text column into a canonical value of the type; every value must spell one."""
    column = quoted(name)
    if type in ("string", EMPTY):
        return column
    value = f"nullif({column}, '')"
    if type == "timestamp":
        return f"timezone('UTC', CAST({value} AS TIMESTAMPTZ))"
    return _canonical(f"CAST({value} AS {SQL_TYPES[type]})", type)


def identity(name: str, type: str) -> str:
    """Return SQL for the text of a value that names its row, the same whatever type the column was taken for.

    One odd value turns a CSV column of integers into text, or of dates into timestamps, and the other rows must not be
    renamed by it. So whole numbers have no `.0`, midnight no time of day, and text that spells a value of another type
    is written as that type has it. (A float beyond 2^53 has lost the digits that tell it apart.)
    """
    column = quoted(name)
    if type == "number":
        return _number_text(column)
    if type == "timestamp":
        return _moment_text(column)
    if type != "string":
        return f"{column}::VARCHAR"
    number, moment = f"TRY_CAST({column} AS DOUBLE)", f"timezone('UTC', TRY_CAST({column} AS TIMESTAMPTZ))"
    spells = {known: text.replace("{v}", column) for known, text in SPELLS.items()}
    return (
        f"CASE WHEN {spells['integer']} OR {spells['date']} THEN {column} "
        f"WHEN {spells['boolean']} THEN lower({column}) "
        f"WHEN {spells['number']} AND isfinite({number}) THEN {_number_text(number)} "
        f"WHEN {spells['timestamp']} THEN {_moment_text(moment)} ELSE {column} END"
    )


def _number_text(value: str) -> str:
    whole = f"{value} = trunc({value}) AND abs({value}) < {_SAFE}"
    return f"CASE WHEN {whole} THEN TRY_CAST({value} AS BIGINT)::VARCHAR ELSE {value}::VARCHAR END"


def _moment_text(value: str) -> str:
    return f"CASE WHEN {value} = date_trunc('day', {value}) THEN {value}::DATE::VARCHAR ELSE {value}::VARCHAR END"


def converted(name: str, sql_type: str, type: str) -> str:
    """Return SQL that turns a column of the DuckDB type into its canonical form of the logical type."""
    column = quoted(name)
    if type == "integer":
        return column if sql_type in ("HUGEINT", "UHUGEINT", "UBIGINT") else f"CAST({column} AS BIGINT)"
    if type == "timestamp" and sql_type.startswith(("TIMESTAMPTZ", "TIMESTAMP WITH")):
        return f"timezone('UTC', CAST({column} AS TIMESTAMPTZ))"
    return _canonical(f"CAST({column} AS {SQL_TYPES[type]})", type)


def _canonical(value: str, type: str) -> str:
    # NaN is a missing value, and minus zero is zero
    return f"nullif({value}, CAST('nan' AS DOUBLE)) + 0.0" if type == "number" else value
