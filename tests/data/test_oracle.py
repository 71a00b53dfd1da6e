"""Values mean one thing on every path: CSV, parquet and what Arrow writes, against plain Python (`oracle.py`)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, Length, Nulls, SourceSpec
from tests.data import oracle

PARQUET = SourceSpec("parquet", "data/*.parquet")
NOW = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - of the bench, naive, in UTC
INT64, UINT64 = 2**63, 2**64
TEXTS = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "é",
    "e\u0301",
    "🎉",
    '"',
    "it''s",
    "two\nlines",
    "NULL",
    "nan",
    "1",
    "1.0",
    "007",
    "true",
    "x,y;z",
]
edges = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, INT64 - 1, -INT64, -INT64 + 1, UINT64 - 1, UINT64 - 2])
integers = edges | st.integers(-INT64, UINT64 - 1)
floats = (
    st.sampled_from([0.0, -0.0, 0.1, 1e-05, 5e-324, 2.0**53, 2.0**63, 1e22, 1e308, float("inf"), float("-inf")])
    | st.floats()
)
narrow = st.floats(width=32)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**19), max_value=10**19, places=6
) | st.sampled_from(
    [Decimal("0.1"), Decimal("0.10"), Decimal(1234567890123456789), Decimal("0.000001"), Decimal("9007199254740993.5")]
)
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
instants = st.integers(-(6 * 10**18), 6 * 10**18) | st.integers(0, 9).map(lambda n: 1_700_000_000_000_000_000 + n)
micros = st.datetimes(datetime(1000, 1, 1), datetime(9990, 1, 1)).map(oracle.nanoseconds)  # noqa: DTZ001 - naive, in UTC
COLUMNS: dict[str, tuple[str, list[st.SearchStrategy[Any]]]] = {
    "i": ("integer", [integers, st.integers(-9, 9)]),
    "f": ("number", [floats | st.just(float("nan")), narrow]),
    "d": ("decimal", [decimals]),
    "s": ("string", [texts]),
    "b": ("boolean", [st.booleans()]),
    "day": ("date", [st.dates(date(1, 1, 1), date(9999, 12, 31))]),
    "t": ("moment", [instants, micros, instants.map(lambda value: value // 10**9 * 10**9)]),
}
KINDS = {name: kind for name, (kind, _) in COLUMNS.items()}


@st.composite
def tables(draw: Any) -> dict[str, list[Any]]:
    rows = draw(st.integers(1, 6))
    return {
        name: draw(st.lists(st.none() | draw(st.sampled_from(values)), min_size=rows, max_size=rows))
        for name, (_, values) in COLUMNS.items()
    }


@st.composite
def rules(draw: Any, table: dict[str, list[Any]]) -> dict[str, ColumnSpec]:
    """Rules whose bounds are values of the table, and values near them: those decide."""
    near: dict[str, st.SearchStrategy[Any]] = {
        "i": st.sampled_from([*_present(table["i"]), 0]).flatmap(lambda n: st.sampled_from([n, n - 1, n + 0.5])),
        "f": st.sampled_from([*filter(_is_finite, _present(table["f"])), 0, 2**53 + 1, 0.1]),
        "d": st.sampled_from([*map(float, _present(table["d"])), 0, 9007199254740993]).flatmap(
            lambda x: st.sampled_from([x, x / 3])
        ),
        "day": st.sampled_from([*map(str, _present(table["day"])), "2026-01-31"]),
        "t": st.sampled_from([*map(_micro_text, _present(table["t"])), "2026-01-31T12:00:00", "9999-12-31"]),
    }
    found = {}
    for name, kind in KINDS.items():
        some = st.lists(near[name], min_size=1, max_size=3, unique=True) if name in near else None
        found[name] = ColumnSpec(
            oracle.KINDS[kind],
            nulls=Nulls(0),
            unique=True,
            min=draw(st.none() | near[name]) if name in near else None,
            max=draw(st.none() | near[name]) if name in near else None,
            values=tuple(draw(some))
            if some is not None and draw(st.booleans())
            else ("a", "")
            if name == "s"
            else None,
            pattern=draw(st.sampled_from(["[a-z]*", ".*", "[0-9]+"])) if name == "s" else None,
            length=Length(1, draw(st.integers(1, 3))) if name == "s" else None,
        )
    return found


def _present(values: list[Any]) -> list[Any]:
    return [value for value in values if not oracle.is_missing(value)]


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")


def _micro_text(value: int) -> str:
    moment = datetime.fromtimestamp(value // 10**9, UTC).replace(microsecond=value // 1000 % 10**6)
    return moment.replace(tzinfo=None).isoformat()


def write_variants(bench: Any, table: dict[str, list[Any]], pick: Any) -> dict[str, dict[str, Any]]:
    """Write the table as CSV, as plain parquet and as one of Arrow's variants; return a source for each."""
    bench.csv(oracle.csv_text(table, KINDS))
    choices = {name: oracle.arrow_types(values, KINDS[name]) for name, values in table.items()}
    plain = {name: oracle.arrow_column(table[name], types[0]) for name, types in choices.items()}
    other = {name: oracle.arrow_column(table[name], pick.choice(types)) for name, types in choices.items()}
    bench.parquet(plain, "plain/rows.parquet")
    bench.parquet(other, "other/rows.parquet")
    return {
        "csv": {},
        "parquet": {"source": SourceSpec("parquet", "plain/*.parquet")},
        "arrow": {"source": SourceSpec("parquet", "other/*.parquet")},
    }


def failing(bench: Any, **spec: Any) -> dict[str, dict[str, int]]:
    """The number of failing rows by column and check."""
    found: dict[str, dict[str, int]] = {name: {} for name in COLUMNS}
    for check in bench.snapshot(**spec)[0].checks:
        assert check.check != "type" or check.passed, check
        if check.column is not None and check.failing is not None:
            found[check.column][check.check] = check.failing
    return found


def hold(table: dict[str, list[Any]], data: Any, bench: Any) -> None:
    asked = data.draw(rules(table))
    wanted = {name: oracle.failing_rows(values, asked[name]) for name, values in table.items()}
    types = {name: ColumnSpec(column.type) for name, column in asked.items()}
    variants = write_variants(bench, table, data.draw(st.randoms(use_true_random=False)))
    digests = {}
    for variant, source in variants.items():
        assert failing(bench, columns=asked, **source) == wanted, variant
        digests[variant] = bench.content(columns=types, **source)
    assert len(set(digests.values())) == 1, digests
    name = data.draw(st.sampled_from(list(COLUMNS)))
    changed = data.draw(st.none() | data.draw(st.sampled_from(COLUMNS[name][1])))
    values = [changed, *table[name][1:]]
    # no type of Arrow holds both a nanosecond and a day of the year 1000
    if not oracle.are_equal(table[name][0], changed) and oracle.arrow_types(values, KINDS[name]):
        write_variants(bench, {**table, name: values}, data.draw(st.randoms(use_true_random=False)))
        assert bench.content(columns=types, **variants["arrow"]) != digests["csv"]


few = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(few, max_examples=6)
@given(table=tables(), data=st.data())
def test_every_check_and_the_digest_say_what_plain_python_says(
    table: dict[str, list[Any]], data: Any, tmp_path_factory: Any, benches: Any
) -> None:
    hold(table, data, benches(tmp_path_factory.mktemp("oracle").name))


@pytest.mark.slow
@settings(few, max_examples=15)
@given(table=tables(), data=st.data())
def test_they_do_so_for_many_tables(
    table: dict[str, list[Any]], data: Any, tmp_path_factory: Any, benches: Any
) -> None:
    hold(table, data, benches(tmp_path_factory.mktemp("oracle").name))


EDGES: dict[str, list[Any]] = {
    "i": [2**53 + 1, 2**64 - 1, -INT64, None],
    "f": [float("nan"), -0.0, float("inf"), 5e-324],
    "d": [Decimal("0.1"), Decimal("0.10001"), Decimal("1234567890123456789.5"), None],
    "s": ["", None, "it's", "🎉"],
    "b": [True, False, None, True],
    "day": [date(2026, 1, 31), date(2026, 2, 1), None, date(1, 1, 1)],
    "t": [NS := 1_700_000_000_000_000_000, NS + 1, None, NS - 1],
}
SQL: dict[str, tuple[str, Any]] = {
    "i <= 9007199254740992": ("i", lambda value: value <= 2**53),
    "f > 0": ("f", lambda value: value > 0),
    "d <= 0.1": ("d", lambda value: value <= Decimal("0.1")),
    "s <> ''": ("s", lambda value: value != ""),
    "b": ("b", bool),
    "day <= DATE '2026-01-31'": ("day", lambda value: value <= date(2026, 1, 31)),
    "t <= TIMESTAMP '2023-11-14 22:13:20'": ("t", lambda value: value <= NS),
}


@pytest.mark.parametrize("variant", ["csv", "parquet"])
def test_custom_sql_row_count_and_freshness_say_what_plain_python_says(bench: Any, variant: str) -> None:
    source = write_variants(bench, EDGES, Random(1))[variant]  # noqa: S311 - no secret
    types = {name: ColumnSpec(oracle.KINDS[kind]) for name, kind in KINDS.items()}
    sql = tuple(CheckSpec("custom-sql", sql=text) for text in SQL)
    whole = (CheckSpec("row-count", min=4, max=4), CheckSpec("freshness", column="t", max_age="837d"))
    record, _ = bench.snapshot(columns=types, checks=(*sql, *whole), **source)
    found = {check.wanted: check.failing for check in record.checks if check.check == "custom-sql"}
    assert found == {
        text: sum(not oracle.is_missing(value) and not holds(value) for value in EDGES[name])  # NULL passes
        for text, (name, holds) in SQL.items()
    }
    age = bench.check("freshness", columns=types, checks=whole, **source)
    assert (age.passed, record.rows) == (NOW - datetime(2023, 11, 14, 22, 13, 20) <= timedelta(days=837), 4)  # noqa: DTZ001 - naive, in UTC
