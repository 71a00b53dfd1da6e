"""Reads CSV (RFC 4180): Python reads the header, DuckDB reads the rows, and Python explains the errors of rows.

DuckDB's sniffer is not used: it reads a file with ragged rows as another dialect, and returns no rows and no error.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.data.bad_rows import MAX_LISTED_ROWS, bad_row_findings
from mlops_ci.data.column_types import quote_literal
from mlops_ci.data.row_rules import pluralize
from mlops_ci.spec.personal_data import quote_name
from mlops_ci.spec.source_types import SourceSpec

_HEADER_BYTES = 1 << 20
_ROW_BYTES = 16 << 20
# A thread of DuckDB takes memory for 2,048 rows. In a wider table a buffer holds fewer rows, and one thread takes less time
_PARALLEL_COLUMNS = 4_000
DELIMITERS = {",": "','", ";": "';'", "\t": '"\\t"', "|": "'|'"}  # as written in YAML
_INDEX_NAME = re.compile(r"Unnamed: ?0")  # the name that pandas gives to a column without one
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CsvFile:
    """A CSV file in UTF-8: its path, its name in findings, how it is written, and the lines that the path has no longer.

    `known_names`: see `ReadableFiles`.
    """

    path: Path
    name: str
    source: SourceSpec
    skipped_lines: int = 0
    known_names: frozenset[str] = frozenset()

    def location(self, line: int | None = None) -> Location:
        """Return the place of a line of the path."""
        return Location(self.name, None if line is None else line + self.skipped_lines)


def read_header(file: CsvFile) -> tuple[str, ...]:
    """Return the column names of the file: those of its first record, or those that its source gives.

    With `index: drop`, the first name is empty. Raises Findings: `data-empty` when there is no record, `data-header` when a
    name is empty or repeated or the number of names is wrong, `data-encoding`, `data-csv`
    when the first record does not end within a mebibyte, and `data-delimiter` when another delimiter divides the first two
    records and this one does not.
    """
    with file.path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
        whole = not stream.read(1)
    text, delimiter = _decode_start(start, file, whole), file.source.delimiter
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        first = next(records, None)
    except csv.Error as error:
        raise _csv_error("data-csv", f"the header cannot be read: {error}", file, 1, _CSV_HELP) from error
    if not first:
        blank = first is not None and bool(text.strip())
        message = "the first line is empty" if blank else f"'{file.name}' is empty"
        skip = "write in the source how many lines are above the table: `skipRows: 1`"
        help = skip if blank else "check that it is the right file; the first line of a CSV file must name its columns"
        raise _csv_error("data-header" if blank else "data-empty", message, file, 1 if blank else None, help)
    if not whole and "\n" not in text and "\r" not in text:
        raise _csv_error("data-csv", "the first line does not end within a mebibyte", file, 1, _CSV_HELP)
    if other := _guess_delimiter(text, first, delimiter):
        message = f"the only column is named {quote_name(first[0], file.known_names)}: the delimiter is probably {DELIMITERS[other]}"
        help = f"write `source: {{..., delimiter: {DELIMITERS[other]}}}`"
        raise _csv_error("data-delimiter", message, file, 1, help)
    names = _names_of(first, records, file)
    _require_usable_names(names, file)
    _require_known_name(names, file)
    return tuple(names)


def _names_of(first: list[str], records: Iterator[list[str]], file: CsvFile) -> list[str]:
    """Return a name for each field of a row; an index that is dropped has an empty name."""
    source, header = file.source, file.source.header
    index = [""] if source.index == "drop" else []
    first = [cell.strip() for cell in first] if source.trim else first
    if header is True:
        try:
            second = next(records, None)
        except csv.Error:
            second = None  # it is reported when the rows are read
        if index and second and len(second) == len(first) + 1:
            return [*index, *first]  # as `write.table` of R writes it
        if index and (first[0].strip() and not _INDEX_NAME.fullmatch(first[0])):
            named = quote_name(first[0], file.known_names)
            message = f"the first column is named {named}, so it is not an index without a name"
            raise _csv_error("data-header", message, file, 1, "remove `index: drop` from the source")
        return [*index, *first[len(index) :]]
    width = len(first) - len(index)
    names = [*header] if isinstance(header, tuple) else [f"column{number}" for number in range(1, width + 1)]
    if len(names) != width:
        message = f"the first row has {pluralize(width, 'field')}, but `header` has {pluralize(len(names), 'name')}"
        raise _csv_error("data-header", message, file, 1, "write a name for each column in `header`")
    return [*index, *names]


def _require_usable_names(names: list[str], file: CsvFile) -> None:
    used = names[1:] if file.source.index == "drop" else names
    for column, times in Counter(used).items():
        if not column.strip():
            help = "give every column in the header a name"
            if not used[0].strip() and used is names:
                help = "if it is an index, as pandas and R write it, leave it out with `source: {..., index: drop}`"
            elif not used[-1].strip():
                help += "; if every line ends with the delimiter, remove it there"
            raise _csv_error("data-header", "a column has no name", file, 1, help)
        if times > 1:
            message = f"{times} columns are named {quote_name(column, file.known_names)}"
            help = "rename one of them"
            if _NUMERIC.fullmatch(column.strip()):
                help = (
                    "the header line is probably missing: name the columns in the source, `header: [a, b, ...]`, "
                    "or write `header: false`"
                )
            raise _csv_error("data-header", message, file, 1, help)


def _require_known_name(names: Sequence[str], file: CsvFile) -> None:
    if file.known_names and not file.known_names & set(names):
        message = (
            "the first line has none of the names that the spec has; it is not shown, because a column is tagged `pii`"
        )
        help = "check that it is the right file; if it has no header line, name the columns in the source: `header: [a, b, ...]`"
        raise _csv_error("data-header", message, file, 1, help)


def duckdb_csv_options(columns: int, source: SourceSpec) -> str:
    """Return the arguments of DuckDB's `read_csv` with all detection off: text columns c0, c1, ..."""
    names = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(columns))
    return (
        f"auto_detect = false, header = {'true' if source.header is True else 'false'}, "
        f"delim = {quote_literal(source.delimiter)}, quote = '\"', escape = '\"', "
        f"columns = {{{names}}}, strict_mode = true, null_padding = false, allow_quoted_nulls = false, "
        "compression = 'none', hive_partitioning = false, encoding = 'utf-8', "
        f"max_line_size = {_ROW_BYTES}, buffer_size = {2 * _ROW_BYTES}, "
        f"parallel = {'true' if columns <= _PARALLEL_COLUMNS else 'false'}"
    )


def explain_csv_error(file: CsvFile, columns: int, summary: str, details: str) -> ToolError:
    """Return the error that explains why DuckDB cannot read a file; `summary` and `details` are DuckDB's messages.

    Rows with a wrong number of fields and lines in another encoding are all listed, up to a limit, and counted.
    """
    line = re.search(r"Error on Line: (\d+)", summary + details)
    at = int(line[1]) if line else None
    if "utf-8" in details.lower() and "unicode" in details.lower():
        return encoding_error(file)
    if "Expected Number of Columns" in details:
        ragged, total = _find_ragged_rows(file, columns)
        help = "quote fields that contain the delimiter, and add missing fields"
        if ragged:
            return Findings(bad_row_findings("data-ragged-row", ragged, file.name, help=help, total=total))
        message = f"a row has a different number of fields than the header, which has {columns}"
        return _csv_error("data-ragged-row", message, file, at, help)
    if "Maximum line size" in details:
        message = f"a row is longer than {_ROW_BYTES >> 20} MiB"
        help = (
            "close all quotes; store long documents in separate files, and only the names of these files in the table"
        )
        return _csv_error("data-csv", message, file, at, help)
    known = (cause for message, cause in _CAUSES.items() if message in details)
    return _csv_error("data-csv", f"the file is not valid CSV: {next(known, summary)}", file, at, _CSV_HELP)


def encoding_error(file: CsvFile) -> ToolError:
    """Return the error for a file that is not UTF-8, with the lines that are not."""
    bad: list[tuple[int, str]] = []
    total = 0
    with file.path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        number = 0
        while line := stream.readline(_ROW_BYTES):
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                total += 1
                if len(bad) < MAX_LISTED_ROWS:
                    bad.append((number + file.skipped_lines, "the file is not UTF-8"))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        help, bad, total = "write `encoding: utf-16` in the source, or save the file as UTF-8", bad[:1], 1
    else:
        help = "write the file's encoding in the source, such as `encoding: cp1252`, or save the file as UTF-8"
    return Findings(bad_row_findings("data-encoding", bad, file.name, help=help, total=total))


_CSV_HELP = (
    'write the file in the format of RFC 4180: put fields in quotes ("), write each quote inside a field twice (""),'
    " and use the same line ending everywhere"
)
_CAUSES = {
    "unterminated quote": "a quoted field is not closed, or has text after its closing quote",
    "reached an invalid state": "line endings are mixed, or a quote is in the wrong place",
}


def _guess_delimiter(text: str, header: list[str], delimiter: str) -> str | None:
    if len(header) > 1:
        return None
    for other in DELIMITERS:
        if other != delimiter and other in header[0]:
            try:
                first = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=other, strict=True), 2))
            except csv.Error:
                continue
            if len(first) == 2 and len(first[0]) == len(first[1]) > 1:
                return other
    return None


def _decode_start(start: bytes, file: CsvFile, whole: bool) -> str:
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start > len(start) - 4:  # the read ended inside a character
            return start[: error.start].decode("utf-8-sig")
        raise encoding_error(file) from error


def _find_ragged_rows(file: CsvFile, columns: int) -> tuple[list[tuple[int, str]], int]:
    """Return the lines and the messages of the first ragged rows, and the number of all. DuckDB reports records, not lines."""
    found: list[tuple[int, str]] = []
    total = before = 0
    what = "the header has" if file.source.header is True else "the first row has"
    with file.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(stream, delimiter=file.source.delimiter, strict=True)
        try:
            for row in reader:
                # the header of R's `write.table` has no name for the index
                if row and len(row) != columns and not (before == 0 and file.source.index == "drop"):
                    total += 1
                    message = f"a row has {pluralize(len(row), 'field')}, but {what} {columns}"
                    if len(found) < MAX_LISTED_ROWS:
                        found.append((before + 1 + file.skipped_lines, message))
                before = reader.line_num
        except csv.Error:
            pass  # the rows after it cannot be told apart
    return found, total


def _csv_error(id: str, message: str, file: CsvFile, line: int | None, help: str) -> ToolError:
    return Findings.of(id, message, location=file.location(line), help=help)
