"""Canonical JSON and SHA-256: how everything in the registry is named by its content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """Serialise JSON data in its one canonical form: sorted keys, no spaces, UTF-8, finite numbers.

    Raises ValueError for NaN and infinities, which JSON has no name for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of the bytes, in hex."""
    import hashlib  # queries of the registry take no digests

    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Return the SHA-256 of the value's canonical JSON, in hex."""
    return digest_bytes(canonical_json(value).encode())


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex, read in chunks; raises OSError if it cannot be read."""
    import hashlib

    state = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()
