"""Patterns of paths, part by part, against the same pattern as a regular expression."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.governance.doctor.globs import match_lengths

PARTS = st.lists(st.sampled_from(["**", "*", "a", "b", "a?", "*b"]), min_size=1, max_size=5)
NAMES = st.lists(st.sampled_from(["a", "b", "ab", "abb"]), max_size=5)


def plain(pattern: list[str], count: int, names: list[str]) -> bool:
    """The same by a regular expression: `**` is any number of names, at the end at least one."""
    while pattern[-2:] == ["**", "**"]:
        pattern = pattern[:-1]
    *first, last = [
        "(?:[^/]+/)*" if part == "**" else part.replace("*", "[^/]*").replace("?", "[^/]") + "/" for part in pattern
    ]
    end = "(?:[^/]+/)+" if pattern[-1] == "**" else last
    return re.fullmatch("".join(first) + end, "".join(f"{name}/" for name in names[:count])) is not None


@given(PARTS, NAMES)
def test_a_pattern_matches_the_beginnings_that_a_regular_expression_does(pattern: list[str], names: list[str]) -> None:
    assert match_lengths(pattern, names) == {
        count for count in range(1, len(names) + 1) if plain(pattern, count, names)
    }


def test_many_wildcards_are_no_work() -> None:
    assert match_lengths(["**", "a"] * 200 + ["b"], ["a"] * 400) == frozenset()
