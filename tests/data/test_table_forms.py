"""The forms in which people have tables: each is read as the plain CSV file of the same values."""

from __future__ import annotations

import codecs
import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings
from mlops_ci.data.content_digest import content_digests
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources import plain_text
from mlops_ci.data.sources.files import source_files
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec, SourceSpec

Rows = list[tuple[str | None, int | None, float | None, bool | None]]
NAMES = ("name", "count", "share", "flag")
PLAIN = SourceSpec("csv", "t.csv")


def digest(root: Path, source: SourceSpec, columns: dict[str, ColumnSpec] | None = None) -> tuple[Any, ...]:
    with open_table(root, source_files(root, source), DatasetSpec(source, columns=columns or {})) as table:
        (side,) = content_digests(table.connection, "cells", table.types).items()
        return (*side[1], tuple(sorted(table.types.items())))


def finding(root: Path, source: SourceSpec) -> Any:
    with pytest.raises(Findings) as caught:
        digest(root, source)
    return caught.value.diagnostics[0]


def csv_text(
    rows: Rows, *, delimiter: str = ",", null: str = "", number: Callable[[str], str] = str, end: str = "\n"
) -> str:
    """A CSV file with its header; text is quoted."""

    def field(value: Any) -> str:
        if value is None:
            return null
        if isinstance(value, str):
            return '"' + value.replace('"', '""') + '"'
        written = str(value).lower() if isinstance(value, bool) else number(repr(value))
        return f'"{written}"' if delimiter in written else written

    return end.join([delimiter.join(NAMES), *(delimiter.join(map(field, row)) for row in rows)]) + end


def with_groups(text: str, group: str, point: str) -> str:
    """Digits in groups of three, and another point."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, dot, rest = digits.partition(".")
    if "e" in whole:
        return text.replace(".", point)
    return f"{sign}{int(whole):,}".replace(",", group) + (point + rest if dot else "")


def compressed(content: bytes, kind: str) -> bytes:
    return gzip.compress(content) if kind == "gz" else pa.compress(content, "zstd", asbytes=True)


LETTERS = st.characters(codec="cp1252", exclude_categories=["Cc"])
TEXT = st.text(LETTERS, min_size=1, max_size=6).map(lambda text: f"x{text.strip()}")  # text, whatever it holds
COUNT = st.integers(-(10**12), 10**12)
SHARE = st.floats(-1e15, 1e15, allow_nan=False).map(lambda value: value + 0.0)


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """One value in each column, so that each has its type, and any others."""
    first = (draw(TEXT), draw(COUNT), draw(SHARE), draw(st.booleans()))
    more = st.tuples(*(st.none() | values for values in (TEXT, COUNT, SHARE, st.booleans())))
    return [first, *draw(st.lists(more, max_size=6))]


FORMS: dict[str, Callable[[Rows], tuple[SourceSpec, bytes]]] = {
    "gzip": lambda rows: (SourceSpec("csv", "t.csv.gz"), compressed(csv_text(rows).encode(), "gz")),
    "zstd": lambda rows: (SourceSpec("csv", "t.csv.zst"), compressed(csv_text(rows).encode(), "zst")),
    "gzip under another name": lambda rows: (replace(PLAIN, compression="gz"), compressed(csv_text(rows).encode(), "gz")),
    "decimal commas": lambda rows: (
        replace(PLAIN, delimiter=";", decimal=","),
        csv_text(rows, delimiter=";", number=lambda text: text.replace(".", ",")).encode(),
    ),
    "German": lambda rows: (
        replace(PLAIN, delimiter=";", decimal=",", thousands="."),
        csv_text(rows, delimiter=";", number=lambda text: with_groups(text, ".", ",")).encode(),
    ),
    "thousands": lambda rows: (
        replace(PLAIN, thousands=","), csv_text(rows, number=lambda text: with_groups(text, ",", ".")).encode(),
    ),
    "units": lambda rows: (
        replace(PLAIN, units=("$", "%", "€"), thousands=" "),
        csv_text(rows, number=lambda text: f"{with_groups(text, ' ', '.')} %".replace("-", "-$", text[0] == "-")).encode(),
    ),
    "words for missing values": lambda rows: (replace(PLAIN, nulls=("NA", None, -999)), csv_text(rows, null="NA").encode()),
    "cp1252": lambda rows: (replace(PLAIN, encoding="cp1252"), csv_text(rows).encode("cp1252")),
    "utf-16": lambda rows: (replace(PLAIN, encoding="utf-16"), csv_text(rows).encode("utf-16")),
    "a byte order mark": lambda rows: (PLAIN, csv_text(rows).encode("utf-8-sig")),
    "line ends of Windows": lambda rows: (PLAIN, csv_text(rows, end="\r\n").encode()),
    "line ends of old Macs": lambda rows: (PLAIN, csv_text(rows, end="\r").encode()),
    "no header": lambda rows: (replace(PLAIN, header=NAMES), csv_text(rows).partition("\n")[2].encode()),
    "lines above": lambda rows: (replace(PLAIN, skip_rows=3), ('Export "of\n\n2026-01-01\n' + csv_text(rows)).encode()),
    "lines above, old Macs": lambda rows: (replace(PLAIN, skip_rows=1), ("Export\r" + csv_text(rows, end="\r")).encode()),
    "an index": lambda rows: (
        replace(PLAIN, index="drop"),
        b"".join(
            f'{number - 1 if number else ""},'.encode() + line
            for number, line in enumerate(csv_text(rows).encode().splitlines(keepends=True))
        ),
    ),
    "an index of write.table": lambda rows: (
        replace(PLAIN, index="drop", delimiter="\t"),
        b"".join(
            (f'"row {number}"\t' if number else "").encode() + line
            for number, line in enumerate(csv_text(rows, delimiter="\t").encode().splitlines(keepends=True))
        ),
    ),
    "spaces": lambda rows: (
        replace(PLAIN, trim=True), csv_text(rows, null="  ").encode(),
    ),
    "JSON Lines": lambda rows: (
        SourceSpec("jsonl", "t.jsonl"),
        "".join(
            json.dumps({name: value for name, value in zip(NAMES, row, strict=True) if value is not None or index % 2}) + "\n"
            for index, row in enumerate(rows)
        ).encode(),
    ),
}  # fmt: skip


def require_one_digest(rows: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "t.csv").write_bytes(csv_text(rows).encode())
        wanted = digest(root, PLAIN)
        assert dict(wanted[2]) == {"name": "string", "count": "integer", "share": "number", "flag": "boolean"}
        for form, written in FORMS.items():
            source, content = written(rows)
            (root / source.path).write_bytes(content)
            assert digest(root, source) == wanted, form


@settings(max_examples=3)
@given(rows=tables())
@example(
    rows=[
        ("xNA,;\t\"' 1,5", -1_234_567, -1234567.891, True),
        (None, None, None, None),
        ("é€", 0, 1e-7, False),
        ("x", 10**12, 1.5e300, False),
    ]
)
def test_the_same_values_have_the_same_digest_in_every_form(rows: Rows) -> None:
    require_one_digest(rows)


@pytest.mark.slow
@settings(max_examples=20)
@given(rows=tables())
def test_many_tables_have_the_same_digest_in_every_form(rows: Rows) -> None:
    require_one_digest(rows)


@pytest.mark.parametrize(
    ("text", "options", "type"),
    [
        ("1.5\n", {"decimal": ","}, "string"),
        ("1,5\n", {"decimal": ",", "delimiter": ";"}, "number"),
        ("1.5\n", {"decimal": ",", "thousands": ".", "delimiter": ";"}, "string"),
        ("1.500\n", {"decimal": ",", "thousands": ".", "delimiter": ";"}, "integer"),
        ("1 50\n", {"thousands": " "}, "string"),
        ("12%\n", {"units": ("$",)}, "string"),
        ("%\n", {"units": ("%",)}, "string"),
        ("007\n", {"units": ("%",)}, "string"),
        ("NA\n1\n", {}, "string"),
        ("na\n1\n", {"nulls": ("NA",)}, "string"),
        ('"NA"\n1\n', {"nulls": ("NA",)}, "integer"),
    ],
)
def test_what_a_source_does_not_say_is_not_read_into_it(
    bench: Any, text: str, options: dict[str, Any], type: str
) -> None:
    bench.csv("a\n" + text, "t.csv")
    assert digest(bench.root, replace(PLAIN, **options))[2] == (("a", type),)


def test_values_of_json_lines_keep_their_types(bench: Any) -> None:
    bench.csv(
        '{"zip": "01234", "when": "2026-01-02", "n": 12345678901234567, "list": [1, {"b": 2}], "odd": 1, "none": null}\n'
        '\n{"zip": "99", "when": "2026-01-03", "n": 1, "odd": "x", "ü\\u0041": true}\n',
        "t.jsonl",
    )
    source = SourceSpec("jsonl", "t.jsonl")
    assert dict(digest(bench.root, source)[2]) == {
        "zip": "string", "when": "date", "n": "integer", "list": "other", "odd": "string", "none": "empty", "üA": "boolean",
    }  # fmt: skip
    assert dict(digest(bench.root, source, {"zip": ColumnSpec("string")})[2])["zip"] == "string"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "the line is not an object"),
        ('{"a": 1', "the line is not JSON: Expecting ',' delimiter (column 8)"),
        ('{"a": 1, "a": 2}', "the field 'a' occurs twice"),
        ('{"a": ' + "[" * 100_000, "the line is nested too deeply"),
    ],
)
def test_every_bad_line_of_json_lines_is_named(bench: Any, line: str, message: str) -> None:
    bench.csv('{"a": 1}\n' + f"{line}\n" * 25, "t.jsonl")
    with pytest.raises(Findings) as caught:
        digest(bench.root, SourceSpec("jsonl", "t.jsonl"))
    found = caught.value.diagnostics
    assert [one.id for one in found] == ["data-json"] * 21
    assert [one.location and one.location.line for one in found[:20]] == list(range(2, 22))
    assert (found[0].message, found[20].message) == (message, "25 rows in all; the first 20 are listed")


def test_every_ragged_row_of_every_file_is_named_with_its_line(bench: Any) -> None:
    bench.csv("Report\n\na,b\n1,2\n3\n4,5\n6,7,8\n", "a.csv")
    bench.csv("Report\n\na,b\n" + "1\n" * 30, "b.csv")
    with pytest.raises(Findings) as caught:
        digest(bench.root, SourceSpec("csv", "*.csv", skip_rows=2))
    found = [(one.location.path, one.location.line) for one in caught.value.diagnostics if one.location]
    assert found == [("a.csv", 5), ("a.csv", 7), *(("b.csv", line) for line in range(4, 24)), ("b.csv", None)]
    assert caught.value.diagnostics[-1].message == "30 rows in all; the first 20 are listed"


def test_every_line_in_another_encoding_is_named(bench: Any) -> None:
    bench.csv(b"a,b\n1,2\n" + "é,1\n".encode("latin-1") + b"3,4\n" + "ü,1\n".encode("latin-1"), "t.csv")
    with pytest.raises(Findings) as caught:
        digest(bench.root, PLAIN)
    assert [one.location and one.location.line for one in caught.value.diagnostics] == [3, 5]
    assert "encoding: cp1252" in str(caught.value.diagnostics[0].help)


def files_of(folder: Path) -> list[str]:
    """Return the names of the files there, without the lock by which this process says that it is alive."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(("type", "line"), [("csv", b"1,2\n"), ("jsonl", b'{"a": 1}\n'), ("jsonl", b"[" * 99 + b"\n")])
@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_stops_at_its_limit_and_leaves_no_copy(
    bench: Any, kind: str, type: Any, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_text, "SMALL_COPY", 100_000)
    monkeypatch.setattr(tempfile, "tempdir", str(bench.root))
    bench.csv(compressed(line * 100_000, kind), f"t.{type}.{kind}")
    found = finding(bench.root, SourceSpec(type, f"t.{type}.{kind}"))
    assert (found.id, found.location.path) == ("data-too-large", f"t.{type}.{kind}")
    assert "after decompression" in found.message
    assert files_of(bench.root) == [f"t.{type}.{kind}"]


def test_lines_that_each_have_a_field_of_their_own_fill_no_disk(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 lines of 1,000 fields are a million cells in 20 kB."""
    monkeypatch.setattr(plain_text, "SMALL_COPY", 100_000)
    monkeypatch.setattr(plain_text, "GROWTH_LIMIT", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(bench.root))
    bench.csv("".join(f'{{"field {at}": 1}}\n' for at in range(1000)), "t.jsonl")
    found = finding(bench.root, SourceSpec("jsonl", "t.jsonl"))
    assert (found.id, found.location.path) == ("data-too-large", "t.jsonl")
    assert (
        found.message == "'t.jsonl' has 1,000 different fields, and more than 0.1 MB as a table with a column for each"
    )
    assert files_of(bench.root) == ["t.jsonl"]


@pytest.mark.parametrize(
    ("content", "path", "id"),
    [
        (b"a,b\n1,2\n", "t.csv.gz", "data-file-type"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-20], "t.csv.gz", "data-unreadable"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv.zst", "data-file-type"),
        (gzip.compress(b"PK\x03\x04", mtime=0), "t.csv.gz", "data-file-type"),
        (gzip.compress(b"", mtime=0), "t.csv.gz", "data-empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "t.csv.gz", "data-lfs-pointer"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says(bench: Any, content: bytes, path: str, id: str) -> None:
    bench.csv(content, path)
    found = finding(bench.root, SourceSpec("csv", path))
    assert (found.id, found.location.path) == (id, path)


def test_custom_sql_reads_the_same_form(bench: Any) -> None:
    bench.csv(gzip.compress(b"Report\na;b\n1.234,5;1\n2,5;NA\n"), "t.csv.gz")
    source = SourceSpec("csv", "t.csv.gz", delimiter=";", decimal=",", thousands=".", nulls=("NA",), skip_rows=1)
    found = bench.check("custom-sql", source=source, checks=(CheckSpec("custom-sql", sql="a > 1000 AND b = 1"),))
    assert (found.passed, found.failing) == (False, 1)


@pytest.mark.parametrize("type", ["csv", "jsonl"])
def test_a_number_for_a_missing_value_is_missing_however_it_is_written(bench: Any, type: Any) -> None:
    values = ["-999", "-999.0", "-999.00", "-9990", "-999.5", "-99", "1"]
    text = "\n".join(["x", *values]) if type == "csv" else "\n".join(f'{{"x": {value}}}' for value in values)
    bench.csv(text + "\n", f"data/rows.{type}")
    (column,) = bench.snapshot(source=SourceSpec(type, f"data/rows.{type}", nulls=(-999, -99)))[0].columns
    assert (column.nulls, column.minimum, column.maximum) == (4, -9990, 1)
    (column,) = bench.snapshot(source=SourceSpec(type, f"data/rows.{type}", nulls=("-999",)))[0].columns
    assert column.nulls == 1  # a word, letter by letter


def test_a_number_for_a_missing_value_has_the_decimal_sign_of_its_source(bench: Any) -> None:
    bench.csv("x;y\n-999,0;a\n1,5;b\n")
    source = SourceSpec("csv", "data/rows.csv", ";", ",", nulls=(-999,))
    (column, _) = bench.snapshot(source=source)[0].columns
    assert (column.nulls, column.minimum) == (1, 1.5)


@pytest.mark.parametrize(
    ("content", "encoding", "help"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), "utf-16", "write `encoding: utf-16-le` or `-be`"),
        (codecs.BOM_UTF8 + b"a,b\n1,2\n", "latin-1", "remove `encoding`"),
    ],
)
def test_the_mark_at_the_beginning_says_which_encoding_it_is(
    bench: Any, content: bytes, encoding: str, help: str
) -> None:
    bench.csv(content)
    with pytest.raises(Findings) as caught:
        bench.snapshot(source=SourceSpec("csv", "data/rows.csv", encoding=encoding))
    (found,) = caught.value.diagnostics
    assert (found.id, help in (found.help or "")) == ("data-encoding", True)


def test_an_object_without_fields_is_a_row_without_values(bench: Any) -> None:
    bench.csv('{}\n{"a": 1}\n{}\n', "data/rows.jsonl")
    record, _ = bench.snapshot(source=SourceSpec("jsonl", "data/rows.jsonl"))
    assert (record.rows, [(one.name, one.nulls) for one in record.columns]) == (3, [("a", 2)])
