"""Batched reads of a repository's blobs for the audit: few git processes, and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.records.base import FileDigest
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ObjectInfo

_MAX_BATCH_BYTES = 64 << 20  # bytes that one git process returns


def look_up_objects(repo: Repository, names: Sequence[str]) -> dict[str, ObjectInfo]:
    """Return the existing objects by name (an object id or `commit:path`). Names with a line break count as missing."""
    plain = [name for name in dict.fromkeys(names) if "\n" not in name]
    return {
        name: one
        for name, one in zip(plain, repo.read_object_infos(plain, or_corrupt=True), strict=True)
        if one is not None
    }


def read_blobs(repo: Repository, objects: Mapping[str, ObjectInfo]) -> Iterator[tuple[str, bytes | None]]:
    """Yield each blob's id and content once; the content is None for a damaged blob."""
    blobs = {one.oid: one.size for one in objects.values() if one.type == "blob"}
    batch: list[str] = []
    size = 0
    for oid, bytes_ in blobs.items():
        if batch and size + bytes_ > _MAX_BATCH_BYTES:
            yield from zip(batch, repo.read_objects(batch, or_corrupt=True), strict=True)
            batch, size = [], 0
        batch.append(oid)
        size += bytes_
    if batch:
        yield from zip(batch, repo.read_objects(batch, or_corrupt=True), strict=True)


def digest_blobs(repo: Repository, objects: Mapping[str, ObjectInfo]) -> dict[str, FileDigest | None]:
    """Return each blob's digest and size by id; None for a damaged blob."""
    return {
        oid: None if content is None else FileDigest(oid, digest_bytes(content), len(content))
        for oid, content in read_blobs(repo, objects)
    }
