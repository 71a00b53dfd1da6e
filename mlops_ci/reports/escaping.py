"""Markdown in which text of others stays text: tables, code, and what has to be escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.diagnostics import printable
from mlops_ci.reports.tables import Row

# GitHub makes links, pictures, formulas and notifications of these after Markdown is done: only code is left alone.
_REFERENCE = re.compile(r"@(?=\w)|#(?=\d)|GH-(?=\d)|://|www\.|\$|:(?=[\w+-]+:)|::", re.IGNORECASE)
# not even code can hold these in a table cell, in a log, and where hidden comments mark what is ours
_ASIDE = re.compile(r"[`\\|]|##\[|<!|-->")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKUP = re.compile(
    r"[\\`*~<>&]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters or digits, an underscore is only that
    r"|\[(?![-+]?\d)|(?<!\d)\]|\](?=[(\[:])"  # an interval is no link
)
_BLOCK = re.compile(r"[-+=]+|#{1,6}|\d+[.)]")  # a first word that starts a list, a heading or a rule


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """Return a GitHub-flavoured Markdown table whose cells are text, whatever they hold."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[escaped(row[index]).replace("|", "\\|") for index in kept] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def clipped(text: str, most: int) -> str:
    """Return text on one line, of at most `most` characters; what is cut off leaves an ellipsis."""
    flat = " ".join(text[: most * 4].split())
    return flat if len(flat) <= most and len(text) <= most * 4 else f"{flat[: most - 1]}…"


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
        after = word[len(bare) :]
        return code(bare) + after if _REFERENCE.search(bare) and not _REFERENCE.search(after) else code(word)
    return _MARKUP.sub(lambda found: _ENTITIES.get(found.group(), f"\\{found.group()}"), word)


def code(text: str) -> str:
    """Return text on one line as code; no text can end it."""
    flat = printable(" ".join(text.split()))
    if not _ASIDE.search(flat):
        return f"`{flat}`" if flat else ""
    return raw(flat)


def raw(text: str) -> str:
    """Return text on one line as code for where Markdown is not read, as in a `<summary>`: all but letters as entities."""
    flat = printable(" ".join(text.split()))
    inert = re.sub(r"[^\w ]|_", lambda found: f"&#{ord(found.group())};", flat)
    return f"<code>{inert}</code>"
