"""Names are data: whatever a column is called, it is read, checked, split and written like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings
from mlops_ci.data.column_types import column_alias
from mlops_ci.data.engines.duckdb import indistinct_names
from mlops_ci.data.sources.table import open_source
from mlops_ci.data.split import SplitSource, split_dataset, write_split_files
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, Nulls, SplitSpec
from tests.support.awkward_names import AWKWARD_NAMES

ROWS = 40


@pytest.fixture(scope="module")
def table() -> dict[str, list[int]]:
    """A column for each name: the number of the row, and that of the column."""
    return {name: [row * 1000 + at for row in range(ROWS)] for at, name in enumerate(AWKWARD_NAMES)}


def csv_text(table: dict[str, list[int]]) -> str:
    lines = [list(table), *([str(value) for value in row] for row in zip(*table.values(), strict=True))]
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in line) for line in lines]
    return "\n".join(quoted) + "\n"


def test_every_name_is_a_column_of_its_own_in_csv_and_in_parquet(
    bench: Any, parquet_bench: Any, table: dict[str, list[int]]
) -> None:
    bench.csv(csv_text(table))
    parquet_bench.parquet(table)
    of_csv, of_parquet = bench.snapshot()[0], parquet_bench.snapshot()[0]
    assert {column.name: column.minimum for column in of_csv.columns} == {
        name: column[0] for name, column in table.items()
    }
    assert of_csv.columns == of_parquet.columns
    assert bench.content() == parquet_bench.content()


def test_every_name_can_have_every_rule(parquet_bench: Any, table: dict[str, list[int]]) -> None:
    parquet_bench.parquet(table)
    last = {name: column[-1] for name, column in list(table.items())[::3]}
    rules = {name: ColumnSpec("integer", nulls=Nulls(0), unique=True, max=edge - 1) for name, edge in last.items()}
    record, findings = parquet_bench.snapshot(columns=rules, key=tuple(last))
    assert [found.id for found in findings] == ["check-range"] * len(last)
    failed = [check for check in record.checks if not check.passed]
    assert [check.failing for check in failed] == [1] * len(last)
    assert [check.samples[0] for check in failed] == [last] * len(last)


def test_a_sample_of_duplicates_shows_every_name(parquet_bench: Any, table: dict[str, list[int]]) -> None:
    parquet_bench.parquet({name: [column[0]] * 3 for name, column in table.items()})
    unique = parquet_bench.check("unique", checks=(CheckSpec("unique", columns=AWKWARD_NAMES),))
    assert unique.failing == 3
    assert unique.samples == ({name: column[0] for name, column in table.items()},)


@pytest.mark.parametrize("split", [SplitSpec(holdout=0.5), SplitSpec("time", holdout=0.5)])
def test_every_name_can_be_key_target_group_and_time(
    parquet_bench: Any, table: dict[str, list[int]], split: SplitSpec, tmp_path: Path
) -> None:
    moments = {name: pa.array(column, pa.int64()).cast(pa.timestamp("s")) for name, column in table.items()}
    parquet_bench.parquet(moments)
    sides: set[int] = set()
    for name in AWKWARD_NAMES[::12]:
        spec = (
            {"key": (name,), "split": split} if split.by == "time" else {"group": name, "key": (name,), "split": split}
        )
        dataset = parquet_bench.dataset(**spec, time=name)
        source = SplitSource(parquet_bench.root, dataset, open_source(dataset.spec.source).resolve(parquet_bench.root))
        summary = split_dataset(source, (), name, None)
        sides.add(summary.split.holdout_rows + summary.split.train_rows)
        assert summary.target.classes == ROWS
    files = write_split_files(source, AWKWARD_NAMES, name, tmp_path)
    both = pa.concat_tables([pq.read_table(files.train), pq.read_table(files.holdout)])
    assert sides == {ROWS}
    assert sorted(both.column_names) == sorted(AWKWARD_NAMES)
    assert both[AWKWARD_NAMES[0]].num_chunks
    first = both.sort_by([("名前", "ascending")])
    assert all(first[name].to_pylist() == moments[name].to_pylist() for name in AWKWARD_NAMES)


def test_copies_are_found_whatever_the_columns_are_called(parquet_bench: Any, table: dict[str, list[int]]) -> None:
    content = {name: [value % (ROWS // 2 * 1000) for value in column] for name, column in table.items() if name != "*"}
    parquet_bench.parquet({**content, "*": list(range(ROWS))})
    dataset = parquet_bench.dataset(key=("*",), split=SplitSpec(holdout=0.5))
    source = SplitSource(parquet_bench.root, dataset, open_source(dataset.spec.source).resolve(parquet_bench.root))
    leaks = split_dataset(source, tuple(content), "y", None).leaks
    assert leaks.rows_with_equal_content > 0
    assert leaks.copies == leaks.rows_with_equal_content


def test_sql_sees_the_columns_under_their_own_names(parquet_bench: Any, table: dict[str, list[int]]) -> None:
    parquet_bench.parquet(table)
    distinct = [name for name in AWKWARD_NAMES if name not in indistinct_names(AWKWARD_NAMES)]
    sql = " AND ".join('"' + name.replace('"', '""') + f'" % 1000 = {AWKWARD_NAMES.index(name)}' for name in distinct)
    everything = parquet_bench.snapshot(checks=(CheckSpec("custom-sql", sql=sql),))
    assert everything[1] == ()
    assert everything[0].checks[0].failing == 0


def test_sql_cannot_name_a_column_that_differs_from_another_only_in_case(bench: Any) -> None:
    bench.csv("a,A,b\n1,2,3\n")
    assert bench.ids(columns={"a": ColumnSpec(max=1), "A": ColumnSpec(min=2)}) == []
    _, (found,) = bench.snapshot(checks=(CheckSpec("custom-sql", sql="a < b"),))
    assert (found.id, found.message) == (
        "check-sql-invalid",
        "the check 'custom-sql' cannot be evaluated: 'A' and 'a' differ only in case, which SQL ignores: rename one",
    )
    assert bench.ids(checks=(CheckSpec("custom-sql", sql="b = 3"),)) == []


def test_sql_may_ask_the_whole_table(bench: Any) -> None:
    bench.csv("a b\n1\n3\n")
    assert bench.ids(checks=(CheckSpec("custom-sql", sql='"a b" < (SELECT 2 * avg("a b") FROM data)'),)) == []


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "a"], "2 columns are named 'a'"), (["a", " "], "a column has no name")]
)
def test_a_parquet_file_needs_names_that_identify_its_columns(
    parquet_bench: Any, names: list[str], message: str
) -> None:
    path = parquet_bench.parquet({"x": [1], "y": [2]})
    pq.write_table(pq.read_table(path).rename_columns(names), path)
    with pytest.raises(Findings) as caught:
        parquet_bench.snapshot()
    (found,) = caught.value.diagnostics
    assert (found.id, found.message) == ("data-header", message)


def test_nested_columns_do_not_shift_the_names_of_others(parquet_bench: Any) -> None:
    parquet_bench.parquet(
        {
            "a": [{"x": 1, "y": [{"z": 2}]}],
            "b": [[1, 2]],
            "c": pa.array([[("k", 1)]], pa.map_("string", "int64")),
            "d": [4],
        }
    )
    record, _ = parquet_bench.snapshot(columns={"d": ColumnSpec("integer", min=4)})
    assert [(column.name, column.type) for column in record.columns][-1] == ("d", "integer")
    assert record.checks[-1].passed


def test_files_with_columns_in_another_order_are_one_table(parquet_bench: Any, table: dict[str, list[int]]) -> None:
    parquet_bench.parquet(table)
    whole = parquet_bench.snapshot()[0].columns, parquet_bench.content()
    back = dict(reversed(table.items()))
    parquet_bench.parquet({name: column[:20] for name, column in back.items()}, "data/rows.parquet")
    parquet_bench.parquet({name: column[20:] for name, column in table.items()}, "data/more.parquet")
    assert (parquet_bench.snapshot()[0].columns, parquet_bench.content()) == whole


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), unique=True))
def test_different_names_have_different_aliases_that_no_engine_reads(names: list[str]) -> None:
    aliases = [column_alias(name) for name in names]
    assert len(set(aliases)) == len(names)
    assert set("".join(aliases)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_%")
