"""The text of an event's tag: a title, a sentence for people, and the record as one line of canonical JSON.

What orders and describes events is found in the text, since reading a hundred thousand records takes too long. In JSON
a quote within text is escaped, so that no text can look like the fields that are looked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATEMENT_OPENING = '{"_type":'
_ROLLBACK_FIELD = '"rollbackOf":"'
_PREVIOUS_FIELD = '"previous":{"name":"'
_PREVIOUS = re.compile(r'"previous":\{"name":"[^"\\]*","oid":"([0-9a-f]{40,64})"\}')


def format_tag_message(title: str, sentence: str, statement: Mapping[str, Any]) -> str:
    """Return a tag's message: three paragraphs, the last one the statement."""
    from mlops_ci.core.digest import canonical_json  # queries only read

    return f"{title}\n\n{' '.join(sentence.split())}\n\n{canonical_json(statement)}\n"


def find_sentence(text: str) -> str | None:
    """Return the sentence for people in a tag's message, or None where it holds no statement."""
    at = _statement_start(text)
    return text[text.find("\n\n") + 2 : at - 2] if at else None


def statement_line(text: str) -> str:
    """Return the line that holds the statement, or nothing; a signature may follow it."""
    if not (at := _statement_start(text)):
        return ""
    end = text.find("\n", at)
    return text[at : end if end >= 0 else len(text)]


def _statement_start(text: str) -> int:
    """Return where the third paragraph begins, if it is a statement; 0 otherwise. Sentences have no empty lines."""
    at = text.find("\n\n", text.find("\n\n") + 2) + 2
    return at if at > 2 and text.startswith(_STATEMENT_OPENING, at) else 0


def find_previous_oid(text: str) -> str | None:
    """Return the object id of the event that a tag's record says it follows."""
    begin = _statement_start(text)
    at = text.find(_PREVIOUS_FIELD, begin) if begin else -1
    found = _PREVIOUS.match(text, at) if at >= 0 else None
    return found.group(1) if found and text.find("\n", begin, at) < 0 else None


def has_rollback(text: str) -> bool:
    """Tell whether a tag's record says that it is a rollback."""
    return _ROLLBACK_FIELD in text and _ROLLBACK_FIELD in statement_line(text)
