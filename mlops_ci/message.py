"""The text of an event's tag: a title, a sentence for people, and the record as one line of canonical JSON.

What orders and describes events is found in the text, since reading a hundred thousand records takes too long. In JSON
a quote within text is escaped, so that no text can look like the fields that are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_ci.digest import canonical_json

_OPENING = '{"_type":'
_ROLLBACK = '"rollbackOf":"'
_FOLLOWS = '"previous":{"name":"'
_PREVIOUS = re.compile(r'"previous":\{"name":"[^"\\]*","oid":"([0-9a-f]{40,64})"\}')


def message(title: str, sentence: str, statement: Mapping[str, Any]) -> str:
    """Return a tag's message: three paragraphs, the last one the statement."""
    return f"{title}\n\n{' '.join(sentence.split())}\n\n{canonical_json(statement)}\n"


def sentence_in(text: str) -> str | None:
    """Return the sentence for people in a tag's message, or None where it holds no statement."""
    _, _, rest = text.partition("\n\n")
    sentence, _, statement = rest.partition("\n\n")
    return sentence if statement.startswith(_OPENING) else None


def statement_line(text: str) -> str:
    """Return the line that holds the statement, or nothing; a signature may follow it."""
    at = text.rfind(f"\n\n{_OPENING}") + 2
    if at < 2:
        return ""
    end = text.find("\n", at)
    return text[at : end if end >= 0 else len(text)]


def previous_in(text: str) -> str | None:
    """Return the object id of the event that a tag's record says it follows."""
    line = statement_line(text)
    at = line.find(_FOLLOWS)
    found = _PREVIOUS.match(line, at) if at >= 0 else None
    return found.group(1) if found else None


def rollback_in(text: str) -> bool:
    """Tell whether a tag's record says that it is a rollback."""
    return _ROLLBACK in text and _ROLLBACK in statement_line(text)
