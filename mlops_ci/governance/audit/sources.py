"""Audit of the sources of releases: the commit has the spec, code and data with the digests that the record names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_bytes, digest_json
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.governance.audit import blobs
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ObjectInfo
from mlops_ci.repository.ref_listing import TAG_PREFIX
from mlops_ci.spec.yaml import document
from mlops_ci.spec.yaml.nodes import SyntaxProblem

_LFS_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n"
)


@dataclass(frozen=True)
class _ReleaseSource:
    """A release and its data files."""

    tag: str
    release: Release
    data: tuple[FileDigest, ...]

    def object_name(self, path: str) -> str:
        """Return git's name for a file of the project at the release's commit."""
        folder = self.release.project.path
        return f"{self.release.commit}:{path}" if folder == "." else f"{self.release.commit}:{folder}/{path}"


def breaks(
    repo: Repository,
    helds: Iterable[ModelInventory],
    snapshots: Mapping[str, DatasetSnapshot],
) -> dict[str, tuple[Diagnostic, ...]]:
    """Return the findings by model where a release's commit does not have the recorded spec, code or data.

    `snapshots` are those of the released runs, by tag. Each release records the folder of its project in the commit.
    """
    sources = [item for held in helds for item in _release_sources(held, snapshots)]
    there = blobs.look_up_objects(repo, [item.object_name(path) for item in sources for path in _source_paths(item)])
    specs = {there[name].oid for item in sources if (name := item.object_name(item.release.spec_path)) in there}
    digests: dict[str, FileDigest | None] = {}
    models: dict[str, dict[str, str]] = {}
    for oid, content in blobs.read_blobs(repo, there):
        digests[oid] = None if content is None else _file_digest(oid, content)
        if content is not None and oid in specs:
            models[oid] = _model_spec_digests(content)
    found: dict[str, list[Diagnostic]] = {}
    for item in sources:
        found.setdefault(item.release.model, []).extend(_source_breaks(item, there, digests, models))
    return {model: tuple(items) for model, items in found.items()}


def _release_sources(held: ModelInventory, snapshots: Mapping[str, DatasetSnapshot]) -> Iterator[_ReleaseSource]:
    for tag, record in held.records.items():
        if isinstance(record, Release):
            yield _ReleaseSource(tag, record, snapshots[tag].files if tag in snapshots else ())


def _source_paths(item: _ReleaseSource) -> Iterator[str]:
    yield item.release.spec_path
    yield from (file.path for file in (*item.release.code, *item.data))


def _source_breaks(
    item: _ReleaseSource,
    there: Mapping[str, ObjectInfo],
    digests: Mapping[str, FileDigest | None],
    models: Mapping[str, Mapping[str, str]],
) -> Iterator[Diagnostic]:
    release, at = item.release, item.release.commit[:10]
    one = there.get(item.object_name(release.spec_path))
    spec = models.get(one.oid, {}).get(release.model) if one else None
    if spec != release.spec_digest:
        what = "a different spec of" if spec else "no spec of"
        yield Diagnostic(
            "audit-spec-differs",
            f"{release.spec_path} at commit {at} has {what} '{release.model}', but {item.tag} records the digest {release.spec_digest[:12]}...",
            help="the release was not made from its commit: release again with `mlops-ci gate` and `mlops-ci release`",
            about=f"{TAG_PREFIX}{item.tag}",
        )
    for what, files in (("code", release.code), ("data", item.data)):
        for file in files:
            one = there.get(item.object_name(file.path))
            digest = digests.get(one.oid) if one else None
            if digest is not None and (digest.sha256, digest.size) == (file.sha256, file.size):
                continue
            has = "is missing" if one is None else "is a different file"
            yield Diagnostic(
                "audit-source-differs",
                f"{file.path} at commit {at} {has}, but {item.tag} records a {what} file with the SHA-256 {file.sha256[:12]}... there",
                help="the commit does not match the release, so the release cannot be reproduced: find out whether the commit or the"
                " record was changed",
                about=f"{TAG_PREFIX}{item.tag}",
            )


def _file_digest(oid: str, content: bytes) -> FileDigest:
    """Return a file's digest; for a Git LFS pointer, the digest and size that it names."""
    if pointer := _LFS_POINTER.match(content[:1024]):
        return FileDigest(oid, pointer.group(1).decode(), int(pointer.group(2)))
    return FileDigest(oid, digest_bytes(content), len(content))


def _model_spec_digests(content: bytes) -> dict[str, str]:
    """Return the digests of the Model specs in a file by name, computed as when the spec was loaded."""
    try:
        documents = document.read_documents("", content)
    except SyntaxProblem:
        return {}
    found = {}
    for one in documents:
        data = one.data if isinstance(one.data, dict) else {}
        metadata = data.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if data.get("kind") == "Model" and isinstance(name, str):
            found[name] = digest_json({"kind": "Model", "name": name, "spec": data.get("spec")})
    return found
