"""Audit of the released runs: each is pinned at the recorded commit, and its records and model files match the release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from mlops_ci.core.codec import decode_json
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_bytes, digest_json
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import GateEvidence, Release
from mlops_ci.core.records.training_run import DatasetSnapshot, StoredFiles, TrainingRun
from mlops_ci.core.requirement_consistency import requirement_contradiction, verdict_contradiction
from mlops_ci.governance.audit import blobs
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.run_store import EXTERNAL_FILES_RECORD, MODEL_FOLDER, release_ref
from mlops_ci.registry.statement import gate_evidence
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ObjectInfo
from mlops_ci.repository.ref_listing import TAG_PREFIX
from mlops_ci.spec.requirement_text import describe_terms

T = TypeVar("T")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_RECORD_FILES = ("run.json", "comparison.json", "snapshot.json", "metrics.json", EXTERNAL_FILES_RECORD)
_RESTORE_HELP = "fetch the run from a clone that has the original, and find out who changed it"


@dataclass(frozen=True)
class PinnedRelease:
    """A release, its tag, and the commit of its run."""

    tag: str
    release: Release
    commit: str

    @property
    def ref(self) -> str:
        """The ref from which commands read the run."""
        return release_ref(self.release.model, self.release.version)

    def object_name(self, path: str) -> str:
        """Return git's name for a file of the run."""
        return f"{self.commit}:{path}"


@dataclass(frozen=True)
class RunVerification:
    """The result of verifying all released runs: findings by model, readable snapshots by tag, and the amount verified.

    `external_files` counts the model files in an object store. The audit does not read them; every download verifies them.
    """

    breaks: Mapping[str, tuple[Diagnostic, ...]]
    snapshots: Mapping[str, DatasetSnapshot]
    runs: int
    files: int
    external_files: int
    bytes: int


def pin_breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    """Yield the differences between a model's pins and its releases."""
    known = held.pins or {}
    releases = {record.version: (tag, record) for tag, record in held.records.items() if isinstance(record, Release)}
    for version, (tag, record) in releases.items():
        ref = release_ref(held.model, version)
        if version not in known:
            yield Diagnostic(
                "audit-pin-missing",
                f"this clone has no {ref}, which pins the run of {tag}",
                help="`git clone` does not fetch this ref: git fetch origin 'refs/mlops/*:refs/mlops/*'. If the remote does not have it"
                f" either, restore it from a clone that has it: git push origin {record.run_oid}:{ref}",
                about=ref,
            )
        elif known[version] != record.run_oid:
            yield Diagnostic(
                "audit-pin-moved",
                f"{ref} is at commit {known[version][:10]}, but {tag} names the commit {record.run_oid[:10]} as its run",
                help=f"restore it from a clone that has the run: git push --force origin {record.run_oid}:{ref}",
                about=ref,
            )
    for version in known:
        # a tag that exists but cannot be read has its own finding
        if version not in releases and f"{held.model}@v{version}" not in held.tags:
            ref = release_ref(held.model, version)
            yield Diagnostic(
                "audit-pin-orphaned",
                f"{ref} pins the run of a release, but there is no tag {held.model}@v{version}",
                help="the newest events were removed: restore the tag from a clone that has it (git ls-remote)",
                about=ref,
            )


def verify_runs(repo: Repository, helds: Iterable[ModelInventory]) -> RunVerification:
    """Verify the runs of all releases against their records, and the digest of every model file in git."""
    found: dict[str, list[Diagnostic]] = {}
    pinned = [item for held in helds for item in _pinned_releases(held)]
    names = [item.object_name(path) for item in pinned for path in _run_paths(item)]
    there = blobs.look_up_objects(repo, [*names, *(item.commit for item in pinned)])
    records = {
        there[item.object_name(path)].oid
        for item in pinned
        for path in _RECORD_FILES
        if item.object_name(path) in there
    }
    seen: dict[str, FileDigest | None] = {}
    texts: dict[str, bytes] = {}
    for oid, content in blobs.read_blobs(repo, there):
        seen[oid] = None if content is None else FileDigest(oid, digest_bytes(content), len(content))
        if content is not None and oid in records:
            texts[oid] = content
    snapshots: dict[str, DatasetSnapshot] = {}
    elsewhere = 0
    for item in pinned:
        mine = found.setdefault(item.release.model, [])
        if item.commit not in there:
            mine.append(_missing_run_finding(item))
            continue
        of_item = {
            path: texts.get(there[name].oid) for path in _RECORD_FILES if (name := item.object_name(path)) in there
        }
        away = _decode_or_none(StoredFiles, of_item.get(EXTERNAL_FILES_RECORD))
        absent = (
            {file.path: file for file in away.files if item.object_name(f"{MODEL_FOLDER}{file.path}") not in there}
            if away
            else {}
        )
        elsewhere += len(absent)
        mine += _file_breaks(item, there, seen, absent)
        mine += _record_breaks(item, of_item, snapshots)
    whole = [one for one in seen.values() if one is not None]
    return RunVerification(
        {model: tuple(breaks) for model, breaks in found.items()},
        snapshots,
        len(pinned),
        sum(len(item.release.model_files) for item in pinned) - elsewhere,
        elsewhere,
        sum(one.size for one in whole),
    )


def _pinned_releases(held: ModelInventory) -> Iterator[PinnedRelease]:
    for tag, record in held.records.items():
        if isinstance(record, Release):
            commit = (held.pins or {}).get(record.version, record.run_oid)
            if _OID.fullmatch(commit):
                yield PinnedRelease(tag, record, commit)


def _run_paths(item: PinnedRelease) -> Iterator[str]:
    yield from _RECORD_FILES
    yield from (f"{MODEL_FOLDER}{file.path}" for file in item.release.model_files)


def _missing_run_finding(item: PinnedRelease) -> Diagnostic:
    return Diagnostic(
        "audit-run-missing",
        f"this repository does not have the run of {item.tag}, commit {item.commit[:10]}",
        help=f"git fetch origin {item.ref}:{item.ref}; if the remote does not have it either, restore it from a clone that has it",
        about=item.ref,
    )


def _file_breaks(
    item: PinnedRelease,
    there: Mapping[str, ObjectInfo],
    seen: Mapping[str, FileDigest | None],
    elsewhere: Mapping[str, FileDigest],
) -> Iterator[Diagnostic]:
    """Yield the model files that differ from the release's record; for external files, the run's record is compared."""
    for file in item.release.model_files:
        path = f"{MODEL_FOLDER}{file.path}"
        one = there.get(item.object_name(path))
        if file.path in elsewhere:
            if elsewhere[file.path] != file:
                yield Diagnostic(
                    "audit-file-changed",
                    f"{item.ref}:{EXTERNAL_FILES_RECORD} has a digest or a size of {file.path} that differs from the one in {item.tag}",
                    help=_RESTORE_HELP,
                    about=item.ref,
                )
            continue
        if one is None:
            yield Diagnostic(
                "audit-file-missing",
                f"{item.ref} has no {path}, which {item.tag} records",
                help=_RESTORE_HELP,
                about=item.ref,
            )
            continue
        digest = seen.get(one.oid)
        if digest is None:
            why = "cannot be read because its git object is damaged"
        elif digest.size != file.size:
            why = f"has {digest.size:,} bytes, but {item.tag} records {file.size:,}"
        elif digest.sha256 != file.sha256:
            why = f"has the SHA-256 {digest.sha256[:12]}..., but {item.tag} records {file.sha256[:12]}..."
        else:
            continue
        yield Diagnostic("audit-file-changed", f"{item.ref}:{path} {why}", help=_RESTORE_HELP, about=item.ref)


def _record_breaks(
    item: PinnedRelease, texts: Mapping[str, bytes | None], snapshots: dict[str, DatasetSnapshot]
) -> Iterator[Diagnostic]:
    """Yield the differences between the records of a run and its release."""
    yield from _gate_breaks(item, texts.get("comparison.json"), texts.get("metrics.json"))
    run = _decode_or_none(TrainingRun, texts.get("run.json"))
    wrong = ["run.json is missing or invalid"] if run is None else _run_differences(item.release, run)
    snapshot = _decode_or_none(DatasetSnapshot, texts.get("snapshot.json"))
    if snapshot is None:
        wrong.append("snapshot.json is missing or invalid")
    else:
        snapshots[item.tag] = snapshot
        wrong += _data_differences(item.release, snapshot, run)
    for why in wrong:
        yield Diagnostic(
            "audit-run-differs", f"{item.ref} is not the run of {item.tag}: {why}", help=_RESTORE_HELP, about=item.ref
        )


def _gate_breaks(item: PinnedRelease, answer: bytes | None, metrics: bytes | None) -> Iterator[Diagnostic]:
    release, told = item.release, item.release.evidence
    comparison = _decode_or_none(Comparison, answer)
    if told.verdict != "pass" or (comparison is not None and comparison.verdict != "pass"):
        said = told.verdict if told.verdict != "pass" or comparison is None else comparison.verdict
        why: str | None = f"{item.tag} was released, but the gate's verdict on it is {said}"
    else:
        why = f"{item.tag} was released without a gate: {item.ref} has no comparison.json" if answer is None else None
        if (odd := _evidence_contradiction(told)) is not None:
            why = f"the gate's verdict 'pass' on {item.tag} contradicts the evidence in its tag: {odd}"
    if why:
        yield Diagnostic(
            "audit-release-not-gated",
            why,
            help="the release has no evidence of a passed gate: roll back to a version that passed, and release with"
            " `mlops-ci gate` and `mlops-ci release`",
            about=f"{TAG_PREFIX}{item.tag}",
        )
    if answer is None:
        return
    wrong = []
    if digest_bytes(answer) != told.digest:
        wrong.append(
            f"its digest is {digest_bytes(answer)[:12]}..., but the tag records the digest {told.digest[:12]}..."
        )
    if comparison is None:
        wrong.append("it is not a valid record")
    else:
        mine = (comparison.model, comparison.run, comparison.model_digest, comparison.key)
        if mine != (release.model, release.run_key, release.model_digest, release.run_ref.rpartition("/")[2]):
            wrong.append("it describes another run")
        elif not _is_same_evidence(comparison, told):
            wrong.append("its verdict, metrics or requirements differ from those that the tag records")
        elif metrics is not None and _metrics_digest(comparison) != digest_bytes(metrics):
            wrong.append("its metrics differ from those in metrics.json")
    for one in wrong:
        yield Diagnostic(
            "audit-evidence-differs",
            f"{item.ref}:comparison.json is not the gate's result for {item.tag}: {one}",
            help=_RESTORE_HELP,
            about=item.ref,
        )


def _evidence_contradiction(told: GateEvidence) -> str | None:
    """Return why a tag's verdict contradicts its requirements, or a requirement its numbers; None if nothing does."""
    if (why := verdict_contradiction(told.verdict, told.requirements)) is not None:
        return why
    for item in told.requirements:
        if (why := requirement_contradiction(item, told.confidence)) is not None:
            return f"{describe_terms(item.requirement)}: {why}"
    return None


def _is_same_evidence(comparison: Comparison, recorded: GateEvidence) -> bool:
    """Return whether a tag's evidence matches the comparison; tags of earlier toolkit versions have fewer fields."""
    mine = gate_evidence(comparison, recorded.digest)
    if recorded.confidence is None:
        mine = replace(mine, confidence=None, budget=None)
    return mine == recorded


def _metrics_digest(comparison: Comparison) -> str:
    return digest_json({item.metric: item.value for item in comparison.metrics if item.slice is None})


def _run_differences(release: Release, run: TrainingRun) -> list[str]:
    pairs = {
        "key": (run.key, release.run_key),
        "model": (run.model, release.model),
        "seed": (run.seed, release.seed),
        "code": (run.code, release.code),
        "interface digest": (run.interface_digest, release.interface_digest),
        "environment": (digest_json(run.environment.identity), release.environment_digest),
        "model digest": (run.model_digest, release.model_digest),
        "model format": (run.model_format, release.model_format),
        "files": (run.files, release.model_files),
        "trusted types": (run.trusted, release.trusted),
        "dataset": (run.dataset, release.data[0].dataset),
        "digest of the training rows": (run.split.train_digest, release.data[0].train_digest),
        "number of training rows": (run.split.train_rows, release.data[0].train_rows),
    }
    return [f"run.json has a different {name}" for name, (mine, told) in pairs.items() if mine != told]


def _data_differences(release: Release, snapshot: DatasetSnapshot, run: TrainingRun | None) -> list[str]:
    told = release.data[0]
    held = 0 if run is not None and run.split.by == "sealed" else release.evidence.holdout_rows
    recorded = (told.dataset, told.files_digest, told.schema_digest, told.train_rows + held)
    mine = (snapshot.dataset, snapshot.files_digest, snapshot.schema_digest, snapshot.rows)
    wrong = ["snapshot.json describes other data"] if mine != recorded else []
    return wrong + ([] if snapshot.has_passed else ["snapshot.json has failed checks"])


def _decode_or_none(kind: type[T], text: bytes | None) -> T | None:
    try:
        return decode_json(kind, text) if text is not None else None
    except ValueError:  # DecodeError is a ValueError; a path outside its folder raises one too
        return None
