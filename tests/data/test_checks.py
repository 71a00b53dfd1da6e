from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, Length, Nulls

FLIGHTS = """id,carrier,distance,late,day,when,name
1,AA,100,true,2026-01-01,2026-01-01 10:00:00,Ann
2,B6,2500.5,false,2026-01-02,2026-01-02 10:00:00,Bob
3,,300,,2026-01-03,2026-01-03T10:00:00Z,Zoë
4,AA,,true,,2026-01-04 10:00,Ann
"""


@pytest.mark.parametrize(
    ("id", "check", "good", "bad", "failing"),
    [
        ("check-nulls", "nulls", {"carrier": ColumnSpec(nulls=Nulls(0.25))}, {"carrier": ColumnSpec(nulls=Nulls(0.2))}, 1),
        ("check-range", "min", {"distance": ColumnSpec(min=100)}, {"distance": ColumnSpec(min=100.5)}, 1),
        ("check-range", "max", {"distance": ColumnSpec(max=2500.5)}, {"distance": ColumnSpec(max=2500)}, 1),
        ("check-range", "min", {"day": ColumnSpec(min="2026-01-01")}, {"day": ColumnSpec(min="2026-01-02")}, 1),
        (
            "check-range",
            "max",
            {"when": ColumnSpec(max="2026-01-04T11:00:00+01:00")},
            {"when": ColumnSpec(max="2026-01-04T10:59:59+01:00")},
            1,
        ),
        ("check-range", "min", {"name": ColumnSpec(min="Ann")}, {"name": ColumnSpec(min="B")}, 2),
        ("check-values", "values", {"carrier": ColumnSpec(values=("AA", "B6"))}, {"carrier": ColumnSpec(values=("AA",))}, 1),
        ("check-values", "values", {"late": ColumnSpec(values=(True, False))}, {"late": ColumnSpec(values=(False,))}, 2),
        ("check-values", "values", {"id": ColumnSpec(values=(1, 2, 3, 4))}, {"id": ColumnSpec(values=(1, 2))}, 2),
        ("check-values", "values", {"day": ColumnSpec(values=("2026-01-01", "2026-01-02", "2026-01-03"))},
         {"day": ColumnSpec(values=("2026-01-01",))}, 2),
        ("check-pattern", "pattern", {"name": ColumnSpec(pattern="Ann|Bob|Zo.")}, {"name": ColumnSpec(pattern="An|Bob|Zo.")}, 2),
        ("check-length", "length", {"name": ColumnSpec(length=Length(3, 3))}, {"name": ColumnSpec(length=Length(4))}, 4),
        ("check-length", "length", {"name": ColumnSpec(length=Length(max=3))}, {"name": ColumnSpec(length=Length(max=2))}, 4),
        ("check-unique", "unique", {"id": ColumnSpec(unique=True)}, {"name": ColumnSpec(unique=True)}, 2),
    ],
)  # fmt: skip
def test_column_check(
    bench: Any, id: str, check: str, good: dict[str, ColumnSpec], bad: dict[str, ColumnSpec], failing: int
) -> None:
    bench.csv(FLIGHTS)
    result = bench.check(check, columns=good)
    assert result.passed
    (result,) = [result for result in bench.snapshot(columns=bad)[0].checks if result.check == check]
    (found,) = bench.snapshot(columns=bad)[1]
    (column,) = bad
    assert not result.passed
    assert result.failing == failing
    assert (found.id, found.severity) == (id, "error")
    assert found.location.path == f"spec/columns/{column}/{check}"
    assert len(result.samples) == min(failing, 1 if check == "unique" else 5)


@pytest.mark.parametrize(
    ("id", "good", "bad"),
    [
        ("check-row-count", CheckSpec("row-count", min=4, max=4), CheckSpec("row-count", min=5)),
        ("check-row-count", CheckSpec("row-count", max=4), CheckSpec("row-count", max=3)),
        ("check-unique", CheckSpec("unique", columns=("name", "carrier", "id")), CheckSpec("unique", columns=("name", "carrier"))),
        ("check-freshness", CheckSpec("freshness", column="when", max_age="57d"), CheckSpec("freshness", column="when", max_age="56d")),
        ("check-freshness", CheckSpec("freshness", column="day", max_age="57d"), CheckSpec("freshness", column="day", max_age="8w")),
        ("check-custom-sql", CheckSpec("custom-sql", sql="distance > 50"), CheckSpec("custom-sql", sql="distance > 100")),
        ("check-custom-sql", CheckSpec("custom-sql", sql="distance > 100", max=0.25), CheckSpec("custom-sql", sql="id > 2", max=0.25)),
    ],
)  # fmt: skip
def test_table_check(bench: Any, id: str, good: CheckSpec, bad: CheckSpec) -> None:
    bench.csv(FLIGHTS)
    assert bench.ids(checks=(good,)) == []
    record, (found,) = bench.snapshot(checks=(bad,))
    assert (found.id, found.severity, found.location.path) == (id, "error", "spec/checks/0")
    assert not record.has_passed
    record, (found,) = bench.snapshot(checks=(replace(bad, severity="warn"),))
    assert (found.id, found.severity) == (id, "warning")
    assert record.has_passed


@pytest.mark.parametrize(
    ("type", "text", "fits"),
    [
        ("integer", "1\n2\n", True),
        ("number", "1\n2\n", True),
        ("number", "1.5\n-2e3\n", True),
        ("integer", "1.0\n", False),
        ("integer", "007\n", False),
        ("string", "1\n2\n", True),
        ("boolean", "true\nFalse\n", True),
        ("boolean", "0\n1\n", False),
        ("date", "2026-01-31\n", True),
        ("date", "2026-02-30\n", False),
        ("timestamp", "2026-01-31\n2026-01-31 10:00\n", True),
        ("timestamp", "yesterday\n", False),
        ("number", '""\n""\n', True),
        ("date", "2026-01-31 10:00\n", False),
    ],
)
def test_declared_type_of_csv(bench: Any, type: str, text: str, fits: bool) -> None:
    bench.csv(f"c,id\n{''.join(f'{line},1{chr(10)}' for line in text.splitlines())}")
    assert bench.ids(columns={"c": ColumnSpec(type=type)}) == ([] if fits else ["data-type"])  # type: ignore[arg-type]  # parametrised text


@pytest.mark.parametrize(
    ("sql_type", "values", "declared", "fits"),
    [
        ("int8", [1], "integer", True),
        ("uint64", [2**63], "integer", True),
        ("int32", [1], "number", True),
        ("float32", [0.5], "number", True),
        ("float64", [1.0], "integer", False),
        ("string", ["a"], "string", True),
        ("string", ["1"], "integer", False),
        ("bool", [True], "boolean", True),
        ("date32", [date(2026, 1, 1)], "date", True),
        ("timestamp[ns]", [0], "timestamp", True),
        ("timestamp[s]", [0], "date", False),
        ("float64", [None], "string", True),
        ("null", [None], "date", True),
    ],
)
def test_declared_type_of_parquet(
    parquet_bench: Any, sql_type: str, values: list[Any], declared: str, fits: bool
) -> None:
    import pyarrow as pa

    parquet_bench.parquet({"c": pa.array(values, pa.type_for_alias(sql_type))})
    assert parquet_bench.ids(columns={"c": ColumnSpec(type=declared)}) == ([] if fits else ["data-type"])  # type: ignore[arg-type]  # parametrised text


def test_enums_and_zoned_moments_are_plain(parquet_bench: Any) -> None:
    import pyarrow as pa

    parquet_bench.parquet(
        {"e": pa.array(["a", "b"]).dictionary_encode(), "t": pa.array([0, 1], pa.timestamp("ns", "UTC"))}
    )
    assert parquet_bench.ids(columns={"e": ColumnSpec("string"), "t": ColumnSpec("timestamp")}) == []


def test_a_wrong_type_and_a_missing_column_stop_no_other_check(bench: Any) -> None:
    bench.csv("id,n\n1,x\n1,y\n")
    record, found = bench.snapshot(
        columns={
            "n": ColumnSpec("integer", min=0),
            "gone": ColumnSpec(min=1),
            "id": ColumnSpec("integer", max=0, unique=True),
        },
        checks=(CheckSpec("row-count", min=3),),
    )
    assert [(item.id, item.location.path) for item in found] == [
        ("data-column-missing", "spec/columns/gone"),
        ("data-type", "spec/columns/n/type"),
        ("check-range", "spec/columns/id/max"),
        ("check-unique", "spec/columns/id/unique"),
        ("check-row-count", "spec/checks/0"),
    ]
    assert "2 values are not of type integer, such as 'x'" in found[1].help
    assert not record.has_passed


def test_many_missing_columns_are_one_finding_and_stay_results_of_their_own(bench: Any) -> None:
    bench.csv("1,2\n3,4\n")
    columns = {f"c{index}": ColumnSpec("integer") for index in range(12)}
    record, (found,) = bench.snapshot(columns=columns)
    assert (found.id, found.location.path) == ("data-column-missing", "spec/columns/c0")
    assert found.message == "12 columns are missing in the data: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more"
    assert found.help == "the data have: 1, 2; check that it is the right file and has a header line"
    assert [result.column for result in record.checks if not result.passed] == list(columns)
    three = {name: columns[name] for name in ("c0", "c1", "c2")}
    assert bench.ids(columns=three) == ["data-column-missing"] * 3


@pytest.mark.parametrize("declared", [{}, {"x": ColumnSpec("number")}])
def test_infinite_numbers_are_found_and_counted(bench: Any, declared: dict[str, ColumnSpec]) -> None:
    bench.csv("id,x,y\n1,0.5,1\n2,inf,1.5\n3,-Infinity,2\n4,nan,3\n5,,1e300\n")
    record, (found,) = bench.snapshot(key=("id",), columns=declared)
    assert (found.id, found.severity, found.location.path) == ("check-finite", "error", "spec/columns/x")
    assert found.message == "column 'x': 2 of 5 rows (40 %) fail 'a finite number'"
    (result,) = [check for check in record.checks if check.check == "finite"]
    assert (result.failing, result.samples) == (2, ({"id": 2, "x": "inf"}, {"id": 3, "x": "-inf"}))
    (found,) = bench.snapshot(key=("id",), columns={"x": ColumnSpec("number", severity="warn")})[1]
    assert found.severity == "warning"


def test_one_is_no_plural(bench: Any) -> None:
    bench.csv("n\nx\n")
    found = bench.snapshot(columns={"n": ColumnSpec("integer")}, checks=(CheckSpec("row-count", min=2),))[1]
    assert found[0].help is not None
    assert found[0].help.startswith("1 value is not of type integer, such as 'x'")
    assert found[1].message == "the data have 1 row; expected: at least 2 rows"


def test_a_near_miss_of_a_column_is_suggested(bench: Any) -> None:
    bench.csv("carrier\nAA\n")
    (found,) = bench.snapshot(columns={"carriers": ColumnSpec()})[1]
    assert found.help == "did you mean 'carrier'?"


def test_a_bound_that_cannot_be_compared_is_said(bench: Any) -> None:
    bench.csv("name\nAnn\n")
    assert bench.ids(columns={"name": ColumnSpec(min=3)}) == ["check-not-applicable"]
    assert bench.ids(columns={"name": ColumnSpec(values=(1, 2))}) == ["check-not-applicable"]
    bench.csv("name\n1\n")
    assert bench.ids(columns={"name": ColumnSpec(pattern="1", length=Length(1))}) == ["check-not-applicable"] * 2
    assert bench.ids(checks=(CheckSpec("freshness", column="name", max_age="1d"),)) == ["check-not-applicable"]


@pytest.mark.parametrize("pattern", ["a(", "a)|(b", "(?=x)", r"\Qab"])
def test_a_pattern_that_is_none(bench: Any, pattern: str) -> None:
    bench.csv("name\nAnn\n")
    assert bench.ids(columns={"name": ColumnSpec(pattern=pattern)}) == ["check-pattern-invalid"]


def test_a_pattern_means_the_whole_value(bench: Any) -> None:
    bench.csv('name\n"ab\nc"\n')
    assert bench.ids(columns={"name": ColumnSpec(pattern="(?m)ab$")}) == ["check-pattern"]
    assert bench.ids(columns={"name": ColumnSpec(pattern="ab\nc")}) == []


def test_undeclared_columns(bench: Any) -> None:
    bench.csv("id,extra\n1,2\n")
    assert bench.ids(columns={"id": ColumnSpec()}) == []
    (found,) = bench.snapshot(columns={"id": ColumnSpec()}, columns_closed=True)[1]
    assert (found.id, found.location.path) == ("data-column-undeclared", "spec/columnsClosed")
    assert "'extra'" in found.message


def test_a_key_is_unique_and_there(bench: Any) -> None:
    bench.csv("id,part\n1,a\n1,b\n")
    assert bench.ids(key=("id", "part")) == []
    assert bench.ids(key=("id",)) == ["check-unique"]
    bench.csv("id,part\n1,a\n,b\n")
    assert bench.ids(key=("id",)) == ["check-nulls"]
    assert bench.ids(key=("id",), columns={"id": ColumnSpec(nulls=Nulls(0.9))}) == ["check-nulls"]


def test_unique_ignores_missing_values_as_sql_does(bench: Any) -> None:
    bench.csv("id,c\n1,\n2,\n")
    assert bench.ids(columns={"c": ColumnSpec(unique=True)}) == []


def test_freshness_is_judged_against_the_clock_given(bench: Any) -> None:
    bench.csv("when\n2026-01-01 00:00:00\n")
    asked = {"checks": (CheckSpec("freshness", column="when", max_age="24h"),)}
    fresh, stale = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)
    assert bench.snapshot(now=fresh, **asked)[1] == ()
    (found,) = bench.snapshot(now=stale, **asked)[1]
    assert found.message == "the data are stale: newest is 2026-01-01T00:00:00, 1 day old; the limit is 24h"
    bench.csv("when,id\n,1\n")
    assert bench.ids(**asked) == ["check-freshness"]


def test_null_satisfies_custom_sql_as_it_does_a_check_of_sql(bench: Any) -> None:
    bench.csv("id,c\n1,5\n2,\n")
    assert bench.ids(checks=(CheckSpec("custom-sql", sql="c = 5 -- or nothing"),)) == []


def test_an_expression_over_no_column_has_no_samples(bench: Any) -> None:
    bench.csv("id\n1\n")
    record, (found,) = bench.snapshot(checks=(CheckSpec("custom-sql", sql="1 > 2"),))
    assert (found.id, record.checks[0].samples) == ("check-custom-sql", ())


@pytest.mark.parametrize(
    "sql",
    [
        "id <",
        "nope > 1",
        "id",
        "sum(id) > 0",
        "true), (true",
        "id > 0; DROP TABLE data",
        "CAST(name AS INTEGER) > 0",
        "id > 0 AND error('stop') IS NULL",
    ],
)
def test_custom_sql_that_cannot_be_evaluated(bench: Any, sql: str) -> None:
    bench.csv("id,name\n1,Ann\n2,Bob\n")
    record, found = bench.snapshot(
        checks=(CheckSpec("custom-sql", sql=sql), CheckSpec("custom-sql", name="low", sql="id < 2"))
    )
    assert [(item.id, item.location.path) for item in found] == [
        ("check-custom-sql", "spec/checks/1"),
        ("check-sql-invalid", "spec/checks/0/sql"),
    ]
    assert record.rows == 2


def test_failing_rows_are_sampled_in_order_with_few_columns(bench: Any) -> None:
    rows = [f"{9 - index},{index},{'x' * 200}\n" for index in range(9)]
    bench.csv("id,n,text\n" + "".join(rows))
    result = bench.check("max", key=("id",), columns={"n": ColumnSpec(max=1)})
    assert result.failing == 7
    assert result.samples == tuple({"id": id, "n": 9 - id} for id in (1, 2, 3, 4, 5))
    result = bench.check("max", columns={"n": ColumnSpec(max=6)})
    assert result.samples == ({"n": 7}, {"n": 8})  # in the order of what they show: the ids are 2 and 1
    result = bench.check("length", columns={"text": ColumnSpec(length=Length(max=3))})
    assert result.samples[0] == {"text": "x" * 79 + "…"}
    result = bench.check("positive", key=("id",), checks=(CheckSpec("custom-sql", name="positive", sql="n > 0"),))
    assert result.samples == ({"id": 9, "n": 0},)


def test_personal_data_are_in_no_report(bench: Any) -> None:
    mail = "ann@example.org"
    bench.csv(f"id,mail,age\n1,{mail},x\n2,{mail},5\n3,,6\n")
    columns = {
        "mail": ColumnSpec(
            "string", tags=("pii",), pattern="x", unique=True, length=Length(99), values=("a",), nulls=Nulls(0)
        ),
        "age": ColumnSpec("integer", tags=("pii",)),
    }
    checks = (CheckSpec("custom-sql", sql="mail = 'x'"), CheckSpec("custom-sql", sql="CAST(mail AS INTEGER) > 1"))
    record, found = bench.snapshot(key=("id",), columns=columns, checks=checks)
    assert {item.id for item in found} == {
        "check-pattern", "check-unique", "check-length", "check-values", "check-nulls", "check-custom-sql",
        "check-sql-invalid", "data-type",
    }  # fmt: skip
    assert mail not in repr(record) + repr(found)
    assert "'x'" not in "".join(item.help for item in found if item.id == "data-type")
    assert {"id": 1, "mail": "***"} in next(check for check in record.checks if check.check == "pattern").samples


def test_control_characters_of_the_data_do_not_reach_a_terminal(bench: Any) -> None:
    bench.csv("c\n\x1b[31mred\n")
    result = bench.check("values", columns={"c": ColumnSpec(values=("blue",))})
    assert result.samples == ({"c": "\ufffd[31mred"},)
