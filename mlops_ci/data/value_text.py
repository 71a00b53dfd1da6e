"""The text of a value: equal values have equal texts, however a file stores them, and different values have different ones."""

from __future__ import annotations

from mlops_ci.data.column_types import TYPE_TEST_SQL

_MAX_SHORT_TEXT = 15  # characters: a number of so few digits is the shortest decimal of its float


def identity_text_sql(column: str, type: str) -> str:
    """Return SQL for the text of a key value. The text does not depend on the inferred type of the column.

    One odd value turns a CSV column of integers into text, or a column of dates into timestamps. The identity of the
    other rows must not change with it. So whole numbers have no `.0`, midnight has no time of day, and a text that is a
    value of another type is written in that type's form.
    """
    if type == "number":
        return number_text_sql(column)
    if type == "timestamp":
        return _timestamp_text_sql(column)
    if type != "string":
        return f"{column}::VARCHAR"
    number, moment = f"TRY_CAST({column} AS DOUBLE)", f"timezone('UTC', TRY_CAST({column} AS TIMESTAMPTZ))"
    fine = f"timezone('UTC', TRY_CAST({column} AS TIMESTAMPTZ_NS))"
    spells = {known: text.replace("{v}", column) for known, text in TYPE_TEST_SQL.items()}
    return (
        f"CASE WHEN {spells['integer']} OR {spells['date']} THEN {column} "
        f"WHEN {spells['boolean']} THEN lower({column}) "
        f"WHEN {spells['number']} AND isfinite({number}) THEN {_spelled_number_sql(column, number)} "
        f"WHEN {spells['timestamp']} THEN CASE WHEN regexp_matches({column}, '\\.[0-9]{{7}}') "
        f"THEN {_timestamp_text_sql(fine)} ELSE {_timestamp_text_sql(moment)} END ELSE {column} END"
    )


def value_text_sql(column: str, type: str) -> str:
    """Return SQL for the text of a value of the logical type, for digests."""
    if type == "number":
        return number_text_sql(column)
    if type != "timestamp":
        return f"{column}::VARCHAR"
    # `typeof` is constant, so DuckDB computes one branch alone
    fine = f"CASE WHEN epoch_ns({column}) % 1000 <> 0 THEN epoch_ns({column})::VARCHAR || 'n' ELSE epoch_us({column})::VARCHAR END"
    since_1970 = f"CASE WHEN typeof({column}) = 'TIMESTAMP_NS' THEN {fine} ELSE epoch_us({column})::VARCHAR END"
    return f"coalesce({since_1970}, {column}::VARCHAR)"  # the greatest moment is called infinity, and has no number


def number_text_sql(value: str) -> str:
    """Return SQL for the text of a number: the digits of a whole number, else the shortest decimal, as DuckDB writes a float.

    A decimal and a float have the same text when the decimal is the float's shortest one.
    """
    return f"CASE WHEN typeof({value}) = 'DOUBLE' THEN {_float_text_sql(value)} ELSE {_exact_text_sql(value)} END"


def _float_text_sql(value: str) -> str:
    whole = f"{value} = trunc({value}) AND abs({value})"
    return (
        f"CASE WHEN {whole} < {2**53} THEN TRY_CAST({value} AS BIGINT)::VARCHAR "
        f"WHEN {whole} < 1e38 THEN TRY_CAST({value} AS HUGEINT)::VARCHAR ELSE {value}::VARCHAR END"
    )


def _exact_text_sql(value: str) -> str:
    text = f"{value}::VARCHAR"
    plain = f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    # DuckDB writes a float below 0.0001 with an exponent
    digits = f"ltrim({plain}, '-0.')"
    fraction = f"CASE WHEN length({digits}) > 1 THEN '.' || substr({digits}, 2) ELSE '' END"
    exponent = f"length({plain}) - length({digits}) - 1 - starts_with({plain}, '-')::INTEGER"
    small = f"CASE WHEN starts_with({plain}, '-') THEN '-' ELSE '' END || substr({digits}, 1, 1) || {fraction} || 'e-' || lpad(({exponent})::VARCHAR, 2, '0')"
    is_small = f"starts_with({plain}, '0.0000') OR starts_with({plain}, '-0.0000')"
    return f"CASE WHEN {is_small} THEN {small} ELSE {plain} END"


def _spelled_number_sql(text: str, number: str) -> str:
    """Return SQL for the text of a number that is spelled in a text column, where `number` is its float."""
    bare = f"regexp_replace(regexp_replace({text}, '^(-?)\\.', '\\10.'), '\\.?0*$', '')"
    exact = f"regexp_full_match({text}, '-?[0-9]*\\.[0-9]*') AND abs({number}) >= 0.0001"
    return f"CASE WHEN strlen({text}) > {_MAX_SHORT_TEXT} AND {exact} THEN {bare} ELSE {_float_text_sql(number)} END"


def _timestamp_text_sql(value: str) -> str:
    return f"CASE WHEN {value} = date_trunc('day', {value}) THEN {value}::DATE::VARCHAR ELSE {value}::VARCHAR END"
