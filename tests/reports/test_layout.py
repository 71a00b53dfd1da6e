"""Markdown that fits: whole blocks go, the least important first, and what is left out is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.reports.layout import Block, bullet_list, fit_blocks, limited_table

POINTER = "_More._"
BLOCKS = st.lists(st.builds(Block, st.text("aé", max_size=9), st.integers(1, 3)), max_size=6)


def test_all_blocks_stand_where_they_fit() -> None:
    assert fit_blocks([Block("one"), Block(""), Block("two", 9)], 100, POINTER) == "one\n\ntwo\n"


def test_the_least_important_goes_first_and_of_equals_the_last() -> None:
    blocks = [Block("head"), Block("a" * 10, 1), Block("b" * 10, 2), Block("c" * 10, 2), Block("d" * 10, 1)]
    shown = [fit_blocks(blocks, limit, POINTER) for limit in (53, 40, 30)]
    assert [[letter for letter in "abcd" if letter * 10 in text] for text in shown] == [
        ["a", "b", "d"],
        ["a", "d"],
        ["a"],
    ]
    assert all(text.startswith("head\n\n") and text.endswith(f"\n\n{POINTER}\n") for text in shown)


@given(BLOCKS, st.integers(30, 90))
def test_the_text_is_within_its_limit_of_bytes(blocks: list[Block], limit: int) -> None:
    text = fit_blocks([Block("head"), *blocks], limit, POINTER)
    assert len(text.encode()) <= limit
    assert text.startswith("head")


def test_a_table_says_how_many_rows_it_leaves_out() -> None:
    rows = [(str(number), "x" * 9) for number in range(5)]
    text = limited_table(("n", "x"), rows, most=3, size=1000)
    assert (text.count("xxx"), text.splitlines()[-1]) == (3 * 3, "_… and 2 rows more._")
    assert limited_table(("n", "x"), rows, most=5, size=1, noun="slice") == "_5 slices._"
    assert "more" not in limited_table(("n", "x"), rows, most=5, size=1000)
    assert limited_table(("n", "x"), [], most=5, size=1000) == ""


def test_a_list_says_how_many_lines_it_leaves_out() -> None:
    lines = ["one", "two", "three"]
    assert bullet_list(lines, most=3, size=100) == "- one\n- two\n- three"
    assert bullet_list(lines, most=2, size=100) == "- one\n- two\n- _1 line more._"
    assert bullet_list(lines, most=3, size=6, noun="reason") == "- one\n- _2 reasons more._"
