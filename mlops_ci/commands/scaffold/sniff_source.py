"""Finds out how a table's file is written: compression, encoding, lines above the table, delimiter, header and index."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.suggestions import quote
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.files import read_digest
from mlops_ci.data.sources.plain_text import compression_of, open_decompressed
from mlops_ci.spec.source_types import Compression, FileType, SourceSpec
from mlops_ci.spec.spec_types import DatasetSpec

_TYPES: dict[str, FileType] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".tab", ".data", ".dat"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
}
_OTHER_TYPES = {
    ".xlsx": "an Excel workbook: save the sheet as CSV",
    ".xls": "an Excel workbook: save the sheet as CSV",
    ".zip": "a zip archive: unpack it",
    ".bz2": "compressed with bzip2: unpack it, or compress it with gzip",
    ".xz": "compressed with xz: unpack it, or compress it with gzip",
    ".json": "one JSON document: write one object a line, as pandas does with `to_json(orient='records', lines=True)`, to a .jsonl file",
    ".feather": "an Arrow file: write it as parquet, as pandas does with `to_parquet`",
    ".arrow": "an Arrow file: write it as parquet, as pandas does with `to_parquet`",
    ".rds": "a file of R: write it with `write.csv(x, row.names = FALSE)`",
    ".rda": "a file of R: write it with `write.csv(x, row.names = FALSE)`",
    ".sav": "a file of SPSS: export it as CSV",
    ".dta": "a file of Stata: export it as CSV",
    ".pkl": "a pickle, which can run code: write the table as parquet",
}
_COMPRESSED: dict[bytes, Compression] = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst"}
_HEAD_BYTES = 1 << 20
_MAX_RECORDS = 2_000
_NUMBER = re.compile(r"[-+]?[$€£]?\s?(\d[\d.,' ]*|\.\d+)([eE][+-]?\d+)?\s?[%€$£]?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
_INDEX_NAME = re.compile(r"\s*|Unnamed: ?0")


@dataclass(frozen=True)
class SniffedSource:
    """How a file is written, as the source that reads it, and what was assumed."""

    source: SourceSpec
    notes: tuple[str, ...] = ()


def table_name(table: Path) -> str:
    """Return a file's name without its endings."""
    packed = table.suffix.lower() in (".gz", ".zst")
    return Path(table.stem).stem if packed else table.stem


def sniff_source(table: Path) -> SniffedSource:
    """Return how the file of a table is written; its path is the file's name.

    Numbers and words for missing values are found when the rows are read. Raises UsageProblem `init-table-type` for a file
    of another type, with what to do, and Findings as reading does.
    """
    type = _source_type(table)
    source = SourceSpec(type, table.name)
    if type == "parquet":
        return SniffedSource(source)
    with table.open("rb") as stream:
        start = stream.read(4)
    packed = next((kind for magic, kind in _COMPRESSED.items() if start.startswith(magic)), None)
    if packed is not None and packed != compression_of(source, table.name):
        source = replace(source, compression=packed)
    return SniffedSource(source) if type == "jsonl" else _sniff_csv(table, source)


def columns_of_table(table: Path) -> Mapping[str, str]:
    """Return the types of a table's columns by name, in their order; raises as `sniff_source` and `open_table` do."""
    source = sniff_source(table).source
    # somebody named this file, so it may be a link to another folder
    with open_table(table.parent, (read_digest(table.parent, table.name),), DatasetSpec(source)) as opened:
        return dict(opened.types)


def _source_type(table: Path) -> FileType:
    suffixes = [suffix.lower() for suffix in table.suffixes]
    if suffixes[-1:] in ([".gz"], [".zst"]):
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _TYPES:
        return _TYPES[suffix]
    other = _OTHER_TYPES.get(suffix)
    raise UsageProblem.of(
        "init-table-type",
        f"{quote(table.name)} is {other.partition(':')[0]}"
        if other
        else f"the extension of {quote(table.name)} is none of a table",
        help=other.partition(": ")[2]
        if other
        else "give --from a file that ends in .csv, .tsv, .txt, .jsonl, .parquet, or one of these and .gz or .zst",
    )


def _sniff_csv(table: Path, source: SourceSpec) -> SniffedSource:
    encoding, notes = _sniff_encoding(table, source)
    source = replace(source, encoding=encoding)
    with open_decompressed(table, source) as stream:
        head = stream.read(_HEAD_BYTES)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head).removeprefix("\ufeff")
    if len(head) == _HEAD_BYTES:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    delimiter, width = _sniff_delimiter(text)
    records = _records(text, delimiter)
    first = (
        next((at for at, (_, record) in enumerate(records) if len(record) in (width, width - 1)), 0) if width > 1 else 0
    )
    if width > 1 and len(records[first][1]) == width - 1 and not _is_index_header(records, first, width):
        first = next(at for at, (_, record) in enumerate(records) if len(record) == width)
    rows = [record for _, record in records[first:]]
    source = replace(source, delimiter=delimiter, skip_rows=records[first][0] if records else 0)
    if rows and _has_spaces(rows):
        source = replace(source, trim=True)
    if not rows:
        return SniffedSource(source, notes)
    header = [cell.strip() for cell in rows[0]]
    body = [row for row in rows[1:] if len(row) == width]
    if len(header) == width - 1 or (
        _INDEX_NAME.fullmatch(header[0]) and all(header[1:]) and _is_header(header[1:], [row[1:] for row in body])
    ):
        named = header[0] if len(header) == width and header[0] else ""
        if not named:
            return SniffedSource(replace(source, index="drop"), notes)
    elif not _is_header(header, body):
        names = tuple(f"column{number}" for number in range(1, width + 1))
        note = "The first line has values, so the columns have no names: name them in `header`."
        return SniffedSource(replace(source, header=names), (*notes, note))
    return SniffedSource(source, notes)


def _sniff_encoding(table: Path, source: SourceSpec) -> tuple[str, tuple[str, ...]]:
    """Return the encoding of a whole file, with a note where it is an assumption."""
    decoder, sample, example = codecs.getincrementaldecoder("utf-8")(), b"", b""
    with open_decompressed(table, source) as stream:
        while chunk := stream.read(_HEAD_BYTES):
            sample = sample or chunk[: 1 << 16]
            if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16", ()
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                start = max(error.object.rfind(b"\n", 0, error.start), error.start - 20) + 1
                example = error.object[start : error.start + 20].split(b"\n")[0]
                break
            if b"\0" in sample:
                break
        else:
            return "utf-8", ()
    zeros = [sample[parity::2].count(0) for parity in (0, 1)]
    if max(zeros) > len(sample) // 5:
        return ("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"), ()
    if not example:
        return "utf-8", ()
    with open_decompressed(table, source) as stream:
        undefined = any(
            set(chunk) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} for chunk in iter(lambda: stream.read(_HEAD_BYTES), b"")
        )
    encoding = "latin-1" if undefined else "cp1252"
    shown = quote(example.decode(encoding).strip())
    note = f"The file is not UTF-8. Its encoding is assumed: check that {shown} is right (cp1250 and cp1251 are central European and Cyrillic)."
    return encoding, (note,)


def _sniff_delimiter(text: str) -> tuple[str, int]:
    """Return the delimiter that divides most lines into the same number of fields, and this number."""
    best = (0.0, 0, ",", 1)
    for rank, delimiter in enumerate(",;\t| "):
        records = [record for _, record in _records(text, delimiter) if record]
        widths = Counter(map(len, records))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        # texts have spaces, too; `write.table` of R writes no name for its index
        without_header = records[1:] if records and len(records[0]) == width - 1 else records
        if width > 1 and (delimiter != " " or all(len(record) == width for record in without_header)):
            best = max(best, (round(count / widths.total(), 2), width, delimiter, -rank))
    share, width, delimiter, _ = best
    return (delimiter, width) if share > 0.5 else (",", 1)


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the first records, each with the number of lines before it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for record in reader:
            found.append((before, record))
            before = reader.line_num
            if len(found) == _MAX_RECORDS:
                break
    except csv.Error:
        pass  # the rows that could be read say enough; reading them all tells what is wrong
    return found


def _is_index_header(records: Sequence[tuple[int, list[str]]], first: int, width: int) -> bool:
    """Return whether the header has a name less than each row has fields, as `write.table` of R writes it."""
    return len(records) > first + 1 and all(len(record) == width for _, record in records[first + 1 :] if record)


def _is_header(header: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns: its cells differ from what is below them."""
    if not body:
        return True
    seen = 0
    for at, cell in enumerate(header):
        below = [row[at].strip() for row in body if row[at].strip()]
        values = sum(_is_value(value) for value in below)
        if not _is_value(cell) and cell and below and values * 2 > len(below):
            return True  # a word above numbers
        seen += cell in below
    if any(_is_value(cell) for cell in header) or not all(header) or len({*header}) < len(header):
        return False
    return seen * 2 < len(header)


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _has_spaces(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether most fields but the first of a row start with a space, or most end with one."""
    cells = [cell for row in rows[1:] for cell in row[1:] if cell.strip()]
    return sum(cell[0] == " " for cell in cells) * 2 > len(cells) or sum(cell[-1] == " " for cell in cells) * 2 > len(
        cells
    )
