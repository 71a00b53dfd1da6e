"""Plain-text tables, the format of numbers, and escaping of untrusted text for a log."""

from __future__ import annotations

from collections.abc import Sequence

TableRow = Sequence[str]


class TableText(str):
    """An aligned table as text, with its cells by row, the header first: a page that is too narrow for it is laid out anew."""

    __slots__ = ("cells", "droppable", "indent")
    cells: Sequence[TableRow]
    indent: str
    droppable: TableRow | None  # the columns to leave out first where rows must not fold; None where they may


class CodeText(str):
    """A line of Python, which a narrow page shows as lines that are the same code."""

    __slots__ = ()


def text_table(
    header: TableRow, rows: Sequence[TableRow], indent: str = "", *, droppable: TableRow | None = None
) -> TableText:
    """Return an aligned table; a column that is empty in every row is omitted.

    With `droppable`, a narrow page shows one line a row: without these columns, then with cells cut short.
    """
    columns = [column for column in zip(header, *rows, strict=True) if any(column[1:])]
    cells = [[cell if cell.isprintable() else _escape_unprintable(cell) for cell in column] for column in columns]
    widths = [max(map(len, column)) for column in cells]
    padded = [[cell.ljust(width) for cell in column] for column, width in zip(cells, widths, strict=True)]
    table = TableText("\n".join([indent + "  ".join(row).rstrip() for row in zip(*padded, strict=True)]))
    table.cells, table.indent, table.droppable = list(zip(*cells, strict=True)), indent, droppable
    return table


def escape_log_line(text: str) -> str:
    """Return a line for a log, without control characters and without commands to GitHub's runner.

    The runner executes a line that starts with `::` (after blanks), and the older `##[` anywhere in a line.
    """
    shown = _escape_unprintable(text).replace("##[", "## [")
    return f"| {shown}" if shown.lstrip().startswith("::") else shown


def escape_log_lines(text: str) -> str:
    """Return text of several lines, each escaped as by `escape_log_line`."""
    if "::" not in text and "##[" not in text and text.replace("\n", "").isprintable():
        return text
    return "\n".join(escape_log_line(one) for one in text.split("\n"))


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 file` or `1,200 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_number(value: float | None) -> str:
    """Return a metric's value with four significant figures; an empty string for None."""
    if value is None:
        return ""
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else f"{value:.4g}"


def format_difference(value: float | None) -> str:
    """Return a difference with its sign; an empty string for None."""
    return "" if value is None else f"{value:+.4f}"


def format_interval(lower: float | None, upper: float | None) -> str:
    """Return an interval; an empty string if there is none."""
    return "" if lower is None or upper is None else f"[{format_number(lower)}, {format_number(upper)}]"


def _escape_unprintable(text: str) -> str:
    from mlops_ci.core.diagnostics import replace_control_characters  # most text is, and queries need not wait for it

    return text if text.isprintable() else replace_control_characters(text)
