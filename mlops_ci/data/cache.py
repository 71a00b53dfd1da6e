"""A cache of results that were computed from data. A cache hit reads no data and imports no engine."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from mlops_ci.core.codec import DecodeError, decode, encode
from mlops_ci.core.digest import canonical_json, digest_json
from mlops_ci.core.leftovers import scratch_prefix
from mlops_ci.core.records.base import FileDigest

DATA_FORMAT = 13  # increase it when the same bytes would give another digest, split, check or profile

T = TypeVar("T")


def cache_key(spec_digest: str, files: tuple[FileDigest, ...], *parts: object) -> str:
    """Return the cache key of a result: a digest of the spec's digest, the files, `parts` (JSON data) and the engine."""
    engine = version("duckdb").split(".")[0]
    return digest_json([DATA_FORMAT, engine, spec_digest, encode(files), encode(parts)])


def read_cache_entry(cache: Path | None, key: str, cls: type[T]) -> T | None:
    """Return the cached value of the key; None when there is none, or when it cannot be read or decoded."""
    if cache is None:
        return None
    try:
        return decode(cls, json.loads((cache / f"{key}.json").read_bytes()))
    except (OSError, ValueError, DecodeError, RecursionError):
        return None


def write_cache_entry(cache: Path | None, key: str, value: object) -> None:
    """Store a dataclass under the key, in one atomic step. A cache folder that cannot be written is ignored."""
    if cache is None:
        return
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache, prefix=scratch_prefix(), suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(canonical_json(encode(value)))
            Path(name).replace(cache / f"{key}.json")
        except BaseException:
            Path(name).unlink()
            raise
