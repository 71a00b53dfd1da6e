"""The message of an event's tag: a title, a sentence for people, and the record as one line of canonical JSON.

Decoding a hundred thousand records takes too long, so the fields that order and describe events are found by text search.
JSON escapes quotes inside strings, so the content of a string cannot look like one of these fields.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATEMENT_OPENING = '{"_type":'
_REASON = re.compile(r'"reason":("(?:[^"\\]|\\.)*")')
_OVERRIDES_FIELD = '"overrides":{'
_SIGNATURE = re.compile(r"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n?\Z")
_ROLLBACK_FIELD = '"rollbackOf":"'
_PREVIOUS_FIELD = '"previous":{"name":"'
_PROJECT_FIELD = '"project":{"name":"'
_PROJECT = re.compile(r'"project":\{"name":"([^"\\]*)","path":"([^"\\]*)"\}')
_PREVIOUS = re.compile(r'"previous":\{"name":"[^"\\]*","oid":"([0-9a-f]{40,64})"\}')


def format_tag_message(title: str, sentence: str, statement: Mapping[str, Any]) -> str:
    """Return a tag's message: three paragraphs, of which the last one is the Statement."""
    from mlops_ci.core.digest import canonical_json  # queries only read, and need no import

    return f"{title}\n\n{' '.join(sentence.split())}\n\n{canonical_json(statement)}\n"


def find_sentence(text: str) -> str | None:
    """Return the sentence for people in a tag's message; None when the message has no Statement."""
    at = _statement_start(text)
    return text[text.find("\n\n") + 2 : at - 2] if at else None


def statement_line(text: str) -> str:
    """Return the line with the Statement, or an empty string; a signature may follow that line."""
    if not (at := _statement_start(text)):
        return ""
    end = text.find("\n", at)
    return text[at : end if end >= 0 else len(text)]


def _statement_start(text: str) -> int:
    """Return the index of the third paragraph if it is a Statement, else 0. A sentence has no empty lines."""
    at = text.find("\n\n", text.find("\n\n") + 2) + 2
    return at if at > 2 and text.startswith(_STATEMENT_OPENING, at) else 0


def find_previous_oid(text: str) -> str | None:
    """Return the object id of the previous event that a tag's record names; None if it names none."""
    begin = _statement_start(text)
    at = text.find(_PREVIOUS_FIELD, begin) if begin else -1
    found = _PREVIOUS.match(text, at) if at >= 0 else None
    return found.group(1) if found and text.find("\n", begin, at) < 0 else None


def find_reason(text: str) -> str | None:
    """Return the reason in a tag's record; None if it gives none. The reasons of requirements are objects, not strings."""
    found = _REASON.search(statement_line(text))
    if found is None:
        return None
    import json  # few events have a reason

    reason: str = json.loads(found.group(1))
    return reason


def is_forced(text: str) -> bool:
    """Return whether a tag's record overrides an event that had taken the model back."""
    return _OVERRIDES_FIELD in statement_line(text)


def find_signing_key(text: str) -> str | None:
    """Return the fingerprint of the SSH key in a tag's signature (RFC 4648 base64, as ssh-keygen writes it); None without one.

    The signature is not verified. Its format is that of OpenSSH's PROTOCOL.sshsig: magic, version, public key.
    """
    found = _SIGNATURE.search(text)
    if found is None:
        return None
    import base64  # only signed tags need it
    import binascii
    import hashlib

    try:
        blob = base64.b64decode(found.group(1))
    except binascii.Error:
        return None
    size = int.from_bytes(blob[10:14], "big")
    if blob[:6] != b"SSHSIG" or len(blob) < 14 + size:
        return None
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob[14 : 14 + size]).digest()).decode().rstrip('=')}"


def find_project(text: str) -> tuple[str, str] | None:
    """Return the name and folder of the project that a tag's record names; None if it names none, or in another spelling.

    JSON writes a character outside of ASCII as it is, and quotes and backslashes are in no valid name or folder.
    """
    begin = _statement_start(text)
    at = text.find(_PROJECT_FIELD, begin) if begin else -1
    found = _PROJECT.match(text, at) if at >= 0 else None
    return (found.group(1), found.group(2)) if found and text.find("\n", begin, at) < 0 else None


def has_signature(text: str) -> bool:
    """Return whether a tag's message ends with something that looks like a signature."""
    return "\n-----BEGIN " in text


def has_rollback(text: str) -> bool:
    """Return whether a tag's record is a rollback."""
    return _ROLLBACK_FIELD in text and _ROLLBACK_FIELD in statement_line(text)
