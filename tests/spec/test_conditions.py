"""Conditions as text: what is read, what is refused and in which words, and what hostile texts can do (nothing)."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.spec.condition_tree import (
    And,
    ColumnReference,
    Compare,
    ConditionError,
    ConditionTree,
    In,
    LiteralValue,
    Missing,
    Not,
    Or,
    ensure_columns_exist,
    ensure_types_comparable,
    parse_time_literal,
)
from mlops_ci.spec.slice_conditions import CONDITION_HELP, MAX_CONDITION_DEPTH, MAX_CONDITION_LENGTH, parse_condition

READ: dict[str, ConditionTree] = {
    "hour >= 22 or hour < 5": Or(
        (
            Compare(ColumnReference("hour"), ">=", LiteralValue(22)),
            Compare(ColumnReference("hour"), "<", LiteralValue(5)),
        )
    ),
    "carrier in ('AA', 'B6') and distance > 1000": And(
        (
            In(ColumnReference("carrier"), (LiteralValue("AA"), LiteralValue("B6"))),
            Compare(ColumnReference("distance"), ">", LiteralValue(1000)),
        )
    ),
    "carrier not in ['AA']": Not(In(ColumnReference("carrier"), (LiteralValue("AA"),))),
    "not (origin == 'JFK')": Not(Compare(ColumnReference("origin"), "==", LiteralValue("JFK"))),
    "missing(dep_delay)": Missing(ColumnReference("dep_delay")),
    "missing(column('dep delay'))": Missing(ColumnReference("dep delay")),
    "60 <= age < 70": And(
        (
            Compare(LiteralValue(60), "<=", ColumnReference("age")),
            Compare(ColumnReference("age"), "<", LiteralValue(70)),
        )
    ),
    "column('a.b') != -1.5": Compare(ColumnReference("a.b"), "!=", LiteralValue(-1.5)),
    "late == True": Compare(ColumnReference("late"), "==", LiteralValue(True)),
    "arrived > planned": Compare(ColumnReference("arrived"), ">", ColumnReference("planned")),
    "a == 1 or b == 2 and not c == 3": Or(
        (
            Compare(ColumnReference("a"), "==", LiteralValue(1)),
            And(
                (
                    Compare(ColumnReference("b"), "==", LiteralValue(2)),
                    Not(Compare(ColumnReference("c"), "==", LiteralValue(3))),
                )
            ),
        )
    ),
    "(a == 1 and\n b == 2)  # in two lines": And(
        (Compare(ColumnReference("a"), "==", LiteralValue(1)), Compare(ColumnReference("b"), "==", LiteralValue(2)))
    ),
    "µ == 1": Compare(ColumnReference("µ"), "==", LiteralValue(1)),  # Python would read the Greek letter
    r"name == 'it\'s'": Compare(ColumnReference("name"), "==", LiteralValue("it's")),
}
REFUSED = {  # the offset, and what the message says
    "": (0, f"the condition is empty: {CONDITION_HELP}"),
    "hour": (0, "'hour' alone is not a condition: compare a column, as in `hour >= 22`"),
    "__import__('os')": (0, "a function call other than missing(column) and column('any name') is not allowed"),
    "a == 1 and b.c == 2": (
        11,
        "a dot is not allowed in a condition (if this is the name of a column, write column('b.c'))",
    ),
    "dep-delay > 5": (
        0,
        "arithmetic is not allowed in a condition (if this is the name of a column, write column('dep-delay'))",
    ),
    "a + 1 > 5": (0, f"arithmetic is not allowed in a condition; {CONDITION_HELP}"),
    "a[0] > 5": (0, "a subscript is not allowed"),
    "(a := 5) > 1": (1, ":= is not allowed"),
    "f'{a}' == b": (0, "an f-string is not allowed"),
    "(lambda: a) == 1": (1, "lambda is not allowed"),
    "[b for b in a] == 1": (0, "a comprehension is not allowed"),
    "a if b else c": (0, "if ... else is not allowed"),
    "a in ('b', *c)": (11, "a star is not allowed"),
    "(a, b) == 1": (0, "a list that does not follow `in` is"),
    "(a > 1) & (b > 1)": (0, "& | ~ are not allowed in a condition: write and, or, not"),
    "a in b": (5, "the right side of `in` must be a list of values, such as ('a', 'b')"),
    "a in ()": (5, "the right side of `in` must be a list of values"),
    "a in (b, 1)": (6, "the list on the right side of `in` must contain values, and 'b' is a column"),
    "1 in (1, 2)": (0, "the left side of `in` must be a column"),
    "a in ('b' 'c', 'd')": (6, "two texts need a comma between them; one text needs one pair of quotes"),
    "1 < 2": (0, "'1' and '2' are both values: compare a column"),
    "a > 0 and 1 < 2 < a": (10, "'1' and '2' are both values"),
    "(a == 1) == (b == 1)": (
        1,
        "a condition cannot be compared with another value: combine conditions with and, or, not",
    ),
    "a is None": (0, "`is` does not compare values: write missing(column) or =="),
    "a == None": (5, "a value is never equal to None: write missing(column)"),
    "a == null": (5, "write missing(column); for a column of that name, write column('null')"),
    "ä == true": (5, "write True; for a column of that name, write column('true')"),
    "a == 1e999": (5, "'1e999' is larger than any number that a column can contain"),
    "a == 1j": (5, "'1j' is not a text, a number, True or False"),
    "-a > 1": (0, "a sign before something that is not a number is not allowed"),
    "a == -True": (5, "a sign before something that is not a number is not allowed"),
    "missing(1)": (0, "missing() takes one column"),
    "missing(a, b)": (0, "missing() takes one column"),
    "column(a) == 1": (0, "column() takes one name in quotes"),
    "a = 5": (2, "syntax error (invalid syntax): write `==` to test for equality"),
    "a <> 5": (2, "write `!=`"),
    "a == 1 && b == 2": (8, "write `and` and `or`"),
    "a == 1 AND b == 2": (7, "write `and`, `or`, `not` and `in` in lower case"),
    "!late == 1": (0, "write `not`"),
    "class == 1": (0, "for a column named class, write column('class')"),
    "a == 1 and": (10, f"syntax error (invalid syntax): {CONDITION_HELP}"),
    "a == 1\nor b == 2": (7, "write it on one line, or in parentheses"),
    "a == 'b\x00'": (7, "the character '\\x00' is not allowed in a condition"),
    "a == '\ud800'": (6, "the character '\\ud800' is not allowed in a condition"),
}
NAMES = [
    *("__import__", "os", "a", "b", "and", "or", "not", "in", "is", "if", "else", "for", "lambda", "missing", "column"),
    *("(", ")", "[", "]", "{", "}", ",", ".", ":", "=", "==", "<", ">=", "!=", "+", "-", "*", "**", "&", "@", "~", "#"),
    *(
        "'",
        '"',
        "'a'",
        '"b"',
        "f'",
        "b'c'",
        "1",
        "0x",
        "1e9",
        "1e999",
        "1j",
        "None",
        "True",
        "...",
        "\\",
        "\n",
        "\t",
        ":=",
    ),
]


@pytest.mark.parametrize("text", READ)
def test_a_condition_is_read_as_python_would(text: str) -> None:
    found = parse_condition(text)
    assert found.tree == READ[text]
    assert found.text == text


def test_columns_are_named_once_in_the_order_of_the_text() -> None:
    assert parse_condition("b > a or missing(c) and b in (1, 2)").columns == ("b", "a", "c")


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_what_is_no_condition_is_refused_with_its_place_and_what_to_write(text: str) -> None:
    offset, message = REFUSED[text]
    with pytest.raises(ConditionError) as raised:
        parse_condition(text)
    assert message in raised.value.message
    assert raised.value.offset == offset


def test_offsets_count_characters_of_the_whole_text() -> None:
    tree = parse_condition("  (é > 1\n  and ü == 'ö' and x < 3)").tree
    assert isinstance(tree, And)
    places = [(one.left.offset, one.right.offset) for one in tree.of if isinstance(one, Compare)]
    assert places == [(3, 7), (15, 20), (28, 32)]


HOSTILE = {
    "import": "__import__('os').system('true')",
    "parentheses": "(" * 10_000 + "a == 1" + ")" * 10_000,
    "parentheses that fit": "(" * 480 + "a == 1" + ")" * 480,
    "not": "not " * 248 + "a == 1",
    "signs": "-" * 990 + "1 < a",
    "lists": "a in " + "[" * 490 + "]" * 490,
    "calls": "a" + "(" * 490 + ")" * 490,
    "dots": "a" + ".a" * 480 + " == 1",
    "power": "a == 9**9**9**9**9",
    "large": "a == 1 or " * 10_000 + "a == 1",
    "megabytes": "(" * 20_000_000,
    "digits": "a == " + "9" * 5_000,
    "escapes": "a == '\\N{LATIN SMALL LETTER A" + "x" * 900 + "}'",
    "coding": "# -*- coding: utf-7 -*-\n+AGE- == 1",
}


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.replace(" ", "-"))
def test_a_hostile_text_is_refused_at_once(case: str) -> None:
    start = time.monotonic()
    with pytest.raises(ConditionError) as raised:
        parse_condition(HOSTILE[case])
    assert time.monotonic() - start < 1
    assert 0 <= raised.value.offset <= MAX_CONDITION_LENGTH
    assert len(raised.value.message) < 500


def test_a_condition_may_be_as_deep_and_as_long_as_is_said() -> None:
    assert parse_condition("not " * MAX_CONDITION_DEPTH + "a == 1").columns == ("a",)
    with pytest.raises(ConditionError, match=f"at most {MAX_CONDITION_DEPTH} levels deep"):
        parse_condition("not " * (MAX_CONDITION_DEPTH + 1) + "a == 1")
    longest = "a == 1 or " * 99 + "a == 12345"
    assert len(longest) == MAX_CONDITION_LENGTH
    assert parse_condition(longest).columns == ("a",)
    with pytest.raises(ConditionError, match="at most 1,000 characters"):
        parse_condition(longest + " ")


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(NAMES), max_size=14).map(" ".join)))
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_condition_or_a_condition_error_with_a_place_in_it(text: str) -> None:
    try:
        assert parse_condition(text).columns
    except ConditionError as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017  either is right


def test_a_column_that_is_not_there_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConditionError) as raised:
        ensure_columns_exist(parse_condition("hour > 1 and distanse > 1000"), ["hour", "distance"])
    assert (raised.value.offset, raised.value.message) == (
        13,
        "there is no column 'distanse': did you mean 'distance'?",
    )
    ensure_columns_exist(parse_condition("hour > 1 and missing(distance)"), ["distance", "hour"])


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("n > 'late'", 4, "column 'n' of type number cannot be compared with the string 'late'"),
        ("i in (1, True)", 9, "column 'i' of type integer cannot be compared with the boolean True"),
        ("'1' == i", 0, "the string '1' cannot be compared with column 'i' of type integer"),
        ("s < day", 0, "column 's' of type string cannot be compared with column 'day' of type date"),
        ("day > 2024", 6, "column 'day' of type date cannot be compared with the integer 2024"),
        ("at > 'today'", 5, "'today' is not a date: write ISO 8601, such as '2026-01-31'"),
        ("'2024-02-30' < at", 0, "'2024-02-30' is not a date"),
        ("at > '2024-01-01T00:00:00.1234567'", 5, "is more precise than a microsecond"),
        (
            "missing(t) or t > 1",
            14,
            "column 't' is of type time64[us], which conditions cannot compare; only missing(t) is possible",
        ),
    ],
)
def test_values_of_types_without_an_order_are_refused(text: str, offset: int, message: str) -> None:
    types = {"n": "number", "i": "integer", "s": "string", "b": "boolean", "day": "date", "at": "timestamp"}
    with pytest.raises(ConditionError) as raised:
        ensure_types_comparable(parse_condition(text), {**types, "t": "time64[us]"})
    assert message in raised.value.message
    assert raised.value.offset == offset


def test_values_that_compare_and_columns_of_unknown_type_are_let_by() -> None:
    types = {"n": "number", "i": "integer", "s": "string", "b": "boolean", "day": "date", "at": "timestamp"}
    ensure_types_comparable(
        parse_condition("n > i and i > 1.5 and s in ('a', 'b') and b == False and day < at and '2024-01-31' <= day"),
        types,
    )
    ensure_types_comparable(
        parse_condition("at < '2024-01-31T12:00:00Z' and what > 1 and other == 'x' and other > n and missing(s)"), types
    )


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00:00.000001", 86_400_000_001_000),
        ("1970-01-01T00:00:00+01:00", -3_600_000_000_000),
        ("0001-01-01T00:00:00+14:00", (-62_135_596_800 - 14 * 3_600) * 10**9),  # before any of Python's own
    ],
)
def test_a_moment_is_of_utc_where_no_offset_is_said(text: str, nanoseconds: int) -> None:
    assert parse_time_literal(LiteralValue(text)) == nanoseconds


def test_reading_a_condition_loads_no_library() -> None:
    script = "import sys; from mlops_ci.spec.slice_conditions import parse_condition; parse_condition('a > 1'); assert not {'numpy', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
