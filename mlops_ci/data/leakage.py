"""Finds leaks between training rows and holdout: keys on both sides, and copies of rows under other keys."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import perm, sqrt
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.data import chance
from mlops_ci.data.column_types import column_sql
from mlops_ci.data.content_digest import row_hash_sql, stored_types
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.profile import displayable_row
from mlops_ci.data.row_rules import pluralize
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import personal_columns
from mlops_ci.spec.spec_types import DatasetSpec

ROWS_PER_LEAK_PASS = 16_000_000  # per row an 8-byte hash, a count and a side: about half a gigabyte per pass
MAX_LEAK_EXAMPLES = 2
EQUAL_ROWS_NOTE_SHARE = 0.5  # share of the holdout's rows
MATTERING_COPY_SHARE = 0.005  # share of the holdout's rows: half of the margin of the default rules


@dataclass(frozen=True)
class Leaks:
    """Numbers of holdout rows with the key of a training row, and with the content of one under another key.

    `copies` is the part of `rows_with_equal_content` that chance does not explain (see `find_leaks`). The examples are
    masked as in reports.
    """

    rows_with_shared_key: int = 0
    key_examples: tuple[str, ...] = ()
    rows_with_equal_content: int = 0
    copies: int = 0
    row_examples: tuple[str, ...] = ()


def find_leaks(table: Table, spec: DatasetSpec, condition: str) -> Leaks:
    """Return the keys and contents that training rows and holdout share.

    `condition` is SQL that is true for a row of the holdout, and never null.

    A row's content is the values of all columns outside the key. Rows with equal contents are *copies* only if there is
    evidence for it: rows that are drawn, rounded or repeated for one entity are equal, too. The evidence is

    1. that every content has a multiple of the same number of rows: the whole table was appended; or
    2. that there are more pairs of equal rows than `chance.is_chance` allows, by the pairs that are almost equal, and that
       contents do not repeat as chance would repeat them. Rows that are drawn from any distribution repeat unevenly: the
       number of rows m of a content is Poisson with its own rate. By the Cauchy-Schwarz inequality, the factorial moments
       S(k) = sum of m(m-1)...(m-k+1) satisfy S(k) S(k+2) >= S(k+1)^2 in expectation. Copies violate it: many contents
       have two rows and few have three.

    Copies that differ in another column, such as the time of an export, are not found; neither are a few copies among
    about as many rows that are equal by chance. `selftest` measures how often both kinds of error occur.

    Sides that cannot share rows by construction are not compared: rows with the same key or group in a split by
    key-hash, rows of the same moment in a split by time, and a sealed holdout that is not open. Contents are compared by
    hash, in passes that bound the memory; only where the sides share contents is more measured.
    """
    content = {name: type for name, type in sorted(table.types.items()) if name not in spec.key}
    group_in_key = spec.group is None or spec.group in spec.key
    time_in_key = (spec.time or "time") in spec.key
    can_share = {  # whether the two sides can share keys, and whether they can share contents
        "key-hash": (bool(spec.key) and not group_in_key, bool(spec.key) and group_in_key),
        "time": (bool(spec.key) and not time_in_key, time_in_key),
        "sealed": (bool(spec.key), True) if table.holdout_condition == condition != "false" else (False, False),
    }
    compare_keys, compare_contents = can_share[spec.split.by]
    keys, key_examples = _find_shared_keys(table, spec, condition) if compare_keys else (0, ())
    if not compare_contents or not content:
        return Leaks(keys, key_examples)
    equal = _find_equal_rows(table, spec, content, condition)
    return replace(equal, rows_with_shared_key=keys, key_examples=key_examples)


def leak_findings(found: Leaks, dataset: LocatedSpec[DatasetSpec], holdout_rows: int) -> tuple[Diagnostic, ...]:
    """Return the findings about leaks: `split-leak-key` and `split-leak-rows`.

    Copies are an error. They are a warning with `duplicates: allow`, and where they are less than MATTERING_COPY_SHARE of the
    holdout: a metric between 0 and 1 changes by less than this share if the model remembers all of them. Rows that are equal by
    chance give a note when they are so many that a model could memorise most answers.
    """
    spec, findings = dataset.spec, []
    if found.rows_with_shared_key:
        time = spec.time or "time"
        findings.append(
            Diagnostic(
                "split-leak-key",
                f"{_affected_rows_phrase(found.rows_with_shared_key, holdout_rows)} the same key as a training row, such as "
                f"{'; '.join(found.key_examples)}",
                dataset.locate("spec", "key"),
                "remove these rows from one of the two sources, or add the columns in which they differ to `key`"
                if spec.split.by == "sealed"
                else "a key must identify one row, and these keys occur in several groups: correct `key` or `group`"
                if spec.split.by == "key-hash"
                else f"a key must identify one row: add the column in which these rows differ, such as '{time}', to `key`,"
                " or split by key-hash: then rows with the same key are on the same side",
            )
        )
    if found.copies:
        findings.append(
            Diagnostic(
                "split-leak-rows",
                f"{_affected_rows_phrase(found.copies, holdout_rows)} a copy on the training side{_other_key_phrase(spec)}{'; '.join(found.row_examples)}",
                dataset.locate("spec", "split"),
                "remove the copies (an export may have been appended twice, with new ids). If rows of one customer or machine are"
                " equal, name its column as `group`. If the copies are real, write `split: {duplicates: allow}`",
                "warning"
                if spec.split.duplicates == "allow" or found.copies < MATTERING_COPY_SHARE * holdout_rows
                else "error",
            )
        )
    elif found.rows_with_equal_content > EQUAL_ROWS_NOTE_SHARE * holdout_rows:
        findings.append(
            Diagnostic(
                "split-leak-rows",
                f"{_affected_rows_phrase(found.rows_with_equal_content, holdout_rows)} the same values as a training row in all"
                " columns outside the key; with so few columns, or columns with so few values, this happens by chance",
                dataset.locate("spec", "split"),
                "do nothing, unless you know that rows were copied",
                "note",
            )
        )
    return tuple(findings)


def is_explained_by_chance(recurring: Mapping[int, int], rows: int) -> bool:
    """Return whether contents repeat as the contents of randomly drawn rows do.

    `recurring` maps a number of rows m >= 2 to the number of contents with m rows; `rows` is the number of all rows.
    The test is the inequality of `find_leaks` for k = 1 and 2. When all rates are equal, the inequality is an equality,
    and the quotient of its sides has a known standard error (from Charlier polynomials, which are orthogonal for Poisson
    counts). The test tolerates five standard errors, and at most one half. Contents that are copied only now and then,
    or all equally often, do not satisfy the inequality.
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
    """Return the number of holdout rows with the key of a training row, and the first such keys.

    Keys with a missing value are left out: `check-nulls` reports them.
    """
    names = ", ".join(map(column_sql, spec.key))
    filled = " AND ".join(f"{column_sql(name)} IS NOT NULL" for name in spec.key)
    shared = (
        f'SELECT {names}, count(*) FILTER (WHERE {condition}) AS "rows held" FROM cells WHERE {filled} GROUP BY {names} '
        f"HAVING bool_or({condition}) AND NOT bool_and({condition})"
    )
    rows, *_ = table.connection.execute(f'SELECT coalesce(sum("rows held"), 0) FROM ({shared})').fetchone()
    if not rows:
        return 0, ()
    examples = table.connection.execute(
        f"SELECT {names} FROM ({shared}) ORDER BY {names} LIMIT {MAX_LEAK_EXAMPLES}"
    ).fetchall()
    return int(rows), tuple(_format_key(spec, row) for row in examples)


def _find_equal_rows(table: Table, spec: DatasetSpec, content: Mapping[str, str], condition: str) -> Leaks:
    """Return the number of holdout rows with the content of a training row, the number of copies, and examples."""
    run = table.connection.execute
    total, passes = _create_recurring_table(run, content, condition)
    on_both_sides = "coalesce(sum(held) FILTER (WHERE held BETWEEN 1 AND m - 1), 0)::BIGINT"
    ((rows, equal, repeated),) = run(
        f"SELECT {on_both_sides}, coalesce(sum(m::DOUBLE * (m - 1) / 2), 0), coalesce(sum(m), 0) FROM recurring"
    ).fetchall()
    if not rows:
        return Leaks()
    if not (repeated == total and _is_whole_table_repeated(run)):
        run(f"DELETE FROM recurring WHERE m > {chance.MAX_MULTIPLICITY}")
        if _is_chance(run, content, (total, passes), equal):
            return Leaks(rows_with_equal_content=rows)
    ((copies,),) = run(f"SELECT {on_both_sides} FROM recurring").fetchall()
    examples = tuple(_find_copy_examples(table, spec, content, condition)) if copies and spec.key else ()
    return Leaks(rows_with_equal_content=rows, copies=copies, row_examples=examples)


def _is_whole_table_repeated(run: Any) -> bool:
    """Return whether every content, and there are many, has a multiple of the same number of rows."""
    ((fewest, contents),) = run("SELECT min(m), count(*) FROM recurring").fetchall()
    ((others,),) = run(f"SELECT count(*) FROM recurring WHERE m % {fewest} <> 0").fetchall()
    return bool(not others and contents >= chance.FEWEST_CONTENTS)


def _is_chance(run: Any, content: Mapping[str, str], size: tuple[int, int], equal: float) -> bool:
    """Return whether the repeated contents are no copies; `size` is the number of rows and of passes."""
    total, passes = size
    recurring = dict(run("SELECT m, count(*) FROM recurring GROUP BY m").fetchall())
    ((common,),) = run(f"SELECT {total} - coalesce(sum(m), 0) FROM recurring").fetchall()
    pairs_here = sum(contents * m * (m - 1) / 2 for m, contents in recurring.items())
    blocks = tuple(chance.measure_blocks(run, content, equal, passes))
    return chance.is_chance(pairs_here, total * (total - 1) / 2, blocks) or is_explained_by_chance(
        recurring, int(common) + sum(m * contents for m, contents in recurring.items())
    )


def _create_recurring_table(run: Any, content: Mapping[str, str], condition: str) -> tuple[int, int]:
    """Create the table `recurring` and return the number of all rows, and of the passes that bound the memory.

    The table has each hash that several rows share, the number of rows `m`, and the number `held` of holdout rows.
    """
    total = int(run("SELECT count(*) FROM cells").fetchone()[0])
    passes = 1 + total // ROWS_PER_LEAK_PASS
    run("CREATE TEMP TABLE recurring (hash UBIGINT, m BIGINT, held BIGINT)")
    for index in range(passes):
        run(
            f"INSERT INTO recurring SELECT hash, count(*), count(*) FILTER (WHERE held) FROM ("
            f"SELECT {_content_hash_sql(content)} AS hash, {condition} AS held FROM cells"
            f") WHERE hash % {passes} = {index} GROUP BY hash HAVING count(*) > 1"
        )
    return total, passes


def _find_copy_examples(table: Table, spec: DatasetSpec, content: Mapping[str, str], condition: str) -> Iterator[str]:
    least = ", ".join(f"k{index}" for index in range(len(spec.key)))
    renamed = ", ".join(f"{column_sql(name)} AS k{index}" for index, name in enumerate(spec.key))
    stored = stored_types(table.connection, "cells", tuple(content))
    rows = (
        f"SELECT {row_hash_sql(content, stored)} AS content, {condition} AS held, {renamed} FROM cells "
        f"WHERE {_content_hash_sql(content)} IN (SELECT hash FROM recurring WHERE held BETWEEN 1 AND m - 1)"
    )
    pairs = (
        f"SELECT content, min(ROW({least})) FILTER (WHERE held) AS one, min(ROW({least})) FILTER (WHERE NOT held) AS other "
        f"FROM ({rows}) GROUP BY content HAVING one IS NOT NULL AND other IS NOT NULL"
    )
    for one, other in table.connection.execute(
        f"SELECT one, other FROM ({pairs}) ORDER BY one, other LIMIT {MAX_LEAK_EXAMPLES}"
    ).fetchall():
        training_key = _format_key(spec, other)
        yield (
            f"training row {training_key}"  # keys of a sealed holdout must not be shown
            if spec.split.by == "sealed"
            else f"{_format_key(spec, one)} is a copy of {training_key}"
        )


def _format_key(spec: DatasetSpec, key: Any) -> str:
    """Return a key as reports show it, with personal data masked."""
    values = tuple(key.values()) if isinstance(key, dict) else tuple(key)
    row = displayable_row(dict(zip(spec.key, values, strict=True)), personal_columns(spec))
    return ", ".join(f"{name}={value}" for name, value in row.items())


def _content_hash_sql(content: Mapping[str, str]) -> str:
    return f"hash({', '.join(map(column_sql, content))})"
