"""Markdown that fits: whole pieces of it are left out, the least important first, and never a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops_ci.reports import escaping
from mlops_ci.reports.formatting import TableRow, format_count

_GAP_BYTES = 2  # bytes of the empty line between two blocks


@dataclass(frozen=True)
class Block:
    """A piece of Markdown that stands by itself. The higher its `rank`, the sooner it is left out; 0 stays."""

    text: str
    rank: int = 0


def fit_blocks(blocks: Iterable[Block], limit: int, pointer: str) -> str:
    """Return the blocks as one text of at most `limit` bytes of UTF-8, with `pointer` at its end where some are left out.

    Of blocks of the same rank the last goes first. Those of rank 0 must fit by themselves.
    """
    kept = [block for block in blocks if block.text]
    sizes = [len(block.text.encode()) + _GAP_BYTES for block in kept]
    total = sum(sizes)
    if total <= limit:
        return "\n\n".join(block.text for block in kept) + "\n"
    total += len(pointer.encode()) + _GAP_BYTES
    gone: set[int] = set()
    for index in sorted(range(len(kept)), key=lambda at: (-kept[at].rank, -at)):
        if total <= limit or kept[index].rank == 0:
            break
        gone.add(index)
        total -= sizes[index]
    return "\n\n".join([*(block.text for at, block in enumerate(kept) if at not in gone), pointer]) + "\n"


def limited_table(
    header: TableRow, rows: Sequence[TableRow], *, most: int, size: int, noun: str = "row", widest: int = 200
) -> str:
    """Return a Markdown table of the first rows, at most `most` of them and about `size` bytes; a line says how many follow.

    Cells are cut after `widest` characters. Nothing without rows.
    """
    cut = [[escaping.clip(cell, widest) for cell in row] for row in rows[:most]]
    shown: list[TableRow] = []
    left = size
    for row in cut:
        left -= sum(len(escaping.escape_markdown(cell).encode()) + 3 for cell in row)
        if left < 0:
            break
        shown.append(row)
    parts = [escaping.markdown_table(header, shown)] if shown else []
    if len(shown) < len(rows):
        parts.append(f"_{'… and ' * bool(shown)}{format_count(len(rows) - len(shown), noun)}{' more' * bool(shown)}._")
    return "\n\n".join(parts)


def bullet_list(lines: Sequence[str], *, most: int, size: int, noun: str = "line") -> str:
    """Return a list of the first lines (Markdown already), at most `most` and about `size` bytes; the last one counts the others."""
    shown: list[str] = []
    for line in lines[:most]:
        size -= len(line.encode()) + 3
        if size < 0:
            break
        shown.append(f"- {line}")
    if len(shown) < len(lines):
        shown.append(f"- _{format_count(len(lines) - len(shown), noun)} more._")
    return "\n".join(shown)
