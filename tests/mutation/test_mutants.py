"""Each mutant has exactly one fault, and the tests that kill it are told from those that do not."""

from __future__ import annotations

from tests.mutation.mutants import mutants_of

SOURCE = '''\
"""Two numbers: 1 < 2."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LIMIT = 3

def least(a: int = 0, b: "int | None" = None) -> int:
    if a < 1 and b:
        return a + 2
    return True
'''


def test_operators_conditions_and_constants_become_others_one_at_a_time() -> None:
    mutants = [(mutant.line, mutant.change) for mutant in mutants_of("m", SOURCE)]
    assert mutants == [
        (6, "0 -> 1"),
        (7, "condition negated"),
        (7, "And -> Or"),
        (7, "without the last condition"),
        (7, "Lt -> LtE"),
        (7, "1 -> 2"),
        (8, "returns None"),
        (8, "Add -> Sub"),
        (8, "2 -> 3"),
        (9, "True -> False"),
    ]


def test_what_only_a_type_checker_or_a_reader_sees_is_left_alone() -> None:
    for mutant in mutants_of("m", SOURCE):
        assert "LIMIT = 3" in mutant.source
        assert "1 < 2." in mutant.source
        assert "int | None" in mutant.source


def test_a_fault_is_gone_before_the_next_is_made() -> None:
    sources = [mutant.source for mutant in mutants_of("m", SOURCE)]
    assert len(set(sources)) == len(sources)
    assert all("a + 2" in one for one in sources[:6])
