"""Markdown for untrusted text: tables, code and escaping, so that the text is shown as it is and never interpreted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.reports.formatting import TableRow

# GitHub turns these into links, images, formulas and notifications after it has parsed the Markdown; it changes nothing in code.
_GITHUB_REFERENCE = re.compile(r"@(?=\w)|#(?=\d)|GH-(?=\d)|://|www\.|\$|:(?=[\w+-]+:)|::", re.IGNORECASE)
# these are not safe even in code: they end a table cell, start a command in a log, or look like our hidden comments
_UNSAFE_IN_CODE = re.compile(r"[`\\|]|##\[|<!|-->")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKDOWN_SYNTAX = re.compile(
    r"[\\`*~<>&]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters or digits, an underscore has no meaning
    r"|\[(?![-+]?\d)|(?<!\d)\]|\](?=[(\[:])"  # an interval is not a link
)
_BLOCK_START = re.compile(r"[-+=]+|#{1,6}|\d+[.)]")  # a first word that starts a list, a heading or a rule


def markdown_table(header: TableRow, rows: Sequence[TableRow]) -> str:
    """Return a GitHub-flavoured Markdown table; every cell is escaped, and columns that are empty in every row are omitted."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[escape_markdown(row[index]).replace("|", "\\|") for index in kept] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def clip(text: str, most: int) -> str:
    """Return text on one line of at most `most` characters; cut text ends with an ellipsis."""
    flat = " ".join(text[: most * 4].split())
    return flat if len(flat) <= most and len(text) <= most * 4 else f"{flat[: most - 1]}…"


def escape_markdown(text: str) -> str:
    """Return text on one line that Markdown shows unchanged: no markup, links, mentions or HTML.

    A backslash escapes Markdown's own characters where they have a meaning; `<`, `>` and `&` become entities. A word that
    GitHub would turn into a link, a mention or a formula becomes code.
    """
    first, *rest = [_escape_word(replace_control_characters(word)) for word in text.split()] or [""]
    if _BLOCK_START.fullmatch(first):
        first = f"{first[:-1]}\\{first[-1]}"
    return " ".join((first, *rest))


def _escape_word(word: str) -> str:
    bare = word.rstrip(".,:;")
    if _GITHUB_REFERENCE.search(word):
        after = word[len(bare) :]
        return (
            code_span(bare) + after
            if _GITHUB_REFERENCE.search(bare) and not _GITHUB_REFERENCE.search(after)
            else code_span(word)
        )
    return _MARKDOWN_SYNTAX.sub(lambda found: _ENTITIES.get(found.group(), f"\\{found.group()}"), word)


def code_span(text: str) -> str:
    """Return text on one line as code; the text cannot close the code span."""
    flat = replace_control_characters(" ".join(text.split()))
    if not _UNSAFE_IN_CODE.search(flat):
        return f"`{flat}`" if flat else ""
    return html_code(flat)


def html_code(text: str) -> str:
    """Return text on one line as HTML code, for places without Markdown such as a `<summary>`; symbols become entities."""
    flat = replace_control_characters(" ".join(text.split()))
    inert = re.sub(r"[^\w ]|_", lambda found: f"&#{ord(found.group())};", flat)
    return f"<code>{inert}</code>"
