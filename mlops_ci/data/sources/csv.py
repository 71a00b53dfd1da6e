"""Reads CSV (RFC 4180): Python reads the header, DuckDB reads the rows, and Python explains the errors of rows.

DuckDB's sniffer is not used: it reads a file with ragged rows as another dialect, and returns no rows and no error.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import chain, islice
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import quote_literal
from mlops_ci.data.row_rules import pluralize

_HEADER_BYTES = 1 << 20
_ROW_BYTES = 16 << 20
_DELIMITERS = {",": "','", ";": "';'", "\t": '"\\t"', "|": "'|'"}  # as written in YAML
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_header(path: Path, name: str, delimiter: str) -> tuple[str, ...]:
    """Return the column names in the file's first record.

    Raises Findings: `data-empty` when there is no record, `data-header` when a name is empty or repeated, `data-encoding`, `data-csv` when the first record does not end within a mebibyte, and
    `data-delimiter` when another delimiter divides the first two records and this one does not.
    """
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
        whole = not stream.read(1)
    text = _decode_start(start, name, whole)
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), None)
    except csv.Error as error:
        raise _csv_error("data-csv", f"the header cannot be read: {error}", name, 1, _CSV_HELP) from error
    if not header:
        raise _csv_error(
            "data-empty",
            f"'{name}' is empty",
            name,
            None,
            "check that it is the right file; the first line of a CSV file must name its columns",
        )
    if not whole and "\n" not in text and "\r" not in text:
        raise _csv_error("data-csv", "the first line does not end within a mebibyte", name, 1, _CSV_HELP)
    if other := _guess_delimiter(text, header, delimiter):
        message = f"the only column is named {quote(header[0])}: the delimiter is probably {_DELIMITERS[other]}"
        help = f"write `source: {{..., delimiter: {_DELIMITERS[other]}}}`"
        raise _csv_error("data-delimiter", message, name, 1, help)
    for column, times in Counter(header).items():
        if not column.strip():
            help = "give every column in the header a name"
            index = (
                "; with pandas, write to_csv(index=False), which leaves out the unnamed index column"
                if not header[0].strip()
                else ""
            )
            raise _csv_error("data-header", "a column has no name", name, 1, help + index)
        if times > 1:
            message = f"{times} columns are named {quote(column)}"
            help = "rename one of them"
            if _NUMERIC.fullmatch(column.strip()):
                help = "the header line is probably missing: the first line must name the columns"
            raise _csv_error("data-header", message, name, 1, help)
    return tuple(header)


def duckdb_csv_options(columns: int, delimiter: str) -> str:
    """Return the arguments of DuckDB's `read_csv` with all detection off: text columns c0, c1, ..."""
    names = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(columns))
    return (
        f"auto_detect = false, header = true, delim = {quote_literal(delimiter)}, quote = '\"', escape = '\"', "
        f"columns = {{{names}}}, strict_mode = true, null_padding = false, allow_quoted_nulls = false, "
        "compression = 'none', hive_partitioning = false, encoding = 'utf-8', "
        f"max_line_size = {_ROW_BYTES}, buffer_size = {2 * _ROW_BYTES}"
    )


def explain_csv_error(
    path: Path, name: str, header: tuple[str, ...], delimiter: str, summary: str, details: str
) -> ToolError:
    """Return the error that explains why DuckDB cannot read a file; `summary` and `details` are DuckDB's messages."""
    line = re.search(r"Error on Line: (\d+)", summary + details)
    at = int(line[1]) if line else None
    if "utf-8" in details.lower() and "unicode" in details.lower():
        return _csv_error("data-encoding", "the file is not UTF-8", name, at, _ENCODING_HELP)
    if "Expected Number of Columns" in details:
        at, fields = _find_ragged_row(path, len(header), delimiter) or (at, None)
        message = (
            f"a row has {pluralize(fields, 'field')}, but the header has {len(header)}"
            if fields is not None
            else f"a row has a different number of fields than the header, which has {len(header)}"
        )
        return _csv_error(
            "data-ragged-row", message, name, at, "quote fields that contain the delimiter, and add missing fields"
        )
    if "Maximum line size" in details:
        message = f"a row is longer than {_ROW_BYTES >> 20} MiB"
        help = (
            "close all quotes; store long documents in separate files, and only the names of these files in the table"
        )
        return _csv_error("data-csv", message, name, at, help)
    known = (cause for message, cause in _CAUSES.items() if message in details)
    return _csv_error("data-csv", f"the file is not valid CSV: {next(known, summary)}", name, at, _CSV_HELP)


_CSV_HELP = (
    'write the file in the format of RFC 4180: put fields in quotes ("), write each quote inside a field twice (""),'
    " and use the same line ending everywhere"
)
_CAUSES = {
    "unterminated quote": "a quoted field is not closed, or has text after its closing quote",
    "reached an invalid state": "line endings are mixed, or a quote is in the wrong place",
}
_ENCODING_HELP = "save the file as UTF-8"


def _guess_delimiter(text: str, header: list[str], delimiter: str) -> str | None:
    if len(header) > 1:
        return None
    for other in _DELIMITERS:
        if other != delimiter and other in header[0]:
            try:
                first = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=other, strict=True), 2))
            except csv.Error:
                continue
            if len(first) == 2 and len(first[0]) == len(first[1]) > 1:
                return other
    return None


def _decode_start(start: bytes, name: str, whole: bool) -> str:
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start > len(start) - 4:  # the read ended inside a character
            return start[: error.start].decode("utf-8-sig")
        line = start.count(b"\n", 0, error.start) + 1
        raise _csv_error("data-encoding", "the file is not UTF-8", name, line, _ENCODING_HELP) from error


def _find_ragged_row(path: Path, columns: int, delimiter: str) -> tuple[int, int] | None:
    """Return the line and the number of fields of the first ragged row. DuckDB reports records, not lines."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(chain(stream), delimiter=delimiter, strict=True)
        before = 0
        try:
            for row in reader:
                if row and len(row) != columns:
                    return before + 1, len(row)
                before = reader.line_num
        except csv.Error:
            return None
    return None


def _csv_error(id: str, message: str, name: str, line: int | None, help: str) -> ToolError:
    return Findings.of(id, message, location=Location(name, line), help=help)
