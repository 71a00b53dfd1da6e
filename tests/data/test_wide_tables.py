"""Tables of more columns than one query asks about: the answers are those of narrow tables."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.data.column_types import COLUMNS_PER_QUERY
from mlops_ci.data.content_digest import key_text_sql, row_text_sql, stored_types
from mlops_ci.data.engines.duckdb import Table, open_table
from mlops_ci.data.sources.table import open_source
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, SourceSpec

# by DuckDB's type: fields of a CSV file that this type alone holds exactly
FIELDS = {
    "BIGINT": ("0", "-7", "9223372036854775807", ""),
    "HUGEINT": ("1", "12345678901234567890123", "-170141183460469231731687303715884105727", ""),
    "DOUBLE": ("1.5", "-0.0", "1e300", "inf", "nan", "0.00001", ""),
    "DECIMAL(38,20)": ("0.12345678901234567891", "3.5", "0.00000000000000000002", ""),
    "BOOLEAN": ("true", "False", ""),
    "DATE": ("2026-01-31", "0001-02-03", ""),
    "TIMESTAMP": ("2026-01-31 12:00:00", "0001-02-03 04:05:06.000007", "9999-12-31 00:00:01", ""),
    "TIMESTAMP_NS": ("2026-01-31 12:00:00.123456789", "2026-02-01 00:00:00", ""),
    "VARCHAR": ("word", "1.50", "007", '"a:b"', '""', "TRUE", "2026-01-31 00:00", ""),
}
COLUMNS = 2 * COLUMNS_PER_QUERY + 7


def opened(bench: Any, spec: DatasetSpec) -> Any:
    return open_table(bench.root, open_source(spec.source).resolve(bench.root), spec)


def texts(table: Table, sql: str) -> list[tuple[str, ...]]:
    return table.connection.execute(f"SELECT {sql} FROM cells").fetchall()  # type: ignore[no-any-return]  # noqa: S608  # of our own


@pytest.mark.parametrize(("seed", "in_runs"), [(0, False), (1, False), (2, True)])
def test_the_text_of_a_wide_row_is_that_of_its_values_one_after_the_other(
    bench: Any, seed: int, *, in_runs: bool
) -> None:
    """Given columns of every type, in any order or in runs of one type, when their texts are made in groups, then no value changes."""
    random = Random(seed)  # noqa: S311  # no secret
    kinds = [random.choice(list(FIELDS)) for _ in range(COLUMNS - len(FIELDS))] + list(FIELDS)
    random.shuffle(kinds)
    rows = [[FIELDS[kind][row] if row < len(FIELDS[kind]) else random.choice(FIELDS[kind]) for kind in kinds] for row in range(12)]  # fmt: skip
    names = [f"c{place}" for place in range(len(kinds))]
    bench.csv("\n".join(map(",".join, [names, *rows])) + "\n")
    with opened(bench, DatasetSpec(bench.source)) as table:
        stored = stored_types(table.connection, "cells", names)
        assert stored == dict(zip(names, kinds, strict=True))
        names = sorted(names, key=stored.__getitem__) if in_runs else random.sample(names, len(names))
        for text_sql in (row_text_sql, key_text_sql):
            together, alone = (text_sql(table.types, names, types) for types in (stored, {}))
            assert texts(table, together) == texts(table, alone)
            assert len(set(texts(table, together))) > 1


def test_a_row_of_few_columns_needs_no_stored_types(bench: Any) -> None:
    names = [f"c{place}" for place in range(COLUMNS_PER_QUERY + 1)]
    bench.csv(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    with opened(bench, DatasetSpec(bench.source)) as table:
        assert stored_types(table.connection, "cells", names[1:]) == {}
        assert stored_types(table.connection, "cells", names) == dict.fromkeys(names, "BIGINT")


def late_values() -> dict[str, list[Any]]:
    """Columns of integers, the last ones of a batch and of the table with another value below 250 rows."""
    rows = list(range(300))
    columns: dict[str, list[Any]] = {f"c{place}": list(rows) for place in range(COLUMNS)}
    for name, value in LATE.items():
        columns[name][250] = value
    return columns


LATE = {f"c{COLUMNS_PER_QUERY - 1}": 0.5, f"c{COLUMNS_PER_QUERY}": "none", f"c{COLUMNS - 1}": 2**70}
LATE_TYPES = {f"c{COLUMNS_PER_QUERY - 1}": "number", f"c{COLUMNS_PER_QUERY}": "string", f"c{COLUMNS - 1}": "integer"}


def test_a_late_field_changes_the_type_of_its_column_alone(bench: Any) -> None:
    """Given a wide CSV file whose first 200 rows are integers, then a field of row 251 counts as much as the first."""
    columns = late_values()
    lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    bench.csv("\n".join([",".join(columns), *lines]) + "\n")
    with opened(bench, DatasetSpec(bench.source)) as table:
        assert table.types == {**dict.fromkeys(columns, "integer"), **LATE_TYPES}
        assert table.sql_types()[f"c{COLUMNS - 1}"] == "HUGEINT"
        (late,) = table.connection.execute("SELECT * FROM cells LIMIT 1 OFFSET 250").fetchall()
    assert late == tuple(LATE.get(name, 250) for name in columns)


def test_a_late_value_of_a_parquet_file_is_counted_as_the_first(benches: Any) -> None:
    """Given a wide parquet file with one bad value in row 251 of three columns, then `check` names these columns alone."""
    bench = benches("parquet")
    columns: dict[str, list[Any]] = {name: [float(value) for value in range(300)] for name in late_values()}
    for name in LATE:
        columns[name][250] = -1.0
    bench.parquet(columns)
    rules = {name: ColumnSpec("number", min=0) for name in columns}
    source = SourceSpec("parquet", "data/*.parquet")
    found: tuple[Diagnostic, ...] = bench.snapshot(source=source, columns=rules)[1]
    assert sorted(name for name in columns if any(f"'{name}'" in one.message for one in found)) == sorted(LATE)
    with opened(bench, DatasetSpec(source, columns=rules)) as table:
        assert table.types == dict.fromkeys(columns, "number")


@pytest.mark.parametrize("check", [ColumnSpec(max=1), ColumnSpec(unique=True)])
def test_a_check_that_fails_reads_few_columns_of_a_wide_table(
    bench: Any, check: ColumnSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a table with a check for each column, when all fail, then no query sorts or groups all columns."""
    read: list[int] = []
    relation = Table.relation

    def counted(table: Table, names: Iterable[str] = ()) -> Any:
        read.append(len(tuple(names)) or len(table.types))
        return relation(table, names)

    monkeypatch.setattr(Table, "relation", counted)
    names = [f"c{place}" for place in range(COLUMNS)]
    bench.csv("\n".join([",".join(names), *(",".join(field for _ in names) for field in "122")]) + "\n")
    record, _ = bench.snapshot(columns=dict.fromkeys(names, check))
    assert [result.failing for result in record.checks] == [2] * COLUMNS
    assert max(read) <= COLUMNS_PER_QUERY
