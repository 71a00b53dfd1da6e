"""Slices by condition, against a plain evaluator that takes one row at a time."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.evaluation.verdict.slice_masks import condition_mask
from mlops_ci.spec.condition_tree import ConditionError
from mlops_ci.spec.slice_conditions import parse_condition

FLIGHTS = pa.table(
    {
        "hour": [23, 4, 12, None],
        "carrier": ["AA", "B6", "UA", None],
        "distance": [999.5, 1500.0, float("nan"), 2000.0],
        "late": [True, False, None, True],
        "dep delay": pa.array([None, -3, 0, 60], pa.int8()),
        "day": pa.array([date(2024, 1, 31), date(2024, 2, 1), None, date(2024, 3, 1)]),
        "at": pa.array([datetime(2024, 1, 31, 12, tzinfo=UTC)] * 3 + [None], pa.timestamp("us", "UTC")),
        "nothing": pa.nulls(4),
        "time": pa.array([1, 2, 3, None], pa.time64("us")),
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("hour >= 22 or hour < 5", [0, 1]),
        ("carrier in ('AA', 'B6') and distance > 1000", [1]),
        ("not (carrier == 'AA')", [1, 2]),
        ("carrier != 'AA'", [1, 2]),
        ("carrier not in ('AA', 'UA')", [1]),
        ("missing(distance)", [2]),
        ("not missing(column('dep delay')) and column('dep delay') > -1", [2, 3]),
        ("missing(hour) or hour > 20", [0, 3]),
        ("hour > 20 or not hour > 20", [0, 1, 2]),
        ("not (hour > 20 and carrier == 'AA')", [1, 2]),
        ("distance > 0 or carrier == 'UA'", [0, 1, 2, 3]),
        ("4 < hour <= 23", [0, 2]),
        ("late == True", [0, 3]),
        ("day > '2024-01-31'", [1, 3]),
        ("day >= '2024-01-31'", [0, 1, 3]),
        ("day in ('2024-02-01', '2024-03-01')", [1, 3]),
        ("day > at", [1]),
        ("at == '2024-01-31T13:00:00+01:00'", [0, 1, 2]),
        ("at < '2024-01-31T12:00:01'", [0, 1, 2]),
        ("distance > hour", [0, 1]),
        ("carrier < 'B'", [0]),
        ("nothing > 1 or not nothing > 1", []),
        ("nothing == carrier or missing(nothing)", [0, 1, 2, 3]),
        ("missing(time)", [3]),
    ],
)
def test_the_rows_for_which_a_condition_is_certainly_true(text: str, rows: list[int]) -> None:
    found = condition_mask(parse_condition(text), FLIGHTS)
    assert found.dtype == bool
    assert found.nonzero()[0].tolist() == rows
    assert condition_mask(parse_condition(text), FLIGHTS.slice(0, 0)).tolist() == []


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("distance > 'far'", 11, "column 'distance' of type number cannot be compared with the string 'far'"),
        ("hour > 1 and carier == 'AA'", 13, "there is no column 'carier': did you mean 'carrier'?"),
        (
            "time > 1",
            0,
            "column 'time' is of type time64[us], which conditions cannot compare; only missing(time) is possible",
        ),
        ("carrier == late", 0, "column 'carrier' of type string cannot be compared with column 'late' of type boolean"),
    ],
)
def test_a_table_that_a_condition_does_not_fit_is_told_where(text: str, offset: int, message: str) -> None:
    with pytest.raises(ConditionError) as raised:
        condition_mask(parse_condition(text), FLIGHTS)
    assert (raised.value.message, raised.value.offset) == (message, offset)


def test_large_numbers_compare_exactly() -> None:
    large = 2**53 + 1
    table = pa.table(
        {
            "i": pa.array([large, large - 1, 2**63 - 1], pa.int64()),
            "u": pa.array([large, 2**64 - 1, 2**63 - 1], pa.uint64()),
            "f": [float(large), float(large), float(2**63)],
            "d": pa.array([Decimal("0.1"), Decimal(9007199254740993), Decimal(0)], pa.decimal128(38, 1)),
        }
    )
    assert condition_mask(parse_condition(f"i == {large}"), table).tolist() == [True, False, False]
    assert condition_mask(parse_condition(f"f == {large}"), table).tolist() == [False, False, False]
    assert condition_mask(parse_condition("i > f"), table).tolist() == [True, False, False]
    assert condition_mask(parse_condition("i == u"), table).tolist() == [True, False, True]
    assert condition_mask(parse_condition("u > i"), table).tolist() == [False, True, False]
    assert condition_mask(parse_condition("d < 0.1"), table).tolist() == [
        True,
        False,
        True,
    ]  # the float is a little more than a tenth
    assert condition_mask(parse_condition(f"d in ({large}, 0)"), table).tolist() == [False, True, True]
    assert condition_mask(parse_condition("f < " + "9" * 900), table).all()
    assert not condition_mask(parse_condition("i < -" + "9" * 900), table).any()


def test_moments_of_every_unit_compare_exactly() -> None:
    far = pa.array([2**62, -(2**62)], pa.timestamp("s"))
    near = pa.array([1, 2**62 + 1], pa.timestamp("ns"))
    table = pa.table({"far": far, "near": near, "ms": pa.array([0, 1], pa.date64())})
    assert condition_mask(parse_condition("far > near"), table).tolist() == [True, False]
    assert condition_mask(parse_condition("near > '1970-01-01'"), table).tolist() == [True, True]
    assert condition_mask(parse_condition("ms == '1970-01-01' and far > '9999-12-31'"), table).tolist() == [True, False]


def test_encodings_of_a_column_do_not_matter() -> None:
    plain = pa.array(["a", None, "b", "a"])
    table = pa.table(
        {
            "x": pa.chunked_array([plain.slice(0, 1), plain.slice(1)]).dictionary_encode(),
            "y": plain.cast("large_string"),
        }
    )
    assert condition_mask(parse_condition("x == 'a'"), table).tolist() == [True, False, False, True]
    assert condition_mask(parse_condition("x == y"), table).tolist() == [True, False, True, True]


# The plain evaluator: a condition is nested tuples, drawn together with its text.

MOMENTS = st.datetimes(datetime.fromisoformat("1600-01-01"), datetime.fromisoformat("2250-01-01"))
INTEGERS = st.one_of(st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)]))
FLOATS = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([0.5, 2.0**53, 2.0**63, -(2.0**63)]))
DECIMALS = st.sampled_from([Decimal("0.1"), Decimal(1), Decimal(2**53 + 1), Decimal("-0.5")])
TEXTS = st.sampled_from(["", "a", "b", "ä", "it's", "\\", "\U0001f600"])
COLUMNS: Mapping[str, tuple[str, Any, Any]] = {  # kind, Arrow's type, values
    "i": ("number", pa.int64(), INTEGERS),
    "small": ("number", pa.int8(), st.integers(-3, 3)),
    "u": ("number", pa.uint64(), st.sampled_from([0, 1, 2**53 + 1, 2**64 - 1])),
    "f": ("number", pa.float64(), st.one_of(FLOATS, st.sampled_from([math.nan, math.inf, -math.inf]))),
    "half": ("number", pa.float32(), st.sampled_from([0.5, 1.0, math.nan])),
    "d": ("number", pa.decimal128(38, 1), DECIMALS),
    "a text": ("text", pa.string(), TEXTS),
    "s": ("text", pa.string(), TEXTS),
    "b": ("boolean", pa.bool_(), st.booleans()),
    "day": ("time", pa.date32(), MOMENTS.map(datetime.date)),
    "at": ("time", pa.timestamp("us"), MOMENTS),
    "utc": ("time", pa.timestamp("ms", "UTC"), MOMENTS.map(lambda one: one.replace(microsecond=0, tzinfo=UTC))),
}
LITERALS: Mapping[str, Any] = {
    "number": st.one_of(INTEGERS, FLOATS, st.sampled_from([0.1, 10**40, -(10**40), 1e300])),
    "text": TEXTS,
    "boolean": st.booleans(),
    "time": st.one_of(MOMENTS, MOMENTS.map(datetime.date)),
}
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def written(value: Any) -> str:
    return repr(value.isoformat() if isinstance(value, date) else value)


def operand(kind: str) -> st.SearchStrategy[tuple[str, Any]]:
    """Draw a column of the kind or a literal: its text, and what it is."""
    named = [name for name, (of, *_) in COLUMNS.items() if of == kind]
    columns = st.sampled_from(named).map(lambda name: (column(name), ("column", name)))
    return st.one_of(columns, LITERALS[kind].map(lambda value: (written(value), ("value", value))))


def column(name: str) -> str:
    return name if name.isidentifier() else f"column({name!r})"


def chains(kind: str) -> st.SearchStrategy[tuple[str, Any]]:
    def chain(drawn: tuple[list[tuple[str, Any]], list[str]]) -> tuple[str, Any]:
        sides, signs = drawn
        signs = signs[: len(sides) - 1]
        text = sides[0][0] + "".join(f" {sign} {side[0]}" for sign, side in zip(signs, sides[1:], strict=True))
        return text, ("chain", [side[1] for side in sides], signs)

    def columns_meet(sides: list[tuple[str, Any]]) -> bool:
        return all("column" in (one[1][0], other[1][0]) for one, other in pairwise(sides))

    sides = st.lists(operand(kind), min_size=2, max_size=3).filter(columns_meet)
    return st.tuples(sides, st.lists(st.sampled_from(list(OPERATORS)), min_size=2, max_size=2)).map(chain)


@st.composite
def memberships(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(list(COLUMNS)))
    values = draw(st.lists(LITERALS[COLUMNS[name][0]], min_size=1, max_size=3))
    negated = draw(st.booleans())
    word = "not in" if negated else "in"
    text = f"{column(name)} {word} [{', '.join(map(written, values))}]"
    found = ("in", name, values)
    return text, ("not", found) if negated else found


def joined(parts: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    several = st.lists(parts, min_size=2, max_size=3)
    return st.one_of(
        parts.map(lambda part: (f"not ({part[0]})", ("not", part[1]))),
        several.map(lambda some: (" and ".join(f"({one[0]})" for one in some), ("and", [one[1] for one in some]))),
        several.map(lambda some: (" or ".join(f"({one[0]})" for one in some), ("or", [one[1] for one in some]))),
    )


LEAVES = st.one_of(
    st.sampled_from(["number", "text", "boolean", "time"]).flatmap(chains),
    memberships(),
    st.sampled_from(list(COLUMNS)).map(lambda name: (f"missing({column(name)})", ("missing", name))),
)
CONDITIONS = st.recursive(LEAVES, joined, max_leaves=5).filter(lambda drawn: len(drawn[0]) <= 1_000)
ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, (_, _, values) in COLUMNS.items()}), max_size=8
)


def plain(value: Any) -> Any:
    """Return a value as Python compares it: None for NaN, moments as those of UTC without saying so."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return datetime.fromisoformat(value.isoformat()) if isinstance(value, date) else value


def holds(what: Any, row: Mapping[str, Any]) -> bool | None:
    """Return whether a condition is true of a row, None when it is unknown."""
    match what:
        case ("missing", name):
            return plain(row[name]) is None
        case ("in", name, values):
            value = plain(row[name])
            return None if value is None else any(value == plain(one) for one in values)
        case ("not", inner):
            found = holds(inner, row)
            return None if found is None else not found
        case ("and" | "or" as word, parts):
            answers = [holds(part, row) for part in parts]
        case ("chain", sides, signs):
            word, answers = "and", []
            values = [plain(row[one]) if kind == "column" else plain(one) for kind, one in sides]
            for left, sign, right in zip(values, signs, values[1:], strict=False):
                answers.append(None if left is None or right is None else OPERATORS[sign](left, right))
    decisive = word == "or"
    return decisive if decisive in answers else None if None in answers else not decisive


@given(CONDITIONS, ROWS)
@settings(max_examples=300, deadline=None)
def test_a_mask_is_what_a_plain_evaluator_says_row_by_row(drawn: tuple[str, Any], rows: list[dict[str, Any]]) -> None:
    text, what = drawn
    table = pa.table({name: pa.array([row[name] for row in rows], type) for name, (_, type, _) in COLUMNS.items()})
    condition = parse_condition(text)
    assert condition_mask(condition, table).tolist() == [holds(what, row) is True for row in rows]
    assert condition_mask(parse_condition(f"not ({text})"), table).tolist() == [
        holds(what, row) is False for row in rows
    ]
