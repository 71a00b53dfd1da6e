"""What tells copied rows from rows that are equal by chance: the pairs of rows beside them."""

from __future__ import annotations

import pytest

from mlops_ci.data.chance import BlockPairs, is_chance

PAIRS = 2_000_000.0
DRAWN = {"column_agree": 60.0, "column_near": 110.0}


@pytest.mark.parametrize(
    ("equal", "blocks", "natural"),
    [
        # a number with four decimals, and a target: 28 of the 56 pairs of equal numbers have the same target
        (28, (BlockPairs(28, PAIRS / 2, near=56, **DRAWN), BlockPairs(PAIRS / 2, 28)), True),
        # the same numbers without repetitions beside the copies
        (28, (BlockPairs(0, PAIRS / 2, near=1, column_agree=28, column_near=1), BlockPairs(PAIRS / 2, 0)), False),
        # a sequence, whose neighbours say nothing: it never repeats of its own
        (
            100,
            (BlockPairs(0, PAIRS / 2, near=1000, column_agree=100, column_near=2000), BlockPairs(PAIRS / 2, 0)),
            False,
        ),
        # a number that decides the target: its neighbours have another one, and are counted alone
        (60, (BlockPairs(0, PAIRS / 2, near=5, **DRAWN), BlockPairs(PAIRS / 2, 0)), True),
        # entities: many pairs differ in the target only, and nothing else foretells so many
        (9000, (BlockPairs(1000, 10), BlockPairs(PAIRS / 2, 1000), BlockPairs(PAIRS / 60, 5)), True),
        # copies beside chance: 200 pairs, where the table and the neighbours foretell 28
        (200, (BlockPairs(28, PAIRS / 2, near=56, **DRAWN), BlockPairs(PAIRS / 2, 28)), False),
        # a single pair is no evidence, whatever the columns are
        (1, (BlockPairs(0, 0), BlockPairs(0, 0)), True),
        (7, (BlockPairs(0, 0), BlockPairs(0, 0)), False),
        # three blocks whose values no other rows share: chance would have repeated one of these before a row
        (3, (BlockPairs(0, 0), BlockPairs(0, 0), BlockPairs(0, 0), BlockPairs(PAIRS / 2, 0)), False),
        (2, (BlockPairs(0, 0), BlockPairs(0, 0), BlockPairs(0, 0), BlockPairs(PAIRS / 2, 0)), True),
        (3, (BlockPairs(0, 0), BlockPairs(0, 0), BlockPairs(1, 0), BlockPairs(PAIRS / 2, 0)), True),
        # columns of one value only, and one column without any other
        (50, (BlockPairs(PAIRS, 0),), False),
        (50, (BlockPairs(PAIRS, 3),), True),
    ],
)
def test_equal_pairs_are_natural_where_almost_equal_pairs_foretell_them(
    equal: float, blocks: tuple[BlockPairs, ...], natural: bool
) -> None:
    assert is_chance(equal, PAIRS, blocks) is natural


def test_neighbours_are_twice_as_many_as_equal_pairs() -> None:
    assert BlockPairs(10, 5, near=40, column_agree=30, column_near=60).neighbour_estimate == 20
    assert BlockPairs(10, 5, near=40, column_agree=14, column_near=60).neighbour_estimate == 0
    assert BlockPairs(0, 5, near=40, column_agree=30, column_near=60).neighbour_estimate == 30
