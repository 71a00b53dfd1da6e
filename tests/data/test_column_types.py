"""Types and texts of columns: one type for many of the engine's, one text for a value whatever its column's type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mlops_ci.data.column_types import (
    SQL_TYPES,
    TYPE_TEST_SQL,
    converted_value_sql,
    logical_type,
    parsed_value_sql,
    quote_identifier,
    quote_literal,
)
from mlops_ci.data.value_text import identity_text_sql


@pytest.fixture
def engine() -> Iterator[Any]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone='UTC'")
        yield connection


def value_of(engine: Any, sql: str, text: str, type: str = "VARCHAR") -> Any:
    """Return what an expression over the column `x` gives for one value."""
    query = f"SELECT {sql} FROM (SELECT CAST(? AS {type}) AS x)"  # noqa: S608 - types and expressions are the test's own
    return engine.execute(query, [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("sql_type", "type"),
    [
        ("UTINYINT", "integer"),
        ("DECIMAL(18,3)", "number"),
        ("ENUM('a', 'b')", "string"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("TIMESTAMP_NS", "timestamp"),
        ("INTEGER[]", "other"),
        ("STRUCT(a INTEGER)", "other"),
        ("TIME", "other"),
        ('"NULL"', "empty"),
    ],
)
def test_every_type_of_the_engine_is_one_of_a_spec_or_other_or_empty(sql_type: str, type: str) -> None:
    assert logical_type(sql_type) == type


@pytest.mark.parametrize("name", ["plain", 'say "x"', "'; DROP TABLE data; --", "ümlaut"])
def test_a_name_or_text_is_never_sql(name: str, engine: Any) -> None:
    engine.execute(f"CREATE TABLE data ({quote_identifier(name)} INTEGER)")
    assert [row[0] for row in engine.execute("DESCRIBE data").fetchall()] == [name]
    assert engine.execute(f"SELECT {quote_literal(name)}").fetchall() == [(name,)]


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("1", {"integer", "number"}),
        ("007", set()),
        ("1.0", {"number"}),
        ("-.5e3", {"number"}),
        ("NaN", {"number"}),
        ("True", {"boolean"}),
        ("2026-01-31", {"date", "timestamp"}),
        ("2026-02-31", set()),
        ("2026-01-31T10:00:00Z", {"timestamp"}),
        ("yes", set()),
    ],
)
def test_a_text_spells_a_value_of_these_types(text: str, types: set[str], engine: Any) -> None:
    assert {type for type, sql in TYPE_TEST_SQL.items() if value_of(engine, sql.replace("{v}", "x"), text)} == types


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("12", {"VARCHAR": "string", "BIGINT": "integer", "DOUBLE": "number"}),
        ("-0.25", {"VARCHAR": "string", "DOUBLE": "number"}),
        ("2026-01-31", {"VARCHAR": "string", "DATE": "date", "TIMESTAMP": "timestamp"}),
        ("true", {"VARCHAR": "string", "BOOLEAN": "boolean"}),
        ("Oslo", {"VARCHAR": "string"}),
    ],
)
def test_a_row_keeps_its_name_when_its_column_becomes_another_type(
    text: str, types: dict[str, str], engine: Any
) -> None:
    found = {value_of(engine, identity_text_sql("x", type), text, sql_type) for sql_type, type in types.items()}
    assert found == {text}


def test_equal_values_are_named_alike_and_others_apart(engine: Any) -> None:
    named = [value_of(engine, identity_text_sql("x", "string"), text) for text in ("1.50", "1.5", "1.51", "1,5")]
    assert named[0] == named[1]
    assert len(set(named)) == 3


@pytest.mark.parametrize(
    ("text", "type", "shown"),
    [
        ("NaN", "number", None),
        ("-0.0", "number", "0.0"),
        ("", "integer", None),
        ("2026-01-31T12:00:00+02:00", "timestamp", "2026-01-31 10:00:00"),
    ],
)
def test_a_parsed_value_has_one_form(text: str, type: str, shown: str | None, engine: Any) -> None:
    assert value_of(engine, f"({parsed_value_sql('x', SQL_TYPES[type])})::VARCHAR", text) == shown


def test_a_moment_of_another_zone_is_stored_in_utc(engine: Any) -> None:
    sql = converted_value_sql("x", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "")
    assert value_of(engine, f"({sql})::VARCHAR", "2026-01-31 12:00:00+02", "TIMESTAMPTZ") == "2026-01-31 10:00:00"
