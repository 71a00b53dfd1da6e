from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.codec import decode, encode
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec, Length, Nulls, SourceSpec, SplitSpec

PROJECT = ProjectRef("shop", ".")

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_profile_is_of_the_data(bench: Any) -> None:
    bench.csv("n,s,b,d,x\n1,b,true,2026-01-01,1e300\n3,a,false,2026-01-02,-1e300\n,,,,2\n")
    columns = {column.name: column for column in bench.snapshot()[0].columns}
    assert list(columns) == ["b", "d", "n", "s", "x"]
    assert (columns["n"].nulls, columns["n"].minimum, columns["n"].maximum) == (1, 1, 3)
    assert (columns["n"].mean, columns["n"].std) == (2.0, 1.41421356)
    assert (columns["s"].minimum, columns["s"].maximum, columns["s"].mean) == ("a", "b", None)
    assert (columns["d"].minimum, columns["b"].maximum) == ("2026-01-01", True)
    assert (columns["x"].maximum, columns["x"].mean) == (1e300, 2.0)  # what would overflow is left out of the mean


def test_the_profile_of_personal_data_says_how_many_only(bench: Any) -> None:
    bench.csv("n\n1\n3\n")
    (column,) = bench.snapshot(columns={"n": ColumnSpec(tags=("pii",))})[0].columns
    assert (column.nulls, column.minimum, column.maximum, column.mean, column.std) == (0, None, None, None, None)


def test_a_snapshot_is_a_record(bench: Any) -> None:
    bench.csv("n\n1\n3\n")
    record, _ = bench.snapshot(columns={"n": ColumnSpec("integer", max=2)})
    assert decode(DatasetSnapshot, encode(record)) == record


def test_a_dataset_without_a_key_is_warned_of_where_a_hash_divides_it(bench: Any) -> None:
    from mlops_ci.data.snapshot import take_snapshot

    bench.csv("id,x\n1,2\n")

    def found(**spec: Any) -> tuple[Any, ...]:
        return take_snapshot(bench.root, bench.dataset(**spec), NOW, None, PROJECT)[1]

    (warning,) = found()
    assert (warning.id, warning.severity, warning.location.path) == ("split-without-key", "warning", "spec/key")
    assert warning.help == "name the columns that identify a row: `key: [...]`"
    assert found(key=("id",)) == found(time="id", split=SplitSpec("time")) == ()


def test_all_checks_and_the_profile_are_one_query(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own log says so: of the queries that aggregate the data while checking, there is one."""
    import duckdb

    from mlops_ci.data.checks import run_checks
    from mlops_ci.data.engines.duckdb import open_table
    from mlops_ci.data.sources.table import open_source

    bench.csv("id,x,s,d\n" + "".join(f"{index},{index}.5,v{index},2026-01-01\n" for index in range(50)))
    spec = DatasetSpec(
        SourceSpec("csv", "data/rows.csv"),
        columns={
            "id": ColumnSpec("integer", min=0, max=99, nulls=Nulls(0)),
            "x": ColumnSpec("number", min=0, max=99, nulls=Nulls(0)),
            "s": ColumnSpec("string", pattern="v.*", length=Length(1, 9), nulls=Nulls(0)),
        },
        checks=(
            CheckSpec("row-count", min=1),
            CheckSpec("freshness", column="d", max_age="999w"),
            CheckSpec("custom-sql", sql="x >= id"),
        ),
    )
    connect = duckdb.connect

    def logged(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        connection.execute("CALL enable_logging('QueryLog')")
        return connection

    monkeypatch.setattr(duckdb, "connect", logged)
    with open_table(bench.root, open_source(spec.source).resolve(bench.root), spec) as table:
        table.connection.execute("SELECT 'from here'").fetchall()
        _, given = run_checks(table, spec)
        log = [row[0] for row in table.connection.execute("SELECT message FROM duckdb_logs").fetchall()]
    assert all(answer.result.passed for answer in given if answer.newest is None)
    assert len(given) == 15
    log = log[next(index for index, query in enumerate(log) if "from here" in query) + 1 :]
    reads = [
        query for query in log if re.search("FROM (data|cells)", query) and not re.search("LIMIT 0\\s*$|^CREATE", query)
    ]
    assert len(reads) == 1, "\n\n".join(reads)


def test_unchanged_files_are_not_read_again(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.csv("id,when\n1,2026-01-01 00:00:00\n1,2026-01-01 00:00:00\n")
    bench = replace(bench, cache=tmp_path / "cache")
    asked: dict[str, Any] = {"key": ("id",), "checks": (CheckSpec("freshness", column="when", max_age="1d"),)}
    first = bench.snapshot(now=datetime(2026, 1, 1, tzinfo=UTC), **asked)
    monkeypatch.setattr("mlops_ci.data.snapshot.open_table", None)
    assert bench.snapshot(now=datetime(2026, 1, 1, tzinfo=UTC), **asked) == first
    later = bench.snapshot(now=datetime(2026, 1, 3, tzinfo=UTC), **asked)
    assert [found.id for found in first[1]] == ["check-unique"]
    assert [found.id for found in later[1]] == ["check-unique", "check-freshness"]
    assert later[0].files_digest == first[0].files_digest


def test_a_hit_imports_no_engine(bench: Any, tmp_path: Path) -> None:
    bench.csv("id\n1\n")
    bench = replace(bench, cache=tmp_path / "cache")
    bench.snapshot()
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
sys.modules["pytest"] = sys  # the conftest's own import, which is no part of this
sys.fixture = lambda function: function
from pathlib import Path
from conftest import Bench
record, _ = Bench(Path({str(bench.root)!r}), Path({str(bench.cache)!r})).snapshot()
assert record.rows == 1
print(sorted(set(sys.modules) & {{"duckdb", "narwhals", "pandas", "numpy", "pyarrow"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("change", ["data", "spec", "file name"])
def test_what_changed_is_read(bench: Any, tmp_path: Path, change: str) -> None:
    path = bench.csv("id\n1\n")
    bench = replace(bench, cache=tmp_path / "cache")
    bench.snapshot()
    if change == "data":
        bench.csv("id\n1\n2\n")
    elif change == "file name":
        path.rename(path.with_name("other.csv"))
    bench.snapshot(columns={"id": ColumnSpec()} if change == "spec" else {})
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_cache_is_no_cache(bench: Any, tmp_path: Path, content: bytes) -> None:
    bench.csv("id\n1\n")
    bench = replace(bench, cache=tmp_path / "cache")
    record = bench.snapshot()
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(content)
    assert bench.snapshot() == record
    assert kept.read_bytes() != content


def test_a_cache_that_cannot_be_written_stops_nothing(bench: Any, tmp_path: Path) -> None:
    bench.csv("id\n1\n")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert replace(bench, cache=tmp_path / "cache").snapshot()[0].rows == 1


def test_a_large_table_is_read_in_one_go(parquet_bench: Any) -> None:
    import numpy as np

    rows = 300_000
    parquet_bench.parquet({"id": np.arange(rows), "x": np.arange(rows) * 0.5, "s": np.char.mod("v%d", np.arange(rows))})
    record, found = parquet_bench.snapshot(
        key=("id",),
        columns={
            "id": ColumnSpec("integer", min=0),
            "x": ColumnSpec("number", max=1e9),
            "s": ColumnSpec(pattern="v[0-9]+"),
        },
    )
    assert (record.rows, found) == (rows, ())


def test_findings_point_into_the_spec_file(bench: Any) -> None:
    from mlops_ci.data.snapshot import take_snapshot
    from mlops_ci.spec.load import load_specs

    bench.csv("id,x\n1,5\n1,7\n")
    (bench.root / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n")
    (bench.root / "rows.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Dataset\nmetadata: {name: rows}\nspec:\n"
        "  source: {type: csv, path: data/rows.csv}\n  key: [id]\n  columns:\n    id: {}\n    x: {type: integer, max: 6}\n"
    )
    specs, found = load_specs(bench.root)
    assert specs is not None, found
    _, found = take_snapshot(bench.root, specs.datasets["rows"], NOW, None, PROJECT)
    assert [(item.id, str(item.location)) for item in found] == [
        ("check-range", "rows.yaml:9:29"),
        ("check-unique", "rows.yaml:6:8"),
    ]
