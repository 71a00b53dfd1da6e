"""Rows as an aligned plain-text table or a Markdown table; how figures are written, and how text of others stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.diagnostics import printable

Row = Sequence[str]

# GitHub makes links, pictures, formulas and notifications of these after Markdown is done: only code is left alone.
_REFERENCE = re.compile(r"@(?=\w)|#(?=\d)|GH-(?=\d)|://|www\.|\$|:(?=[\w+-]+:)|::", re.IGNORECASE)
_ASIDE = re.compile(r"[`\\|]|##\[")  # not even code can hold these in a table cell and in a log
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKUP = re.compile(
    r"[\\`*~<>&]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters or digits, an underscore is only that
    r"|\[(?![-+]?\d)|(?<!\d)\]|\](?=[(\[:])"  # an interval is no link
)
_BLOCK = re.compile(r"[-+=]+|#{1,6}|\d+[.)]")  # a first word that starts a list, a heading or a rule


def plain(header: Row, rows: Sequence[Row], indent: str = "") -> str:
    """Return an aligned table; a column that is empty in every row is left out."""
    columns = [column for column in zip(header, *rows, strict=True) if any(column[1:])]
    cells = [[cell if cell.isprintable() else printable(cell) for cell in column] for column in columns]
    widths = [max(map(len, column)) for column in cells]
    padded = [[cell.ljust(width) for cell in column] for column, width in zip(cells, widths, strict=True)]
    return "\n".join([indent + "  ".join(row).rstrip() for row in zip(*padded, strict=True)])


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """Return a GitHub-flavoured Markdown table whose cells are text, whatever they hold."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[escaped(row[index]).replace("|", "\\|") for index in kept] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Return text on one line that Markdown shows as it stands: no markup, links, mentions or HTML.

    Markdown's own characters get a backslash where they would mean something, `<`, `>` and `&` an entity; a word that
    GitHub would make a link, a mention or a formula of becomes code.
    """
    first, *rest = [_word(printable(word)) for word in text.split()] or [""]
    if _BLOCK.fullmatch(first):
        first = f"{first[:-1]}\\{first[-1]}"
    return " ".join((first, *rest))


def _word(word: str) -> str:
    bare = word.rstrip(".,:;")
    if _REFERENCE.search(word):
        return code(bare) + word[len(bare) :] if _REFERENCE.search(bare) else code(word)
    return _MARKUP.sub(lambda found: _ENTITIES.get(found.group(), f"\\{found.group()}"), word)


def code(text: str) -> str:
    """Return text on one line as code; no text can end it."""
    flat = printable(" ".join(text.split()))
    if not _ASIDE.search(flat):
        return f"`{flat}`" if flat else ""
    inert = re.sub(r"[^\w ]|_", lambda found: f"&#{ord(found.group())};", flat)
    return f"<code>{inert}</code>"


def line(text: str) -> str:
    """Return a line for a log: no control characters, and nothing that GitHub's runner would obey.

    The runner takes a line that starts with `::` (after blanks) for a command, and the older `##[` anywhere in a line.
    """
    shown = printable(text).replace("##[", "## [")
    return f"| {shown}" if shown.lstrip().startswith("::") else shown


def lines(text: str) -> str:
    """Return text of several lines, each as `line` has it."""
    if "::" not in text and "##[" not in text and text.replace("\n", "").isprintable():
        return text
    return "\n".join(line(one) for one in text.split("\n"))


def counted(count: int, noun: str) -> str:
    """Write a number of things, such as `1 file` or `1,200 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


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
