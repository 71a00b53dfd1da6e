"""Writes JSON Lines as CSV: each line is an object, and its fields are the columns.

Numbers keep their digits: they are copied as text. The CSV's first column has no name and no meaning, so that no line of
the CSV is empty; `index: drop` leaves it out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.data.bad_rows import MAX_LISTED_ROWS, bad_row_findings
from mlops_ci.spec.personal_data import quote_name

LINE_LIMIT = 16 << 20  # bytes
_HELP = "write one JSON object a line, in UTF-8, and each line as one line"


class _Number(str):
    """The digits of a number."""

    __slots__ = ()


class _BadLineError(ValueError):
    """A line that is not one JSON object."""


class _RepeatedFieldError(ValueError):
    """An object has a field of this name twice."""


def write_json_lines_as_csv(
    open_lines: Callable[[], AbstractContextManager[IO[bytes]]],
    name: str,
    out: Path,
    limit: int,
    known_names: frozenset[str] = frozenset(),
) -> dict[str, frozenset[str]]:
    """Write the objects as CSV; return the columns in the order of their first row, each with the kinds of its values.

    A kind is `string`, `number`, `boolean` or `nested` (a list or an object, which is written as JSON). A field that is null
    or absent is an empty field. The lines are read again if a later object has fields that the first one has not.
    Raises Findings `data-json` for lines that are not objects, `data-empty` when there is none, `data-too-large` when the CSV
    grows beyond `limit` bytes, and those of reading.
    """
    kinds: dict[str, set[str]] = {}
    with open_lines() as stream:
        width = _write_rows(stream, name, kinds, out, limit, known_names)
    if width < len(kinds):
        with open_lines() as stream:
            _write_rows(stream, name, kinds, out, limit, known_names)
    if not kinds:
        help = "check that it is the right file; each line must be an object with the fields of a row"
        raise Findings.of("data-empty", f"'{name}' has no rows", location=Location(name), help=help)
    return {column: frozenset(found) for column, found in kinds.items()}


def _write_rows(
    stream: IO[bytes], name: str, kinds: dict[str, set[str]], out: Path, limit: int, known_names: frozenset[str]
) -> int:
    """Write the rows with the fields that `kinds` or else the first row has; add all fields to `kinds`; return the number written."""
    bad: list[tuple[int, str]] = []
    columns = {column: at for at, column in enumerate(kinds)} if kinds else None
    number, total, written = 0, 0, 0
    with out.open("w", encoding="utf-8", newline="") as target:
        if columns is not None:
            target.write(_encode_header(columns))
        while line := stream.readline(LINE_LIMIT):
            number += 1
            try:
                row = _parse_line(line, known_names, is_first=number == 1)
            except _BadLineError as error:
                total += 1
                bad += [(number, str(error))] if len(bad) < MAX_LISTED_ROWS else []
                if len(line) == LINE_LIMIT:
                    break  # what follows is the middle of a line
                continue
            if row is None:
                continue
            if columns is None:
                columns = {column: at for at, column in enumerate(row)}
                target.write(_encode_header(columns))
            for column, value in row.items():
                known = kinds.setdefault(column, set())
                if value is not None:
                    known.add(_kind(value))
            written += target.write(_encode_row(row, columns))
            if written > limit:
                raise _too_large_error(name, len(columns), limit)
    if bad:
        raise Findings(bad_row_findings("data-json", bad, name, help=_HELP, total=total))
    return len(columns or ())


def _parse_line(line: bytes, known_names: frozenset[str], *, is_first: bool) -> Mapping[str, Any] | None:
    """Return the object of a line, and None for an empty line; raises _BadLineError for another line."""
    if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
        raise _BadLineError(f"the line is longer than {LINE_LIMIT >> 20} MiB")
    try:
        text = line.decode("utf-8-sig" if is_first else "utf-8").strip(" \t\r\n")
        if not text:
            return None
        row = _DECODER.decode(text)
    except _RepeatedFieldError as error:
        raise _BadLineError(f"the field {quote_name(str(error), known_names)} occurs twice") from error
    except UnicodeDecodeError as error:
        raise _BadLineError("the line is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _BadLineError(f"the line is not JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise _BadLineError("the line is nested too deeply") from error
    if not isinstance(row, dict):
        raise _BadLineError("the line is not an object")
    return row


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _RepeatedFieldError(next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1))
    return fields


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_fields, parse_float=_Number, parse_int=_Number, parse_constant=_Number
)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, _Number) else "string" if isinstance(value, str) else "nested"


def _encode_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return value
    return _quote_field(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))


def _encode_row(row: Mapping[str, Any], columns: Mapping[str, int]) -> str:
    """Return the fields that have a column as a line of CSV; `columns` has the place of each."""
    cells = [""] * len(columns)
    for column, value in row.items():
        if (at := columns.get(column)) is not None:
            cells[at] = _encode_value(value)
    return "0," + ",".join(cells) + "\n"


def _too_large_error(name: str, columns: int, limit: int) -> ToolError:
    """Return the error for a small file that makes a large table: each field is a column, which every line has."""
    return Findings.of(
        "data-too-large",
        f"'{name}' has {columns:,} different fields, and more than {limit / 1e6:,.1f} MB as a table with a column for each",
        location=Location(name),
        help="check that it is the right file; what differs from line to line is a value, and no name of a field",
    )


def _encode_header(columns: Iterable[str]) -> str:
    return ",".join(['""', *map(_quote_field, columns)]) + "\n"


def _quote_field(text: str) -> str:
    # half of a surrogate pair is no character: no file can hold it
    return '"' + text.encode("utf-8", "replace").decode().replace('"', '""') + '"'
