"""Rows as an aligned plain-text table or a Markdown table, and how figures are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

Row = Sequence[str]


def plain(header: Row, rows: Sequence[Row], indent: str = "") -> str:
    """Return an aligned table; a column that is empty in every row is left out."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    table = [[row[index] for index in kept] for row in (header, *rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(kept))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(indent + line for line in lines)


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """Return a GitHub-flavoured Markdown table whose cells are text, whatever they hold."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[escaped(row[index]) for index in kept] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands: no markup, links, mentions, HTML or line breaks."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|~#@&!$])", lambda found: f"&#{ord(found.group())};", flat)


def number(value: float | None) -> str:
    """Write a metric's value with four significant figures; nothing for None."""
    if value is None:
        return ""
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else f"{value:.4g}"


def signed(value: float | None) -> str:
    """Write a difference with its sign; nothing for None."""
    return "" if value is None else f"{value:+.4f}"


def interval(lower: float | None, upper: float | None) -> str:
    """Write an interval; nothing when there is none."""
    return "" if lower is None or upper is None else f"[{number(lower)}, {number(upper)}]"
