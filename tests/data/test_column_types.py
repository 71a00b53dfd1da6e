"""Column types, against DuckDB itself: which type a name is, which text spells which value, and quotes that hold."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.data.column_types import (
    SQL_TYPES,
    TYPE_TEST_SQL,
    converted_value_sql,
    identity_text_sql,
    logical_type,
    parsed_value_sql,
    quote_identifier,
    quote_literal,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def ask(expression: str, value: str = "NULL", name: str = "x") -> object:
    """Return what an expression comes to where a column has a value."""
    with duckdb.connect() as connection:
        sql = f"SELECT {expression} FROM (SELECT {value} AS {name})"  # noqa: S608 nothing here comes from anybody else
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.parametrize(
    ("sql", "type"),
    [
        ("TINYINT", "integer"),
        ("UHUGEINT", "integer"),
        ("DECIMAL(18,3)", "number"),
        ("FLOAT", "number"),
        ("ENUM('a', 'b')", "string"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("TIMESTAMP_NS", "timestamp"),
        ("DATE", "date"),
        ("BOOLEAN", "boolean"),
        ("INTEGER[]", "other"),
        ("TIME", "other"),
        ("STRUCT(a INTEGER)", "other"),
        ('"NULL"', "empty"),
    ],
)
def test_each_type_of_the_engine_is_one_of_a_spec(sql: str, type: str) -> None:
    assert logical_type(sql) == type
    assert type in SQL_TYPES


@pytest.mark.parametrize(
    ("type", "spelt", "others"),
    [
        ("boolean", ["true", "FALSE"], ["yes", "1", "t"]),
        ("integer", ["0", "-7", "9223372036854775807"], ["007", "1.0", "+1", "9223372036854775808", ""]),
        ("number", ["1.5", "-.5", "1e3", "nan", "Infinity", "12345678901234567"], ["01", "1,5", "0x1", "1234567890123456789"]),
        ("date", ["2026-02-28"], ["2026-02-30", "2026-2-8", "28.2.2026"]),
        ("timestamp", ["2026-02-28", "2026-02-28 12:00", "2026-02-28T12:00:00.5Z"], ["12:00", "2026-02-30 12:00", "noon"]),
    ],
)  # fmt: skip
def test_text_spells_a_value_of_a_type_or_it_does_not(type: str, spelt: list[str], others: list[str]) -> None:
    assert {text: ask(TYPE_TEST_SQL[type].replace("{v}", quote_literal(text))) for text in [*spelt, *others]} == {
        **dict.fromkeys(spelt, True),
        **dict.fromkeys(others, False),
    }


@given(TEXT)
def test_text_comes_out_of_its_quotes_as_it_went_in(text: str) -> None:
    assert ask(quote_literal(text)) == text


@pytest.mark.parametrize("name", ['a"b', "a b", "select", "é;--"])
def test_a_column_may_have_any_name(name: str) -> None:
    assert ask(quote_identifier(name), "7", quote_identifier(name)) == 7


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        ("number", "1.0::DOUBLE", "1"),
        ("number", "1.5::DOUBLE", "1.5"),
        ("number", "1e300::DOUBLE", "1e+300"),
        ("timestamp", "TIMESTAMP '2026-02-28 00:00:00'", "2026-02-28"),
        ("timestamp", "TIMESTAMP '2026-02-28 12:00:00'", "2026-02-28 12:00:00"),
        ("integer", "7", "7"),
        ("string", "'7.0'", "7"),
        ("string", "'TRUE'", "true"),
        ("string", "'007'", "007"),
        ("string", "'2026-02-28T00:00:00Z'", "2026-02-28"),
        ("string", "'plain'", "plain"),
    ],
)
def test_a_value_names_its_row_the_same_whatever_its_column_was_taken_for(type: str, value: str, text: str) -> None:
    assert ask(identity_text_sql("x", type), value) == text


def test_what_is_missing_and_minus_zero_have_one_form() -> None:
    number = converted_value_sql("x", "DOUBLE", "number")
    assert ask(number, "'nan'::DOUBLE") is None
    assert str(ask(number, "'-0.0'::DOUBLE")) == "0.0"
    for type in ("integer", "number", "date", "timestamp", "boolean"):
        assert ask(parsed_value_sql("x", type), "''") is None
    assert ask(parsed_value_sql("x", "string"), "''") == ""


def test_a_moment_with_a_zone_is_in_utc() -> None:
    moment = f"{parsed_value_sql('x', 'timestamp')}::VARCHAR"
    assert ask(moment, "'2026-02-28T12:00:00+02:00'") == "2026-02-28 10:00:00"
