"""Files of a source: which ones a path names, what is read from them, and what is said of those that cannot be read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import Findings
from mlops_ci.data.sources.files import folder_before_wildcard, matches_source_path, source_files
from mlops_ci.spec.spec_types import ColumnSpec, SourceSpec


def names(root: Path, path: str) -> list[str]:
    return [file.path for file in source_files(root, SourceSpec("csv", path))]


def finding(bench: Any, **spec: Any) -> Any:
    with pytest.raises(Findings) as caught:
        bench.snapshot(**spec)
    (found,) = caught.value.diagnostics
    return found


def test_globs_are_sorted_and_skip_what_is_hidden(bench: Any) -> None:
    for name in ("b.csv", "a.csv", ".hidden.csv", "deep/c.csv", "deep/er/d.csv", ".git/e.csv", "a.txt", "f[1].csv"):
        bench.csv("x\n1\n", f"data/{name}")
    assert names(bench.root, "data/*.csv") == ["data/a.csv", "data/b.csv", "data/f[1].csv"]
    assert names(bench.root, "**/*.csv") == [
        "data/a.csv", "data/b.csv", "data/deep/c.csv", "data/deep/er/d.csv", "data/f[1].csv",
    ]  # fmt: skip
    assert names(bench.root, "data/[ab].csv") == ["data/a.csv", "data/b.csv"]
    assert names(bench.root, "data/f[1].csv") == ["data/f[1].csv"]
    assert names(bench.root, "data/?.csv") == ["data/a.csv", "data/b.csv"]


def test_a_file_has_its_digest_and_size(bench: Any) -> None:
    bench.csv("x\n1\n", "a.csv")
    (file,) = source_files(bench.root, SourceSpec("csv", "a.csv"))
    assert (file.path, file.sha256, file.size) == ("a.csv", digest_bytes(b"x\n1\n"), 4)


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../outside.csv", "data/../../outside.csv", "link.csv", "linked/out.csv"]
)
def test_nothing_outside_the_repository_is_a_source(bench: Any, path: str) -> None:
    bench.csv("x\n1\n")
    outside = bench.root.parent / "elsewhere"
    outside.mkdir()
    (outside / "out.csv").write_text("x\n1\n")
    (bench.root / "link.csv").symlink_to(outside / "out.csv")
    (bench.root / "linked").symlink_to(outside)
    found = finding(bench, source=SourceSpec("csv", path))
    assert (found.id, found.location.path) == ("data-source-outside", "spec/source/path")


def test_a_link_inside_the_repository_is_fine_and_a_tree_of_links_is_not_walked(bench: Any) -> None:
    real = bench.csv("x\n1\n")
    (bench.root / "link.csv").symlink_to(real)
    assert names(bench.root, "*.csv") == ["link.csv"]
    for index in range(30):
        (bench.root / "data" / f"loop{index}").symlink_to(bench.root / "data")
    assert names(bench.root, "data/**/**/*.csv") == ["data/rows.csv"]


@pytest.mark.parametrize("path", ["gone.csv", "data/*.csv", "data"])
def test_a_source_that_matches_nothing(bench: Any, path: str) -> None:
    (bench.root / "data").mkdir(parents=True)
    found = finding(bench, source=SourceSpec("csv", path))
    assert (found.id, found.location.path) == ("data-source-missing", "spec/source/path")


def test_a_pipe_is_no_file(bench: Any) -> None:
    bench.root.mkdir()
    os.mkfifo(bench.root / "rows.csv")
    assert finding(bench, source=SourceSpec("csv", "rows.csv")).id == "data-source-missing"


@pytest.mark.parametrize(
    ("text", "id", "line", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", "data-ragged-row", 3, "a row has 3 fields, but the header has 2"),
        ("a,b\n1,2\n3\n4,5\n", "data-ragged-row", 3, "a row has 1 field, but the header has 2"),
        ('a,b\n1,"x\ny\nz"\n3,4,5\n', "data-ragged-row", 5, "a row has 3 fields, but the header has 2"),
        ("", "data-empty", None, "'data/rows.csv' is empty"),
        ("a,b\n", "data-empty", None, "'data/*.csv' has no rows"),
        ("a,\n1,2\n", "data-header", 1, "a column has no name"),
        (b"a,b\n1,caf\xe9\n", "data-encoding", 2, "the file is not UTF-8"),
        (b"caf\xe9,b\n1,2\n", "data-encoding", 1, "the file is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "data-encoding", 1, "the file is not UTF-8"),
        ('a,b\n1,"2\n3,4\n', "data-csv", 2, "the file is not valid CSV: a quoted field is not closed, or has text after its closing quote"),
        ('a,b\n1,"x"y\n', "data-csv", 2, "the file is not valid CSV: a quoted field is not closed, or has text after its closing quote"),
        ('"a,b\n1,2\n', "data-csv", 1, "the header cannot be read: unexpected end of data"),
        ("a" * (1 << 20) + ",b\n", "data-csv", 1, "the header cannot be read: field larger than field limit (131072)"),
        ("a," * (1 << 20), "data-csv", 1, "the first line does not end within a mebibyte"),
    ],
)  # fmt: skip
def test_bad_csv(bench: Any, text: str | bytes, id: str, line: int | None, message: str) -> None:
    bench.csv(text)
    found = finding(bench)
    assert (found.id, found.message) == (id, message)
    assert (found.location.path, found.location.line) == ("data/rows.csv", line)
    assert found.help


@pytest.mark.parametrize(
    ("text", "id", "message", "help"),
    [
        ("1,1,2\n3,4,5\n", "data-header", "2 columns are named '1'", "the header line is probably missing"),
        (",a\n0,1\n", "data-header", "a column has no name", "index: drop"),
        ("a;b\n1;2\n", "data-delimiter", "the only column is named 'a;b': the delimiter is probably ';'", "write `source: {..., delimiter: ';'}"),
        ("a\tb\n1,5\t2\n", "data-delimiter", "the only column is named 'a\\tb': the delimiter is probably \"\\t\"", 'delimiter: "\\t"'),
        ("a|b\n1|2\n", "data-delimiter", "the only column is named 'a|b': the delimiter is probably '|'", "delimiter: '|'"),
        ("a,b\r\n1,2\n3,4\r\n5,6\r", "data-csv", "the file is not valid CSV: line endings are mixed, or a quote is in the wrong place", "the same line ending"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "data-lfs-pointer", "'data/rows.csv' is a Git LFS pointer, not the data", "git lfs pull"),
        (b"PAR1 some bytes PAR1", "data-file-type", "'data/rows.csv' is not CSV: it is a parquet file", "type: parquet"),
        (b"\x1f\x8b\x08", "data-file-type", "'data/rows.csv' is not CSV: it is compressed with gzip", "compression: gz"),
        (b"PK\x03\x04", "data-file-type", "'data/rows.csv' is not CSV: it is a zip archive, such as an Excel workbook", "save the table"),
    ],
)  # fmt: skip
def test_a_csv_that_is_something_else_is_told_once_and_with_its_cause(
    bench: Any, text: str | bytes, id: str, message: str, help: str
) -> None:
    bench.csv(text)
    found = finding(bench, columns={name: ColumnSpec("integer") for name in "abcdefgh"})
    assert (found.id, found.message, found.location.path) == (id, message, "data/rows.csv")
    assert help in found.help


@pytest.mark.parametrize("text", ["a|b\n1\n2\n", '"a;b"\n1\n', "PAR1,PAR2\n1,2\n", "a;b,c\n1;2,3\n"])
def test_odd_names_of_columns_are_no_other_format(bench: Any, text: str) -> None:
    bench.csv(text)
    assert bench.snapshot()[1] == ()


def test_a_csv_or_a_pointer_under_a_parquet_name(parquet_bench: Any) -> None:
    path = parquet_bench.parquet({"a": [1]})
    path.write_text("größen,b\n" + "é" * 800, encoding="utf-8")
    found = finding(parquet_bench)
    assert (found.id, found.message) == (
        "data-file-type", "'data/rows.parquet' is not parquet: it is text, probably CSV",
    )  # fmt: skip
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert finding(parquet_bench).id == "data-lfs-pointer"


def test_a_long_cell_is_read_and_a_huge_one_refused_with_the_bound(bench: Any) -> None:
    bench.csv("a,b\n1," + "x" * (15 << 20) + "\n")
    assert bench.snapshot()[0].rows == 1
    bench.csv("a,b\n1," + "x" * (17 << 20) + "\n")
    found = finding(bench)
    assert (found.id, found.message, found.location.line) == ("data-csv", "a row is longer than 16 MiB", 2)


def test_a_file_name_that_is_not_utf_8(bench: Any) -> None:
    path = bench.csv("a\n1\n")
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9.csv"))
    found = finding(bench)
    assert (found.id, found.location.path) == ("data-source-name", "spec/source/path")
    assert found.message == "the file name 'data/caf\\udce9.csv' is not UTF-8"


def test_a_ragged_row_far_down_is_found(bench: Any) -> None:
    bench.csv("a,b\n" + "1,2\n" * 200_000 + "1,2,3\n" + "1,2\n" * 10)
    assert finding(bench).location.line == 200_002


@pytest.mark.parametrize("text", ["\ufeffa,b\n1,\n", "a,b\r\n1,\r\n", "a,b\n1,", '"a","b"\n"1",\n'])
def test_dialects_of_rfc_4180(bench: Any, text: str) -> None:
    bench.csv(text)
    record, _ = bench.snapshot()
    assert [(column.name, column.type, column.nulls) for column in record.columns] == [
        ("a", "integer", 0),
        ("b", "string", 1),
    ]


def test_another_delimiter(bench: Any) -> None:
    bench.csv('a;b\n"1;2";3\n')
    record, _ = bench.snapshot(source=SourceSpec("csv", "data/rows.csv", ";"))
    assert [(column.name, column.minimum) for column in record.columns] == [("a", "1;2"), ("b", 3)]


def test_an_empty_text_is_no_missing_value(bench: Any) -> None:
    bench.csv('a,n\n"",""\n,\nx,1\n')
    text, number = bench.snapshot()[0].columns
    assert (text.nulls, text.minimum) == (1, "")
    assert (number.type, number.nulls) == ("integer", 2)


def test_a_type_is_guessed_from_the_whole_file(bench: Any) -> None:
    rows = [("1", "1", "true", "2026-01-01", "2026-01-01", "01")] * 30_000
    rows.append(("2.5", "x", "false", "2026-01-02", "2026-01-02 10:00", "02"))
    bench.csv("a,b,c,d,e,f\n" + "".join(",".join(row) + "\n" for row in rows))
    types = [column.type for column in bench.snapshot()[0].columns]
    assert types == ["number", "string", "boolean", "date", "timestamp", "string"]


def test_a_declared_text_stays_text(bench: Any) -> None:
    bench.csv("zip\n10115\n20095\n")
    assert bench.snapshot()[0].columns[0].type == "integer"
    column = bench.snapshot(columns={"zip": ColumnSpec("string")})[0].columns[0]
    assert (column.type, column.minimum) == ("string", "10115")


def test_nan_is_missing_and_infinity_is_not(bench: Any) -> None:
    bench.csv("x\n1.5\nNaN\nnan\n-inf\n")
    (column,) = bench.snapshot()[0].columns
    assert (column.type, column.nulls, column.minimum, column.maximum, column.mean) == ("number", 2, "-inf", 1.5, 1.5)


def test_files_are_united_by_name(bench: Any) -> None:
    bench.csv("a,b\n1,x\n", "data/1.csv")
    bench.csv("b,a\ny,2\n", "data/2.csv")
    record, found = bench.snapshot(columns={"a": ColumnSpec("integer")})
    assert (record.rows, found) == (2, ())


@pytest.mark.parametrize(("second", "where"), [("a\n1\n", "data/2.csv"), ("a,b,c\n1,2,3\n", "data/1.csv")])
def test_files_with_other_columns(bench: Any, second: str, where: str) -> None:
    bench.csv("a,b\n1,2\n", "data/1.csv")
    bench.csv(second, "data/2.csv")
    found = finding(bench)
    assert (found.id, found.location.path) == ("data-files-differ", where)


def test_parquet_files_agree_on_types_or_say_so(parquet_bench: Any) -> None:
    import pyarrow as pa

    parquet_bench.parquet({"a": pa.array([1, 2], pa.int8())}, "data/1.parquet")
    parquet_bench.parquet({"a": pa.array([1.5, None])}, "data/2.parquet")
    parquet_bench.parquet({"a": pa.nulls(2)}, "data/3.parquet")
    record, _ = parquet_bench.snapshot()
    assert [(column.type, column.nulls, column.maximum) for column in record.columns] == [("number", 3, 2.0)]
    parquet_bench.parquet({"a": pa.array(["x"])}, "data/4.parquet")
    found = finding(parquet_bench)
    assert (found.id, found.location.path) == ("data-files-differ", "data/4.parquet")


def test_folders_named_like_partitions_add_no_columns(parquet_bench: Any) -> None:
    parquet_bench.parquet({"a": [1]}, "data/year=2026/rows.parquet")
    record, _ = parquet_bench.snapshot(source=SourceSpec("parquet", "data/**/*.parquet"))
    assert [column.name for column in record.columns] == ["a"]


def test_damaged_parquet(parquet_bench: Any) -> None:
    path = parquet_bench.parquet({"a": list(range(10_000)), "b": [str(index) for index in range(10_000)]})
    whole = path.read_bytes()
    for content in (b"", b"no\0parquet", whole[:-100], whole[:4] + b"\xff" * 2000 + whole[2004:]):
        path.write_bytes(content)
        found = finding(parquet_bench)
        assert found.id == "data-unreadable"
        assert "\n" not in found.message


def test_a_parquet_without_rows(parquet_bench: Any) -> None:
    parquet_bench.parquet({"a": []})
    assert finding(parquet_bench).id == "data-empty"


PARTS = st.sampled_from(["a", "b", "ab", ".h", "a.csv", "b.csv", ".x.csv", "[a]"])
PATTERNS = st.sampled_from(["a", "b", "*", "**", "a*", "*.csv", "[ab]", ".h", "?", "a.csv", "[a]"])


@given(
    st.sets(st.lists(PARTS, min_size=1, max_size=4).map(tuple), max_size=8), st.lists(PATTERNS, min_size=1, max_size=4)
)
def test_what_a_path_reaches_is_what_is_read_whether_it_is_there_or_not(
    files: set[tuple[str, ...]], pattern: list[str]
) -> None:
    """Whatever the files, those that `reaches` names by their paths are those that are found on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = set()
        for parts in sorted(files, key=len, reverse=True):
            path = root.joinpath(*parts)
            if not path.exists() and not any(above.is_file() for above in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
                made.add("/".join(parts))
        wanted = "/".join(pattern)
        try:
            found = {file.path for file in source_files(root, SourceSpec("csv", wanted))}
        except Findings:
            found = set()
        if wanted in made:  # a name that happens to hold a wildcard is that name, for as long as it is there
            found |= {path for path in made if matches_source_path(wanted, path)}
        assert found == {path for path in made if matches_source_path(wanted, path)}
        for name in found:
            above = PurePosixPath(name).parents
            assert all(
                matches_source_path(wanted, parent.as_posix(), is_folder=True) for parent in above if parent.name
            )
            assert f"{name}/".startswith(f"{folder_before_wildcard(wanted)}/".lstrip("/")) or name == wanted


def test_a_folder_that_nothing_below_can_be_read_from_is_not_reached() -> None:
    assert not matches_source_path("data/*/x.csv", "other", is_folder=True)
    assert not matches_source_path("data/*.csv", "data/sub", is_folder=True)
    assert matches_source_path("data/**/*.csv", "data/sub", is_folder=True)
    assert not matches_source_path("data/*.csv", "data/sub")
