"""The steps of a command open the same table: a CSV file that has not changed is read once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data import checks
from mlops_ci.data.check_types import CheckAnswer
from mlops_ci.data.engines import duckdb as engine
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import SplitSource, write_split_files
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, SourceSpec


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read from now on, one entry a reading."""
    seen: list[str] = []
    real = engine.open_files

    def count(local: Any, *rest: Any) -> Any:
        seen.append(local.source.path)
        return real(local, *rest)

    monkeypatch.setattr(engine, "open_files", count)
    return seen


def rows(
    root: Path,
    source: SourceSpec,
    columns: dict[str, ColumnSpec] | None = None,
    files: tuple[FileDigest, ...] | None = None,
) -> list[Any]:
    with open_table(root, files or source_files(root, source), DatasetSpec(source, columns=columns or {})) as table:
        table.connection.execute("CREATE TEMP TABLE mine AS SELECT 1")  # of this opening alone
        assert table.connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        with pytest.raises(duckdb.Error):
            table.connection.execute("SET threads = 1")
        return table.fetch_rows(table.relation())


CSV = SourceSpec("csv", "data/rows.csv")


def test_an_unchanged_csv_file_is_read_once(bench: Any, reads: list[str]) -> None:
    bench.csv("id\n1\n")
    assert [rows(bench.root, CSV) for _ in range(3)] == [[(1,)]] * 3
    assert reads == [CSV.path]


def test_a_file_with_the_same_size_and_time_but_other_content_is_read_again(bench: Any, reads: list[str]) -> None:
    """Its digest differs."""
    path = bench.csv("id\n1\n")
    before = path.stat()
    assert rows(bench.root, CSV) == [(1,)]
    bench.csv("id\n2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert rows(bench.root, CSV) == [(2,)]
    assert reads == [CSV.path] * 2


def test_a_file_that_is_written_after_its_digest_was_taken_is_read_again(bench: Any, reads: list[str]) -> None:
    bench.csv("id\n1\n")
    files = source_files(bench.root, CSV)
    assert rows(bench.root, CSV, files=files) == [(1,)]
    bench.csv("id\n2\n")
    assert rows(bench.root, CSV, files=files) == [(2,)]
    assert reads == [CSV.path] * 2


def test_a_table_that_a_check_of_a_package_has_seen_is_read_again(
    bench: Any, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a check that adds a row to the table, then the next step sees the file's rows."""
    bench.csv("id\n1\n")

    def evaluate(data: Any) -> CheckAnswer:
        data.to_native().insert_into("cells")
        return CheckAnswer(True, "seen")

    made = SimpleNamespace(columns=(), expectation="none", evaluate=evaluate)
    check = SimpleNamespace(name="adds", type="adds", severity="error")
    monkeypatch.setattr(checks, "installed_checks", lambda _: [(0, check, made)])
    spec = DatasetSpec(CSV)
    with open_table(bench.root, source_files(bench.root, CSV), spec) as table:
        checks.run_checks(table, spec)
        assert table.fetch_rows(table.relation()) == [(1,), (1,)]
    assert rows(bench.root, CSV) == [(1,)]
    assert reads == [CSV.path] * 2


def test_tables_may_be_open_at_the_same_time(bench: Any) -> None:
    bench.csv("id\n1\n")
    bench.csv("id\n5\n", "other/data/rows.csv")
    with open_table(bench.root, source_files(bench.root, CSV), DatasetSpec(CSV)) as table:
        assert rows(bench.root / "other", CSV) == [(5,)]
        assert rows(bench.root, CSV) == [(1,)]
        assert table.fetch_rows(table.relation()) == [(1,)]


def test_threads_read_their_own_tables(bench: Any) -> None:
    """Given threads that open two tables at the same time, then each has the rows of its own file."""
    bench.csv("id\n" + "1\n" * 500, "a/data/rows.csv")
    bench.csv("id\n" + "2\n" * 500, "b/data/rows.csv")
    begin = threading.Barrier(2)

    def read(name: str) -> set[Any]:
        begin.wait()
        return set().union(*(rows(bench.root / name, CSV) for _ in range(4)))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, "ab")) == [{(1,)}, {(2,)}]


@pytest.mark.parametrize("change", ["columns", "delimiter", "folder"])
def test_other_columns_delimiter_or_folder_are_read_anew(bench: Any, reads: list[str], change: str) -> None:
    bench.csv("id\n1\n")
    assert rows(bench.root, CSV) == [(1,)]
    if change == "columns":
        assert rows(bench.root, CSV, {"id": ColumnSpec(type="string")}) == [("1",)]
    elif change == "delimiter":
        assert rows(bench.root, SourceSpec("csv", CSV.path, delimiter=";")) == [(1,)]
    else:
        bench.csv("id\n5\n", "other/data/rows.csv")
        assert rows(bench.root / "other", CSV) == [(5,)]
    assert len(reads) == 2


def test_a_large_file_is_not_kept(bench: Any, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REUSED_BYTES", 4)
    bench.csv("id\n1\n")
    assert rows(bench.root, CSV) == rows(bench.root, CSV) == [(1,)]
    assert reads == [CSV.path] * 2


def split_files(bench: Any, folder: Path, *columns: str) -> tuple[bytes, bytes]:
    source = SplitSource(bench.root, bench.dataset(key=("id",)), source_files(bench.root, bench.source))
    folder.mkdir(exist_ok=True)
    written = write_split_files(source, columns, "y", folder)
    return written.train.read_bytes(), written.holdout.read_bytes()


def test_the_files_of_a_split_are_written_once_for_models_of_the_same_columns(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model whose columns an earlier model had, then its files are copies; those of other columns are not."""
    bench.csv("id,a,b,y\n" + "".join(f"{row},{row % 7},{row % 3},{row % 2}\n" for row in range(60)))
    first = split_files(bench, tmp_path / "first", "a")
    other = split_files(bench, tmp_path / "other", "b")
    assert first != other
    monkeypatch.setattr("pyarrow.parquet.ParquetWriter", None)  # nothing can be written anew
    assert split_files(bench, tmp_path / "again", "a") == first
    assert split_files(bench, tmp_path / "again", "b") == other


def test_remembered_files_are_those_of_the_rows_that_are_there(bench: Any, tmp_path: Path) -> None:
    bench.csv("id,a,y\n" + "".join(f"{row},{row % 7},{row % 2}\n" for row in range(60)))
    before = split_files(bench, tmp_path / "before", "a")
    bench.csv("id,a,y\n" + "".join(f"{row},{row % 5},{row % 2}\n" for row in range(60)))
    assert split_files(bench, tmp_path / "after", "a") != before


def test_files_are_remembered_up_to_a_size(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.csv("id\n1\n")
    monkeypatch.setattr(engine, "REUSED_BYTES", 10)
    table = engine.Table(None, {}, written_files={})
    for name, size in (("a", 6), ("b", 4), ("large", 11), ("c", 1)):
        (tmp_path / name).write_bytes(b"x" * size)
        table.remember_file(name, tmp_path / name)
    assert [name for name in ("a", "b", "large", "c") if table.recall_file(name)] == ["c"]


def test_a_table_that_is_not_used_again_remembers_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    table = engine.Table(None, {})
    table.remember_file("a", tmp_path / "a")
    assert table.recall_file("a") is None


def test_a_file_that_cannot_be_read_is_not_kept(bench: Any) -> None:
    bench.csv('id\n"1\n')
    for _ in range(2):
        with pytest.raises(Findings):
            rows(bench.root, CSV)
    bench.csv("id\n3\n")
    assert rows(bench.root, CSV) == [(3,)]
