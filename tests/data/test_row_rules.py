"""What a Dataset spec asks of its rows, as rules."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from mlops_ci.data.bounds import comparable_value
from mlops_ci.data.row_rules import (
    RowRule,
    UnusableRule,
    column_rules,
    finite_rules,
    format_percent,
    full_match_pattern,
    parse_duration,
    pattern_problem,
    pluralize,
    unique_rules,
)
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, Length, Nulls


def spec(**changes: Any) -> DatasetSpec:
    return DatasetSpec(**{"source": None, **changes})  # rules do not ask where rows come from


def rules(column: ColumnSpec, type: str, *, key: bool = False) -> list[tuple[str, str, str]]:
    return [(rule.id, rule.check, rule.wanted) for rule in column_rules("x", column, type, key)]


@pytest.mark.parametrize(
    ("value", "type", "found"),
    [
        (3, "integer", 3),
        (True, "integer", None),
        (True, "boolean", True),
        (1, "boolean", None),
        ("a", "string", "a"),
        (1, "string", None),
        ("2026-01-31", "date", date(2026, 1, 31)),
        ("31.01.2026", "date", None),
        ("2026-01-31T12:00:00+02:00", "timestamp", datetime(2026, 1, 31, 10)),  # noqa: DTZ001 - naive, in UTC
        ("2026-01-31", "other", None),
    ],
)
def test_a_bound_is_a_value_of_the_columns_type_or_none(value: Any, type: str, found: Any) -> None:
    assert comparable_value(value, type) == found


def test_a_rule_says_what_it_wants() -> None:
    column = ColumnSpec(min=0, max=10, values=(1, 2), nulls=Nulls(max=0.05))
    assert rules(column, "integer") == [
        ("check-nulls", "nulls", "at most 5 % missing"),
        ("check-range", "min", "at least 0"),
        ("check-range", "max", "at most 10"),
        ("check-values", "values", "one of 1, 2"),
    ]


def test_a_rule_that_has_no_meaning_for_the_type_is_not_silently_kept() -> None:
    column = ColumnSpec(min=0, values=(1, 2), pattern="a+", length=Length(min=1))
    found = list(column_rules("x", column, "date", key=False))
    assert [rule.id for rule in found] == ["check-not-applicable"] * 4
    assert all(isinstance(rule, UnusableRule) for rule in found)
    (broken,) = column_rules("x", ColumnSpec(pattern="(a"), "string", key=False)
    assert broken.id == "check-pattern-invalid"


def test_a_key_may_not_be_missing_whatever_its_column_allows() -> None:
    assert rules(ColumnSpec(nulls=Nulls(max=0.5)), "integer", key=True) == []
    assert rules(ColumnSpec(nulls=Nulls(max=0.0)), "integer", key=True)[0][0] == "check-nulls"


def test_every_number_must_be_finite_and_nothing_else() -> None:
    found = list(finite_rules(spec(), {"a": "number", "b": "integer", "c": "string"}))
    assert [(rule.column, rule.severity) for rule in found] == [("a", "error")]
    warned = spec(columns={"a": ColumnSpec(severity="warn")})
    assert [rule.severity for rule in finite_rules(warned, {"a": "number"})] == ["warn"]
    assert all(isinstance(rule, RowRule) for rule in found)


def test_columns_are_unique_once_by_the_strictest_rule() -> None:
    asked = spec(
        key=("id",),
        columns={
            "email": ColumnSpec(unique=True, severity="warn"),
            "id": ColumnSpec(unique=True, severity="warn"),
            "name": ColumnSpec(),
        },
    )
    assert [(rule.columns, rule.severity) for rule in unique_rules(asked)] == [(("id",), "error"), (("email",), "warn")]


@pytest.mark.parametrize(("pattern", "usable"), [("a|b", True), ("(?=a)b", False), ("a)|(b", False), ("[", False)])
def test_a_pattern_is_one_that_the_engine_takes_in_linear_time(pattern: str, usable: bool) -> None:
    assert (pattern_problem(pattern) is None) == usable


def test_a_pattern_holds_for_the_whole_value() -> None:
    import duckdb

    whole = full_match_pattern("a|b")
    with duckdb.connect(":memory:") as engine:
        found = [
            engine.execute("SELECT regexp_matches(?, ?)", [text, whole]).fetchall() for text in ("a", "b", "ab", "a\n")
        ]
    assert found == [[(True,)], [(True,)], [(False,)], [(False,)]]


def test_durations_have_a_number_and_a_unit() -> None:
    assert [parse_duration(text) for text in ("90s", "3h", "2w")] == [
        timedelta(seconds=90),
        timedelta(hours=3),
        timedelta(weeks=2),
    ]
    for text in ("", "3", "h", "-3h", "1.5h", "3 h", "1234567s"):
        with pytest.raises(ValueError, match="is not a duration"):
            parse_duration(text)


def test_numbers_read_as_people_write_them() -> None:
    assert [pluralize(1, "row"), pluralize(2000, "row"), pluralize(2, "class")] == ["1 row", "2,000 rows", "2 classes"]
    assert [format_percent(share) for share in (0, 0.05, 0.3333, 1)] == ["0 %", "5 %", "33.3 %", "100 %"]
