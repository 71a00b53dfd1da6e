"""Tells copied rows from rows that are equal by chance, by the other pairs of rows that chance leaves beside them.

Whoever draws rows, and rounds them, gets not only rows that are equal in every column. He also gets rows that are equal in
all columns but one, and rows whose values are next to each other. Whoever copies rows gets none of these. So the number of
pairs of equal rows is compared with what these other pairs foretell:

- **One column apart.** Columns are put into at most MAX_BLOCKS blocks. Among the pairs that agree outside a block, the share
  that agrees in it as well is about the share that agrees in it among all pairs, as in a fourfold table of independent
  features (the estimate of F. C. Lincoln, 1930, and G. A. F. Seber, The Estimation of Animal Abundance, 1982, chapter 3:
  the pairs that agree in all are the recaptures). Pairs that agree in all are left out of both shares, for copies would
  raise them.
- **Neighbours.** Values that are rounded to a unit fall on a value and on the next one about equally often (the argument of
  J. McCrary, Journal of Econometrics 142 (2008) 698-714, for a density without a jump). So pairs that are one unit apart in
  one column, and equal in the others, are about twice as many as equal pairs. This holds however the columns depend on each
  other. It does not hold for a sequence such as 1, 2, 3, whose values repeat far too rarely for its neighbours.

A few equal rows could be chance even where nothing foretells them. But they are copies where several blocks have values that no
other two rows share: chance repeats a value before it repeats a row.

Rows of one entity (a customer, a machine) with equal features are no copies either: many pairs then differ in one block
only, such as the target, and more than chance explains. Contents with more than MAX_MULTIPLICITY rows are common values,
not copies. When every content has a multiple of the same number of rows, the whole table was appended: nothing that is
drawn does that.

The counts are measured by the engine in a few grouped queries; nothing depends on the order of the rows.
"""

# ruff: noqa: S608  SQL contains only quoted names, literals and numbers, and the connection can only read the data
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

from mlops_ci.data.column_types import column_sql

MAX_BLOCKS = 8
MAX_MULTIPLICITY = 20  # rows of one content; more is a common value
NEIGHBOURS_FACTOR = 1.5  # the density of the values changes from one unit to the next
CROSSED_FACTOR = 3.0  # columns depend on each other, so chance is allowed this many times what independence foretells
CROSSED_FACTOR_BESIDE_NEIGHBOURS = 2.0  # the same where neighbours tell the pairs that dependence adds
MANY_NEIGHBOURS = 10.0
FEWEST_PAIRS = 2.0  # pairs that are foretold even where no trace of chance is found
FEWEST_COPIES = 3  # pairs: with fewer, a table without any trace of chance may have one that was drawn
FEWEST_DISTINCT_BLOCKS = 3  # blocks that could all follow from one another are fewer
FEWEST_CONTENTS = 50  # with fewer, equal multiplicities may be an experiment's design
ENTITY_SHARE = 0.05  # least share of pairs of one entity that differ in one block, and least share of those that do not
DECIDED_SHARE = 0.05  # most pairs that agree in a column and not in all, where this column decides the others
_UNIT_TOLERANCE = 0.01  # of the unit: rounded decimals are no exact binary numbers


@dataclass(frozen=True)
class BlockPairs:
    """Numbers of pairs of rows about one block of columns.

    `agree` in the block, of `all` pairs, the pairs of equal rows left out of `agree`; `differ` in this block only. For a block of one ordered
    column, `near` pairs are one unit apart in it and equal in the others, and `column_near` are one unit apart in it,
    whatever the others; `column_agree` agree in it.
    """

    agree: float
    differ: float
    near: float = 0.0
    column_near: float = 0.0
    column_agree: float = 0.0

    def odds(self, pairs: float) -> float:
        """Return the odds that two rows agree in the block, of so many `pairs` in all; infinity when all do."""
        return self.agree / (pairs - self.agree) if pairs > self.agree else float("inf")

    def fourfold_estimate(self, pairs: float) -> float:
        """Return the number of pairs of equal rows that the fourfold table foretells."""
        return self.differ * self.odds(pairs) if self.differ else 0.0

    @property
    def neighbour_estimate(self) -> float:
        """The number of pairs of equal rows that the neighbours foretell; 0 for a sequence."""
        if self.column_agree < self.column_near / 4:  # half of them, for values that are drawn
            return 0.0
        decides_all = self.agree <= DECIDED_SHARE * self.column_near  # its neighbours differ in the columns it decides
        return (self.column_near if decides_all else self.near) / 2


def is_chance(equal: float, pairs: float, blocks: Sequence[BlockPairs]) -> bool:
    """Return whether `equal` pairs of equal rows, of `pairs` in all, are no more than chance or entities leave."""
    crossed, neighbours = (
        [block.fourfold_estimate(pairs) for block in blocks],
        [block.neighbour_estimate for block in blocks],
    )
    close, apart = max(neighbours, default=0.0), max(crossed, default=0.0)
    factor = CROSSED_FACTOR_BESIDE_NEIGHBOURS if close >= MANY_NEIGHBOURS else CROSSED_FACTOR
    # values that no two rows share by themselves: chance that repeats a row would have repeated one of these before
    distinct = sum(block.agree == 0 and block.column_near == 0 for block in blocks)
    leaves_no_trace = distinct >= FEWEST_DISTINCT_BLOCKS and equal >= FEWEST_COPIES
    if not leaves_no_trace and equal <= max(_most(close, NEIGHBOURS_FACTOR), _most(apart, factor)):
        return True
    for at, block in enumerate(blocks):
        elsewhere = max(
            (max(*both) for other, both in enumerate(zip(crossed, neighbours, strict=True)) if other != at), default=0.0
        )
        odds = block.odds(pairs)
        by_chance = elsewhere / odds if odds else float("inf") if elsewhere else 0.0
        if ENTITY_SHARE <= block.differ / equal <= 1 / ENTITY_SHARE and block.differ > _most(by_chance, CROSSED_FACTOR):
            return True
    return False


def _most(foretold: float, factor: float) -> float:
    """Return the most pairs that a foretold number explains: it is itself a count, with a count's error."""
    return factor * (foretold + 3 * sqrt(foretold) + FEWEST_PAIRS)


def measure_blocks(run: Any, content: Mapping[str, str], equal: float, passes: int) -> Iterator[BlockPairs]:
    """Yield the numbers of pairs of each block of the columns `content` (names and logical types) of the relation `cells`.

    `equal` is the number of pairs of equal rows, of all multiplicities. With more than one of `passes`, each looks at a
    part of the rows, so that their memory is bounded.
    """
    names = list(content)
    blocks = [names[at::MAX_BLOCKS] for at in range(min(MAX_BLOCKS, len(names)))]
    hashes = [f"hash({at}, {', '.join(map(column_sql, block))})" for at, block in enumerate(blocks)]
    ordered = [_number_sql(block[0], content[block[0]]) if len(block) == 1 else None for block in blocks]
    columns = [f"{sql} AS h{at}" for at, sql in enumerate(hashes)]
    columns += [f"{sql} AS v{at}" for at, sql in enumerate(ordered) if sql]
    run(f"CREATE TEMP {'TABLE' if passes == 1 else 'VIEW'} row_hashes AS SELECT {', '.join(columns)} FROM cells")
    for at in range(len(blocks)):
        others = [f"h{other}" for other in range(len(blocks)) if other != at] or ["0::UBIGINT"]
        rest = others[0]
        for one in others[1:]:
            rest = f"xor({rest}, {one})"
        value = f"v{at}" if ordered[at] else "NULL::DOUBLE"
        column = _column_pairs(run, f"h{at}", value)
        differ = near = 0.0
        for part in range(passes):
            some = run(_pairs_sql(f"h{at}", rest, value, column.unit, f"WHERE {rest} % {passes} = {part}")).fetchone()
            differ, near = differ + some[0], near + some[1]
        yield BlockPairs(max(column.agree - equal, 0.0), differ, near, column.near, column.agree)


def _number_sql(name: str, type: str) -> str | None:
    """Return SQL for an ordered column as a number, with null for what has no place; None for any other column."""
    column = column_sql(name)
    if type in ("date", "timestamp"):
        return f"CASE WHEN isfinite({column}) THEN epoch({column})::DOUBLE END"
    return f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END" if type in ("integer", "number") else None


class _ColumnPairs(NamedTuple):
    """The pairs that agree in a block, those one unit apart in its only column, and the unit: the least gap (0: none)."""

    agree: float
    near: float = 0.0
    unit: float = 0.0


def _column_pairs(run: Any, hash: str, value: str) -> _ColumnPairs:
    """Return the pairs of one block alone."""
    values = f"SELECT count(*)::DOUBLE AS n, any_value({value}) AS v FROM row_hashes GROUP BY {hash}"
    agree = float(run(f"SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM ({values})").fetchone()[0])
    if value.startswith("NULL"):
        return _ColumnPairs(agree)
    gaps = (
        f"SELECT n * lead(n) OVER (ORDER BY v) AS product, lead(v) OVER (ORDER BY v) - v AS gap, max(v) OVER () - min(v) OVER () AS span"
        f" FROM ({values}) WHERE v IS NOT NULL"
    )
    unit = run(f"SELECT min(gap) FROM ({gaps}) WHERE gap > span * 1e-12").fetchone()[0]  # less is a rounding error
    if not unit:
        return _ColumnPairs(agree)
    near = f"SELECT coalesce(sum(product), 0) FROM ({gaps}) WHERE {_is_unit_sql(unit)}"
    return _ColumnPairs(agree, float(run(near).fetchone()[0]), float(unit))


def _is_unit_sql(unit: float) -> str:
    return f"gap BETWEEN {unit * (1 - _UNIT_TOLERANCE)!r} AND {unit * (1 + _UNIT_TOLERANCE)!r}"


def _pairs_sql(hash: str, rest: str, value: str, unit: float, where: str) -> str:
    """Return the query of the pairs that differ in one block only, and of those among them that are one unit apart."""
    contents = (
        f"SELECT {rest} AS rest, count(*)::DOUBLE AS m, any_value({value}) AS v FROM row_hashes {where} "
        f"GROUP BY {rest}, {hash} HAVING count(*) <= {MAX_MULTIPLICITY}"
    )
    near = (
        "SELECT coalesce(sum(product), 0) FROM (SELECT m * lead(m) OVER w AS product, lead(v) OVER w - v AS gap FROM several "
        f"WHERE v IS NOT NULL WINDOW w AS (PARTITION BY rest ORDER BY v)) WHERE {_is_unit_sql(unit)}"
        if unit
        else "SELECT 0"
    )
    return (
        f"WITH contents AS MATERIALIZED ({contents}), "
        "rests AS MATERIALIZED (SELECT rest, sum(m) AS s, sum(m * m) AS q FROM contents GROUP BY rest HAVING count(*) > 1), "
        "several AS (SELECT * FROM contents WHERE rest IN (SELECT rest FROM rests)) "
        f"SELECT (SELECT coalesce(sum(s * s - q) / 2, 0) FROM rests), ({near})"
    )
