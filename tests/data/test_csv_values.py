"""A CSV table is read as values at once, or as text first: both ways give the same table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest

from mlops_ci.data.engines import csv_table, csv_values
from mlops_ci.data.engines.duckdb import open_files
from mlops_ci.data.sources import csv
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.data.sources.table import open_source
from mlops_ci.spec.source_types import SourceSpec
from mlops_ci.spec.spec_types import ColumnSpec

FIRST = csv_values.FIRST_ROWS
COLUMNS: dict[str, Sequence[str]] = {
    "integers": ("1", "-2", "", "9223372036854775807", "-9223372036854775808", "0"),
    "long integers": ("1", "9223372036854775808", ""),
    "codes": ("007", "010"),
    "one code": (*["7"] * FIRST, "007"),
    "signed": ("+1", "2"),
    "short numbers": ("1.50", "-0.0", "12", ".5", "5.", "1e5", "-1E-7", "", "0.000001"),
    "infinite": ("nan", "NaN", "inf", "-Infinity", "1.5"),
    "too large": ("1e999", "1.5"),
    "floats": ("0.12345678901234567", "-0.9999999999999999", "1.2345678901234567e-10", "3"),
    "rounded": ("0.10000000000000000", "1.5"),
    "exact": ("0.12345678901234567891", "3.5"),
    "money": (*["12.50"] * FIRST, "12345678901234567.25"),
    "integers, then a fraction": (*["1"] * FIRST, "1.5", "2"),
    "integers, then a word": (*["1"] * FIRST, "word"),
    "empty, then integers": (*[""] * FIRST, "1"),
    "empty": ("", ""),
    "quoted empty": ('""', '""'),
    "empty and quoted": ('""', "", "1"),
    "spaces": (" 1", "2 "),
    "grouped": ("1_000", "0x1F"),
    "booleans": ("true", "False", "", "TRUE"),
    "dates": ("2026-01-31", "0001-02-03", ""),
    "a date that is none": ("2026-01-31", "2026-02-30"),
    "days first": ("31/01/2026", "01/02/2026"),
    "times": ("2026-01-31 12:00:00+02:00", "2026-01-31T12:00Z", "2026-01-31"),
    "nanoseconds": ("2026-01-31 12:00:00.123456789", "2026-01-31"),
    "text": ("word", '"a,b"', '"say ""hi"""', "\u00e9\U0001f600", ""),
}
TYPES = (None, "integer", "number", "timestamp")


def read(bench: Any, column: ColumnSpec | None = None) -> tuple[Any, ...]:
    source = SourceSpec("csv", "rows.csv")
    files = ReadableFiles(bench.root, open_source(source).resolve(bench.root), source)
    table = open_files(files, {"v": column} if column else {})
    try:
        rows = table.connection.execute("SELECT * FROM cells").fetchall()
        return table.types, table.type_mismatches, table.sql_types(), list(map(repr, rows)), rows
    finally:
        table.connection.close()


def write(bench: Any, fields: Sequence[str]) -> None:
    bench.csv("v,other\n" + "".join(f"{field},1\n" for field in fields), "rows.csv")


@pytest.mark.parametrize("kind", COLUMNS)
def test_both_ways_give_the_same_table(bench: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given fields, and each declared type or none, when they are read at once, as a wide table or as text first, then types, mismatches and values are equal."""
    write(bench, COLUMNS[kind])
    declared = [ColumnSpec(type) for type in TYPES]  # type: ignore[arg-type]  # text of the table
    for column in [*declared, ColumnSpec("date", format="%d/%m/%Y")]:
        with monkeypatch.context() as only:
            only.setattr(csv_table, "read_values", lambda *_: None)
            as_text = read(bench, column)[:-1]
        assert read(bench, column)[:-1] == as_text
    with monkeypatch.context() as only:
        only.setattr(csv_values, "MAX_TESTED_COLUMNS", 0)
        only.setattr(csv, "_PARALLEL_COLUMNS", 0)
        as_wide_table = read(bench)[:-1]
    assert as_wide_table == read(bench)[:-1]


@pytest.mark.parametrize("wide", [False, True])
def test_values_of_the_usual_types_are_read_at_once(bench: Any, monkeypatch: pytest.MonkeyPatch, *, wide: bool) -> None:
    """Given no way to read text first, when the fields of a column are of one type, then they are its values."""
    monkeypatch.setattr(csv_table, "_insert_rows", lambda *_: pytest.fail("the fields are read as text"))
    monkeypatch.setattr(csv_values, "MAX_TESTED_COLUMNS", 0 if wide else 200)
    noon = datetime(2026, 1, 31, 12)  # noqa: DTZ001 - the engine's moments are naive, in UTC
    for fields, values in (
        (("1", "", "-2"), [1, None, -2]),
        (("1.50", "nan", "0.12345678901234568"), [1.5, None, 0.12345678901234568]),
        (("true", "FALSE"), [True, False]),
        (("2026-01-31", ""), [date(2026, 1, 31), None]),
        (("2026-01-31 12:00:00", ""), [noon, None]),
        (("word", '""', ""), ["word", "", None]),
    ):
        write(bench, fields)
        assert [row[0] for row in read(bench)[-1]] == values


def test_files_with_other_orders_of_columns_are_read_in_their_order(bench: Any) -> None:
    for name, text in (("a", "v,other\n1,x\n2,y\n"), ("b", "other,v\nz,3\n"), ("c", "v,other\n4,w\n")):
        bench.csv(text, f"rows-{name}.csv")
    source = SourceSpec("csv", "rows-*.csv")
    files = ReadableFiles(bench.root, open_source(source).resolve(bench.root), source)
    table = open_files(files, {})
    rows = table.connection.execute("SELECT * FROM cells").fetchall()
    table.connection.close()
    assert rows == [(1, "x"), (2, "y"), (3, "z"), (4, "w")]


@pytest.mark.parametrize(
    ("fields", "failing"),
    [
        (("1", "2", "3"), 0),
        (("-1", "0", "1", ""), 0),
        (("3", "1", "3", "", ""), 2),  # a bitmap finds it
        (("0", "9000000000000000000", "0"), 2),  # too far apart for one
        (("-9223372036854775808", "9223372036854775807"), 0),
        (("170141183460469231731687303715884105727", "1", "1"), 2),
        (("170141183460469231731687303715884105727", "170141183460469231731687303715884105726"), 0),
        (("", ""), 0),
        (("1.5", "1.50"), 2),
        (("a", "a", "b"), 2),
    ],
)
def test_rows_with_the_same_value_are_counted_in_every_type(bench: Any, fields: Sequence[str], failing: int) -> None:
    write(bench, fields)
    result = bench.check("unique", columns={"v": ColumnSpec(unique=True)}, source=SourceSpec("csv", "rows.csv"))
    assert (result.failing, result.passed) == (failing, failing == 0)
