"""Markdown in which text of others stays text: tables, code, and what has to be escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.reports.formatting import TableRow

# GitHub makes links, pictures, formulas and notifications of these after Markdown is done: only code is left alone.
_GITHUB_REFERENCE = re.compile(r"@(?=\w)|#(?=\d)|GH-(?=\d)|://|www\.|\$|:(?=[\w+-]+:)|::", re.IGNORECASE)
# not even code can hold these in a table cell, in a log, and where hidden comments mark what is ours
_UNSAFE_IN_CODE = re.compile(r"[`\\|]|##\[|<!|-->")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKDOWN_SYNTAX = re.compile(
    r"[\\`*~<>&]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters or digits, an underscore is only that
    r"|\[(?![-+]?\d)|(?<!\d)\]|\](?=[(\[:])"  # an interval is no link
)
_BLOCK_START = re.compile(r"[-+=]+|#{1,6}|\d+[.)]")  # a first word that starts a list, a heading or a rule


def markdown_table(header: TableRow, rows: Sequence[TableRow]) -> str:
    """Return a GitHub-flavoured Markdown table whose cells are text, whatever they hold."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[escape_markdown(row[index]).replace("|", "\\|") for index in kept] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def clip(text: str, most: int) -> str:
    """Return text on one line, of at most `most` characters; what is cut off leaves an ellipsis."""
    flat = " ".join(text[: most * 4].split())
    return flat if len(flat) <= most and len(text) <= most * 4 else f"{flat[: most - 1]}…"


def escape_markdown(text: str) -> str:
    """Return text on one line that Markdown shows as it stands: no markup, links, mentions or HTML.

    Markdown's own characters get a backslash where they would mean something, `<`, `>` and `&` an entity; a word that
    GitHub would make a link, a mention or a formula of becomes code.
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
    """Return text on one line as code; no text can end it."""
    flat = replace_control_characters(" ".join(text.split()))
    if not _UNSAFE_IN_CODE.search(flat):
        return f"`{flat}`" if flat else ""
    return html_code(flat)


def html_code(text: str) -> str:
    """Return text on one line as code for where Markdown is not read, as in a `<summary>`: all but letters as entities."""
    flat = replace_control_characters(" ".join(text.split()))
    inert = re.sub(r"[^\w ]|_", lambda found: f"&#{ord(found.group())};", flat)
    return f"<code>{inert}</code>"
