"""Lays out a report for a terminal: lines and tables fold at its width, and colours follow the meaning of words.

The module imports little, so that queries stay fast. Whoever prints decides about width and colour; a pipe gets neither.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_ci.reports import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = 2  # blanks between two columns
_NARROWEST = 8  # cells of a column that has been made narrower
_RESET = "\x1b[0m"
_STYLES = {"good": "\x1b[32m", "bad": "\x1b[31m", "open": "\x1b[33m", "quiet": "\x1b[2m", "next": "\x1b[36m"}
_MEANINGS = {
    **dict.fromkeys(("pass", "released", "identical", "equivalent", "passed", "ok"), "good"),
    **dict.fromkeys(("fail", "failed", "error", "refused", "different", "revoked", "not"), "bad"),
    **dict.fromkeys(("inconclusive", "incomparable", "warning", "warn", "deprecated"), "open"),
    **dict.fromkeys(("not-applicable",), "quiet"),
}
_VERDICT_LINE = re.compile(r"(?P<head>[^\s:]\S*: )(?P<word>[a-z-]+)(?P<rest>| \(.*\))$")
_FINDING = re.compile(r"(?P<word>(?P<level>error|warning|note)\[[a-z0-9-]+\])(?P<rest>: .*)$")
_HELP = re.compile(r"(?P<head>\s*= )(?P<word>help:)(?P<rest>.*)$")
_NEXT = re.compile(r"(?P<word>next:)(?P<rest>.*)$")
_LABEL = re.compile(r"\s*(?:[\w#.-]+(?: [\w.-]+)?\s{2,})?")
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[()\[\]{}]|,\s*|\s+|[^\s'"()\[\]{},]+""")
_GUTTER = re.compile(r"\s*= help: |\s*\|\s+|\s*--> ")


def lay_out(pieces: Iterable[str], width: int | None = None, *, colour: bool = False) -> str:
    """Return the lines and tables of a report as one text, at most `width` cells wide, where None means that it may be wider."""
    lines = []
    for piece in pieces:
        table = piece if isinstance(piece, formatting.TableText) else None
        if table is not None and width is not None and max(map(display_width, piece.split("\n"))) > width:
            lines += list(_fold_table(table, width, colour=colour))
            continue
        for number, line in enumerate(formatting.escape_log_lines(piece).split("\n")):
            if table is not None:
                lines.append(_paint_row(line, is_header=number == 0) if colour else line)
            elif isinstance(piece, formatting.CodeText):
                lines += fold_code(line, width)
            else:
                lines += [_paint(part, colour=colour) for part in fold_line(line, width)]
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    def cells(char: str) -> int:
        if unicodedata.category(char) in ("Mn", "Me", "Cf"):
            return 0
        return 2 if unicodedata.east_asian_width(char) in "WF" else 1

    return sum(map(cells, text))


def fold_line(line: str, width: int | None) -> list[str]:
    """Return a line as lines of at most `width` cells; those that follow the first are indented below its text."""
    if width is None or display_width(line) <= width:
        return [line]
    found = _GUTTER.match(line) or _LABEL.match(line)
    head = found.group() if found else ""
    blanks = len(line) - len(line.lstrip())
    hang = len(head) if blanks < len(head) < width // 2 else min(blanks + 2, width // 2)
    parts = _fold_words(line[len(head) :], width - len(head), width - hang) if len(head) < width // 2 else None
    if parts is None:
        head, parts = "", _fold_words(line, width, width - hang)
    return [head + parts[0], *(" " * hang + part for part in parts[1:])]


def fold_code(line: str, width: int | None) -> list[str]:
    """Return a line of Python as lines of at most `width` cells that are the same code, as far as its brackets allow.

    A long text in brackets becomes several texts, which Python joins.
    """
    if width is None or display_width(line) <= width:
        return [line]
    lines, current, depth, indent = [], "", 0, " " * 4
    for token in _TOKEN.findall(line):
        rest = token
        while depth and display_width(current) + display_width(rest) > width and (current.strip() or rest[0] in "'\""):
            room = width - display_width(current) - 2
            if rest[0] in "'\"" and "\\" not in rest and room > 8 and display_width(rest) > width - len(indent):
                cut = _cut_word(rest[1:-1], room)
                lines.append(current + rest[: cut + 1] + rest[0])
                rest = rest[0] + rest[cut + 1 :]
            elif current.strip():
                lines.append(current.rstrip())
            else:
                break
            current = indent
        current = current + rest if current.strip() else indent * bool(lines) + rest.lstrip()
        depth += token in ("(", "[", "{")
        depth -= token in (")", "]", "}")
    return [*lines, current]


def _fold_words(text: str, first: int, others: int) -> list[str]:
    """Return words in lines of `first` cells, then of `others`; a longer word is cut."""
    lines, current, room, others = [], "", max(first, 2), max(others, 2)
    for word in re.findall(r"\s*\S+", text):
        if display_width(current) + display_width(word) <= room:
            current += word
            continue
        rest = word.strip() if current else word
        if current.strip():
            lines.append(current)
            current, room = "", others
        while display_width(rest) > room:
            cut = _cut_word(rest, room)
            lines.append(rest[:cut])
            rest, room = rest[cut:], others
        current = rest
    return [*lines, current]


def _cut_word(word: str, room: int) -> int:
    """Return how many characters of a word stand on a line; a path is cut between its names, so that each can be read and found."""
    cut = _cut(word, room)
    after_slash = word.rfind("/", 0, cut) + 1
    return after_slash if after_slash > 1 else cut


def _cut(text: str, room: int) -> int:
    """Return how many characters of a text fit into this many cells: at least one."""
    used = 0
    for index, char in enumerate(text):
        used += display_width(char)
        if used > room:
            return max(index, 1)
    return len(text)


def _fold_table(table: formatting.TableText, width: int, *, colour: bool) -> Iterator[str]:
    columns = [list(column) for column in zip(*table.cells, strict=True)]
    if table.droppable is not None:
        yield from _crop_rows(columns, table, width, colour=colour)
        return
    widths = _narrow([max(map(display_width, column)) for column in columns], width - len(table.indent))
    if widths is None:
        yield from _list_rows(table, width, colour=colour)
        return
    for number, row in enumerate(table.cells):
        folded = [_fold_words(cell, room, room) for cell, room in zip(row, widths, strict=True)]
        for line in range(max(map(len, folded))):
            shown = [cell[line] if line < len(cell) else "" for cell in folded]
            padded = [text + " " * (room - display_width(text)) for text, room in zip(shown, widths, strict=True)]
            plain = table.indent + (" " * _GAP).join(padded).rstrip()
            yield _paint_row(formatting.escape_log_lines(plain), is_header=number == 0) if colour else plain


def _crop_rows(columns: list[list[str]], table: formatting.TableText, width: int, *, colour: bool) -> Iterator[str]:
    """Yield one line a row: some columns are left out, and the longest cells are cut."""
    room = width - len(table.indent)
    for name in table.droppable or ():
        if sum(max(map(display_width, column)) + _GAP for column in columns) - _GAP > room:
            columns = [column for column in columns if column[0] != name]
    widths = _narrow([max(map(display_width, column)) for column in columns], room) or [_NARROWEST] * len(columns)
    for number, row in enumerate(zip(*columns, strict=True)):
        cut = [
            cell if display_width(cell) <= at else cell[: _cut(cell, at - 1)] + "…"
            for cell, at in zip(row, widths, strict=True)
        ]
        padded = [text + " " * (at - display_width(text)) for text, at in zip(cut, widths, strict=True)]
        plain = formatting.escape_log_lines(table.indent + (" " * _GAP).join(padded).rstrip())
        yield _paint_row(plain, is_header=number == 0) if colour else plain


def _narrow(widths: Sequence[int], room: int) -> list[int] | None:
    """Return the widths, the widest made narrower until they fit; None if there are too many columns for that."""
    found = list(widths)
    excess = sum(found) + _GAP * (len(found) - 1) - room
    while excess > 0:
        widest = max(range(len(found)), key=lambda index: found[index])
        if found[widest] <= _NARROWEST:
            return None
        second = max((one for index, one in enumerate(found) if index != widest), default=0)
        less = max(1, min(excess, found[widest] - max(second, _NARROWEST)))
        found[widest] -= less
        excess -= less
    return found


def _list_rows(table: formatting.TableText, width: int, *, colour: bool) -> Iterator[str]:
    """Yield a table of many columns as a list: a line for each cell, behind the name of its column."""
    header, *rows = table.cells
    room = width - len(table.indent) - _GAP
    left = min(max(map(display_width, header)), room // 2)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, cell in zip(header, row, strict=True):
            if not cell:
                continue
            names, texts = _fold_words(name, left, left), _fold_words(cell, room - left, room - left)
            for line in range(max(len(names), len(texts))):
                label = names[line] if line < len(names) else ""
                text = texts[line] if line < len(texts) else ""
                padded = label + " " * (left + _GAP - display_width(label))
                plain = formatting.escape_log_lines(f"{table.indent}{padded}{text}".rstrip())
                yield _paint_row(plain, is_header=False) if colour else plain


def _paint_row(line: str, *, is_header: bool) -> str:
    if is_header:
        return f"{_STYLES['quiet']}{line}{_RESET}" if line.strip() else line
    return re.sub(r"(?<=  )[a-z-]+(?=  |$)", lambda found: _style_word(found.group()), line)


def _style_word(word: str) -> str:
    style = _MEANINGS.get(word)
    return f"{_STYLES[style]}{word}{_RESET}" if style else word


def _paint(line: str, *, colour: bool) -> str:
    if not colour:
        return line
    if found := _FINDING.match(line):
        style = {"error": "bad", "warning": "open"}.get(found["level"], "next")
        return f"{_STYLES[style]}{found['word']}{_RESET}{found['rest']}"
    if found := _HELP.match(line) or _NEXT.match(line):
        head = found.groupdict().get("head", "")
        return f"{head}{_STYLES['next']}{found['word']}{_RESET}{found['rest']}"
    if found := _VERDICT_LINE.match(line):
        return f"{found['head']}{_style_word(found['word'])}{found['rest']}"
    return line
