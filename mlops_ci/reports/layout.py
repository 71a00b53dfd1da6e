"""Fits Markdown into a size limit by omitting whole blocks, the least important first; a block is never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops_ci.reports import escaping
from mlops_ci.reports.formatting import TableRow, format_count

_GAP_BYTES = 2  # the line breaks between two blocks


@dataclass(frozen=True)
class Block:
    """A self-contained piece of Markdown. Blocks with the highest `rank` are omitted first; rank 0 always stays."""

    text: str
    rank: int = 0


def fit_blocks(blocks: Iterable[Block], limit: int, pointer: str) -> str:
    """Return the blocks as one text of at most `limit` bytes of UTF-8; if some are omitted, the text ends with `pointer`.

    Of blocks with the same rank, the last is omitted first. The blocks of rank 0 must fit together.
    """
    kept = [block for block in blocks if block.text]
    sizes = [len(block.text.encode()) + _GAP_BYTES for block in kept]
    total = sum(sizes)
    if total <= limit:
        return "\n\n".join(block.text for block in kept) + "\n"
    total += len(pointer.encode()) + _GAP_BYTES
    omitted: set[int] = set()
    for index in sorted(range(len(kept)), key=lambda at: (-kept[at].rank, -at)):
        if total <= limit or kept[index].rank == 0:
            break
        omitted.add(index)
        total -= sizes[index]
    return "\n\n".join([*(block.text for at, block in enumerate(kept) if at not in omitted), pointer]) + "\n"


def limited_table(
    header: TableRow, rows: Sequence[TableRow], *, most: int, size: int, noun: str = "row", widest: int = 200
) -> str:
    """Return a Markdown table of the first rows: at most `most` rows and about `size` bytes.

    A final line gives the number of omitted rows. Cells are cut after `widest` characters. Without rows, return an empty
    string.
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
    """Return a list of the first lines: at most `most` lines and about `size` bytes. The lines are already Markdown.

    A final item gives the number of omitted lines.
    """
    shown: list[str] = []
    for line in lines[:most]:
        size -= len(line.encode()) + 3
        if size < 0:
            break
        shown.append(f"- {line}")
    if len(shown) < len(lines):
        shown.append(f"- _{format_count(len(lines) - len(shown), noun)} more._")
    return "\n".join(shown)
