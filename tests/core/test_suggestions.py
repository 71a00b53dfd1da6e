"""When two names are close enough for one to be offered for the other, and what is said when none is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.suggestions import find_nearest, quote, suggest

NAMES = ["staging", "prod", "delay", "accuracy"]


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("STAGING", "staging"),
        ("stagin", "staging"),
        ("stag", "staging"),  # what it begins with, from four letters on
        ("stagings", "staging"),
        ("acuracy", "accuracy"),
        ("xyz", None),
        ("prod" + "x" * 60, None),  # too long for a misspelt name
    ],
)
def test_the_nearest_name_is_offered_if_it_is_near(word: str, nearest: str | None) -> None:
    assert find_nearest(word, NAMES) == nearest


def test_a_beginning_that_two_names_have_decides_nothing() -> None:
    assert find_nearest("time", ["time-a-long-way-off", "time-another-long-way"]) is None


def test_help_offers_one_name_or_lists_them_all() -> None:
    assert suggest("prodd", NAMES) == "did you mean 'prod'?"
    assert suggest("xyz", NAMES) == "one of: staging, prod, delay, accuracy"
    assert suggest("xyz", NAMES, otherwise="environments") == "environments: staging, prod, delay, accuracy"
    assert suggest("xyz", []) is None


def test_a_long_list_is_cut_and_its_rest_counted() -> None:
    names = [f"q{number}" for number in range(14)]
    assert suggest("xyz", names[:12]) == f"one of: {', '.join(names[:12])}"
    assert suggest("xyz", names) == f"one of: {', '.join(names[:12])}, and 2 more"


@given(st.sampled_from(NAMES))
def test_a_name_is_nearest_to_itself(name: str) -> None:
    assert find_nearest(name, NAMES) == name


@given(st.text())
def test_a_quoted_name_is_printable_and_short(text: str) -> None:
    shown = quote(text)
    assert shown.isprintable()
    assert shown[0] == shown[-1] == "'"
    assert len(text) <= 60 or shown.endswith("…'")


def test_control_characters_are_escaped_in_quotes() -> None:
    assert quote("a\nb") == "'a\\nb'"
    assert quote("x" * 61) == f"'{'x' * 59}…'"
