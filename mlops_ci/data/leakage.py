"""What of the holdout the training side has seen already: keys that stand on both sides, and copies under other keys."""

# ruff: noqa: S608  SQL is made of quoted names and literals only, and the connection reaches nothing but the data
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import perm, sqrt
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.data.column_types import quote_identifier
from mlops_ci.data.content_digest import row_hash_sql
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.profile import displayable_row, personal_columns
from mlops_ci.data.row_rules import pluralize
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec

ROWS_PER_LEAK_PASS = 16_000_000  # each is a hash of 8 bytes, a count and a side: about half a gigabyte at a time
MAX_LEAK_EXAMPLES = 2
EQUAL_ROWS_NOTE_SHARE = 0.5  # of the holdout
_DISTINGUISHING_TYPES = (
    "integer",
    "number",
    "date",
    "timestamp",
    "string",
)  # types whose values may be told apart without end


@dataclass(frozen=True)
class Leaks:
    """Rows of the holdout that have a training row's key (`keys`), or its content under another key (`rows`).

    `copies` are those of `rows` that chance does not explain (see `leaks`). Examples are written as reports may show them.
    """

    rows_with_shared_key: int = 0
    key_examples: tuple[str, ...] = ()
    rows_with_equal_content: int = 0
    copies: int = 0
    row_examples: tuple[str, ...] = ()


def find_leaks(table: Table, spec: DatasetSpec, condition: str) -> Leaks:
    """Find what the open rows' two sides share; `condition` is SQL, true for a row of the holdout and never null.

    A row's content is all of its columns but the key's. Equal contents are natural where columns are few and coarse, and
    proof of a copy where no two rows would agree by chance. A content that recurs is taken for *copied* when

    1. it has a value of its own, that no other content has, in a column that tells rows apart: one with at least half
       as many different values as there are different contents (flags, categories, small numbers do not); and
    2. such contents do not recur as chance has it. Rows that are drawn, from whatever distribution, recur unevenly: a
       content's number of rows m is Poisson with a rate of its own, so that by Cauchy and Schwarz the factorial moments
       S(k) = sum of m(m-1)...(m-k+1) have S(k) S(k+2) >= S(k+1)^2 in expectation. Copies break it: twos without threes.

    So lookups (all columns follow from one of many values, which rows share) pass by the second rule, small tables of
    categories by the first. Not found are copies that some other column tells apart, such as the time of an export.

    Sides that cannot share anything by construction are not asked: rows of one key, or group, by key-hash, of one moment by
    time, and a sealed holdout that is not open. Contents are compared by hash, in passes that bound the memory; only what recurs is
    looked at closer.
    """
    content = {name: type for name, type in sorted(table.types.items()) if name not in spec.key}
    of_group = spec.group is None or spec.group in spec.key
    timed = (spec.time or "time") in spec.key
    sharing = {
        "key-hash": (bool(spec.key) and not of_group, bool(spec.key) and of_group),
        "time": (bool(spec.key) and not timed, timed),
        "sealed": (bool(spec.key), True) if table.holdout_condition == condition != "false" else (False, False),
    }
    of_keys, of_rows = sharing[spec.split.by]
    keys, key_examples = _find_shared_keys(table, spec, condition) if of_keys else (0, ())
    if not of_rows or not content:
        return Leaks(keys, key_examples)
    equal = _find_equal_rows(table, spec, content, condition)
    return replace(equal, rows_with_shared_key=keys, key_examples=key_examples)


def leak_findings(found: Leaks, dataset: LocatedSpec[DatasetSpec], holdout_rows: int) -> tuple[Diagnostic, ...]:
    """Say what stands on both sides: `split-leak-key`, `split-leak-rows`.

    Copies are an error, and a warning with `duplicates: allow`. Rows that are equal by chance are worth a note where they
    are so many that a model could know most answers by heart.
    """
    spec, findings = dataset.spec, []
    if found.rows_with_shared_key:
        time = spec.time or "time"
        findings.append(
            Diagnostic(
                "split-leak-key",
                f"{_affected_rows_phrase(found.rows_with_shared_key, holdout_rows)} a key that the training side has too, such as {'; '.join(found.key_examples)}",
                dataset.locate("spec", "key"),
                "take these rows out of one of the two sources; or name the columns that tell them apart in `key`"
                if spec.split.by == "sealed"
                else "a key names one row, and these have it in several groups: correct `key`, or `group`"
                if spec.split.by == "key-hash"
                else f"a key names one row: add the column that tells these rows apart, such as '{time}', to `key`; or split"
                " by key-hash, which keeps rows of one key on one side",
            )
        )
    if found.copies:
        findings.append(
            Diagnostic(
                "split-leak-rows",
                f"{_affected_rows_phrase(found.copies, holdout_rows)} a copy on the training side{_other_key_phrase(spec)}{'; '.join(found.row_examples)}",
                dataset.locate("spec", "split"),
                "remove the copies (was an export appended twice, under new ids?); if such rows are real, say so:"
                " split: {duplicates: allow}",
                "warning" if spec.split.duplicates == "allow" else "error",
            )
        )
    elif found.rows_with_equal_content > EQUAL_ROWS_NOTE_SHARE * holdout_rows:
        findings.append(
            Diagnostic(
                "split-leak-rows",
                f"{_affected_rows_phrase(found.rows_with_equal_content, holdout_rows)} an equal on the training side in all but the key; with columns as few or"
                " coarse as these, that is chance",
                dataset.locate("spec", "split"),
                "nothing needs to be done, unless you know that rows were copied",
                "note",
            )
        )
    return tuple(findings)


def is_explained_by_chance(recurring: Mapping[int, int], rows: int) -> bool:
    """Tell whether contents recur as drawn ones do: how many of them there are by number of rows (2 and more), of all `rows`.

    The inequality of `leaks`, for k = 1 and 2. Where rates are equal it is an equality, and the quotient of its sides has a
    standard error of its own (by Charlier's polynomials, which are orthogonal for Poisson counts): five of them are allowed,
    but no more than half. What is copied now and then only, or always as often, does not satisfy it.
    """
    one, two, three, four = (
        rows if order == 1 else sum(contents * perm(m, order) for m, contents in recurring.items())
        for order in (1, 2, 3, 4)
    )
    if not four:
        return False
    first = 2 / two + 6 * one / two**2
    second = 2 / two + 24 / three + 24 * two / three**2
    return all(
        low * high >= (1 - min(0.5, 5 * sqrt(variance))) * middle**2
        for low, middle, high, variance in ((one, two, three, first), (two, three, four, second))
    )


def _other_key_phrase(spec: DatasetSpec) -> str:
    return ", under another key: " if spec.split.by != "sealed" else ": " if spec.key else ""


def _affected_rows_phrase(rows: int, all: int) -> str:
    return f"{rows:,} of {pluralize(all, 'holdout row')} {'has' if rows == 1 else 'have'}"


def _find_shared_keys(table: Table, spec: DatasetSpec, condition: str) -> tuple[int, tuple[str, ...]]:
    """Return how many rows of the holdout share their key with a training row, and the first such keys.

    A key that lacks a value names nothing, and `check-nulls` has refused it.
    """
    names = ", ".join(map(quote_identifier, spec.key))
    filled = " AND ".join(f"{quote_identifier(name)} IS NOT NULL" for name in spec.key)
    shared = (
        f'SELECT {names}, count(*) FILTER (WHERE {condition}) AS "rows held" FROM data WHERE {filled} GROUP BY {names} '
        f"HAVING bool_or({condition}) AND NOT bool_and({condition})"
    )
    rows, *_ = table.connection.execute(f'SELECT coalesce(sum("rows held"), 0) FROM ({shared})').fetchone()
    if not rows:
        return 0, ()
    found = table.connection.execute(
        f"SELECT {names} FROM ({shared}) ORDER BY {names} LIMIT {MAX_LEAK_EXAMPLES}"
    ).fetchall()
    return int(rows), tuple(_format_key(spec, row) for row in found)


def _find_equal_rows(table: Table, spec: DatasetSpec, content: Mapping[str, str], condition: str) -> Leaks:
    """Return the holdout rows with an equal on the other side, those of them that are copies, and the first of these."""
    run = table.connection.execute
    total = _create_recurring_table(run, content, condition)
    rows, different = run(
        f"SELECT coalesce(sum(held) FILTER (WHERE held BETWEEN 1 AND m - 1), 0), {total} - coalesce(sum(m - 1), 0) FROM recurring"
    ).fetchone()
    if not rows:
        return Leaks()
    telling = [
        name
        for name, type in content.items()
        if type in _DISTINGUISHING_TYPES and 2 * run(_distinct_count_sql(name)).fetchone()[0] >= different
    ]
    if not telling:
        return Leaks(rows_with_equal_content=int(rows))
    _create_content_tables(run, content, condition, telling)
    rows = run("SELECT sum(held) FROM contents WHERE held BETWEEN 1 AND m - 1").fetchone()[0] or 0
    own = "content IN (SELECT content FROM own)"
    recurring = dict(run(f"SELECT m, count(*) FROM contents WHERE {own} GROUP BY m").fetchall())
    others = run(f"SELECT coalesce(sum(m), 0) FROM contents WHERE NOT {own}").fetchone()[0]
    if is_explained_by_chance(recurring, total - int(others)):
        return Leaks(rows_with_equal_content=int(rows))
    copies = run(f"SELECT coalesce(sum(held), 0) FROM contents WHERE {own} AND held BETWEEN 1 AND m - 1").fetchone()[0]
    examples = tuple(_find_copy_examples(table, spec, content, condition)) if copies and spec.key else ()
    return Leaks(rows_with_equal_content=int(rows), copies=int(copies), row_examples=examples)


def _create_recurring_table(run: Any, content: Mapping[str, str], condition: str) -> int:
    """Make the table `recurring` of the hashes that several rows have, with rows `m` and those `held` out; return all rows."""
    total = int(run("SELECT count(*) FROM data").fetchone()[0])
    passes = 1 + total // ROWS_PER_LEAK_PASS
    run("CREATE TEMP TABLE recurring (hash UBIGINT, m BIGINT, held BIGINT)")
    for index in range(passes):
        run(
            f"INSERT INTO recurring SELECT hash, count(*), count(*) FILTER (WHERE held) FROM ("
            f"SELECT {_content_hash_sql(content)} AS hash, {condition} AS held FROM data"
            f") WHERE hash % {passes} = {index} GROUP BY hash HAVING count(*) > 1"
        )
    return total


def _create_content_tables(run: Any, content: Mapping[str, str], condition: str, telling: list[str]) -> None:
    """Make the tables `contents`, of what really recurs, and `own`: which of them has a value that no other content has."""
    values = "".join(f", any_value({quote_identifier(name)}) AS v{index}" for index, name in enumerate(telling))
    run(
        f"CREATE TEMP TABLE contents AS SELECT content, count(*) AS m, count(*) FILTER (WHERE held) AS held{values} FROM ("
        f"SELECT {row_hash_sql(content)} AS content, {condition} AS held, {', '.join(map(quote_identifier, telling))} FROM data "
        f"WHERE {_content_hash_sql(content)} IN (SELECT hash FROM recurring)) GROUP BY content HAVING count(*) > 1"
    )
    run("CREATE TEMP TABLE own (content VARCHAR)")
    for index, name in enumerate(telling):
        value = quote_identifier(name)
        # where all rows with the value are this content's rows, no other content has it
        run(
            f"INSERT INTO own SELECT content FROM contents JOIN (SELECT {value} AS value, count(*) AS n FROM data "
            f"WHERE {value} IN (SELECT v{index} FROM contents) GROUP BY {value}) ON v{index} = value WHERE n = m"
        )


def _find_copy_examples(table: Table, spec: DatasetSpec, content: Mapping[str, str], condition: str) -> Iterator[str]:
    least = ", ".join(f"k{index}" for index in range(len(spec.key)))
    renamed = ", ".join(f"{quote_identifier(name)} AS k{index}" for index, name in enumerate(spec.key))
    rows = (
        f"SELECT {row_hash_sql(content)} AS content, {condition} AS held, {renamed} FROM data "
        f"WHERE {_content_hash_sql(content)} IN (SELECT hash FROM recurring WHERE held BETWEEN 1 AND m - 1)"
    )
    pairs = (
        f"SELECT content, min(ROW({least})) FILTER (WHERE held) AS one, min(ROW({least})) FILTER (WHERE NOT held) AS other "
        f"FROM ({rows}) WHERE content IN (SELECT content FROM own) GROUP BY content HAVING one IS NOT NULL AND other IS NOT NULL"
    )
    for one, other in table.connection.execute(
        f"SELECT one, other FROM ({pairs}) ORDER BY one, other LIMIT {MAX_LEAK_EXAMPLES}"
    ).fetchall():
        there = f"{_format_key(spec, other)} there"
        yield (
            there if spec.split.by == "sealed" else f"{_format_key(spec, one)} is {there}"
        )  # what is sealed is not told


def _format_key(spec: DatasetSpec, key: Any) -> str:
    """Write a key as a report may show it."""
    values = tuple(key.values()) if isinstance(key, dict) else tuple(key)
    row = displayable_row(dict(zip(spec.key, values, strict=True)), personal_columns(spec))
    return ", ".join(f"{name}={value}" for name, value in row.items())


def _distinct_count_sql(name: str) -> str:
    return f"SELECT count(DISTINCT {quote_identifier(name)}) FROM data"


def _content_hash_sql(content: Mapping[str, str]) -> str:
    return f"hash({', '.join(map(quote_identifier, content))})"
