"""Public keys in OpenSSH's form: their types, their fingerprints, and how a private key is told from them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

_PARTS: Mapping[
    str, int
] = {  # the strings that a key of each type consists of (RFC 4253, 5656, 8709; OpenSSH's PROTOCOL.u2f)
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ssh-dss": 5,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
KEY_TYPES = tuple(_PARTS)
_CERTIFICATE = "-cert-v01@openssh.com"
_PRIVATE = re.compile(rb"PRIVATE KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjE|AGE-SECRET-KEY", re.IGNORECASE)
_PRIVATE_END = re.compile(rb"END [A-Z0-9 ]*PRIVATE KEY|Private-MAC", re.IGNORECASE)


class WrongKeyType(ValueError):
    """A key is of another type than the word before it says."""


def is_key_type(word: str) -> bool:
    """Return whether a word is the type of a public key, or of a certificate."""
    return word in _PARTS or (word.endswith(_CERTIFICATE) and word != _CERTIFICATE)


def key_fingerprint(kind: str, text: str) -> str:
    """Return the fingerprint of a key of this type (a base64 text) as ssh-keygen prints it.

    Raises ValueError for a text that is no whole key, and WrongKeyType for one of another type; neither message repeats it.
    """
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("the key is not valid base64: a part of it is missing or changed") from None
    parts = _split_strings(blob)
    if parts is None or (kind in _PARTS and len(parts) != _PARTS[kind]):
        raise ValueError("the key is cut off or changed: its length is not that of a key")
    if parts[0] != kind.encode():
        raise WrongKeyType(f"the key is of another type than '{kind}'")
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _split_strings(blob: bytes) -> list[bytes] | None:
    """Return the strings of a key, each with its length before it; None where they do not fill it exactly."""
    parts: list[bytes] = []
    at = 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            return None
        parts.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return parts or None


def is_private_key(content: bytes) -> bool:
    """Return whether a text holds a private key, or the beginning of one."""
    return _PRIVATE.search(content) is not None


def ends_private_key(line: bytes) -> bool:
    """Return whether a line is the last one of a private key."""
    return _PRIVATE_END.search(line) is not None
