"""The writes that a plan is made of, each a value, and how each is told in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core import notifications
from mlops_ci.core.notifications import Notification
from mlops_ci.core.records.base import EventRef, FileDigest
from mlops_ci.core.records.training_run import Fit
from mlops_ci.core.signers import Signing

FileContent = bytes | Path  # a path is read when the plan is applied: model files need not pass through memory twice


_PLACEHOLDER_OID = "0" * 40


def tag_placeholder(tag: str) -> EventRef:
    """Return the reference to a tag that the same plan makes: `apply` knows its object id as soon as it is made."""
    return EventRef(tag, _PLACEHOLDER_OID)


def resolve_placeholders(text: str, made: Mapping[str, str]) -> str:
    """Return the text with the object ids of tags (by name) in place of the placeholders in its canonical JSON."""
    for tag, oid in made.items():
        text = text.replace(f'{{"name":"{tag}","oid":"{_PLACEHOLDER_OID}"}}', f'{{"name":"{tag}","oid":"{oid}"}}')
    return text


@dataclass(frozen=True)
class WriteFile:
    """A new file in the work tree; an existing one is overwritten only when `replace`."""

    path: str
    content: bytes
    replace: bool = False


@dataclass(frozen=True)
class PrepareRepository:
    """A git repository in `folder` if there is none yet, whose fetches bring the registry's refs."""

    folder: str


@dataclass(frozen=True)
class KeepLocalCopy:
    """A copy of a file in this clone's own folder for large files, which an upload that is cut cannot take away."""

    file: FileDigest
    source: Path


@dataclass(frozen=True)
class KeepFit:
    """A fitted model that nobody has inspected yet, in this clone's own folder: `key` names what it was fitted from.

    A command that is killed, or that refuses the model, has then not fitted it in vain.
    """

    model: str
    key: str
    fit: Fit
    source: Path
    log: bytes


@dataclass(frozen=True)
class DropFit:
    """A kept fit that goes: a stored run holds its model now, or its training proved to be random."""

    model: str
    key: str


@dataclass(frozen=True)
class Upload:
    """A file that is too large for git, to the store at `url`; skipped where it is there already."""

    url: str
    file: FileDigest
    source: Path


@dataclass(frozen=True)
class StoreRun:
    """A parentless commit whose tree holds the run's files, at refs/mlops/runs/<model>/<key>; the same content, the same id."""

    ref: str
    files: Mapping[str, FileContent]
    title: str


@dataclass(frozen=True)
class Commit:
    """A commit on a branch, on top of `parent`, in which `files` replace everything below `folder`; none: it is gone."""

    branch: str
    parent: str
    folder: str
    files: Mapping[str, bytes]
    message: str
    new_branch: bool = False


@dataclass(frozen=True)
class CreateTag:
    """An annotated tag on `target`, whose message is complete; `ref_namespace` is where its ref goes."""

    name: str
    target: str
    message: str
    dated_after: int = (
        0  # the tagger date is later than this (seconds since 1970), so that readers who sort by clock agree
    )
    signing: Signing | None = None
    ref_namespace: str = "refs/tags/"


@dataclass(frozen=True)
class AppendLog:
    """The tag's event at the end of its model's log; `parent` is the log's head it was planned on (None: the first).

    A later event of the same plan follows the one before it, whatever its `parent`. `tag_oid` is the object of a tag that is
    there already; None: the same plan makes it.
    """

    model: str
    tag: str
    record: Mapping[str, Any]
    parent: str | None
    tag_oid: str | None = None


@dataclass(frozen=True)
class AppendLedger:
    """A question at the end of a ledger; `parent` is the head it was planned on (None: the first).

    A later question of the same plan follows the one before it, whatever its `parent`.
    """

    ref: str
    parent: str | None
    question: Mapping[str, Any]
    title: str


@dataclass(frozen=True)
class CreateRef:
    """A ref that must not exist yet, at an object that does."""

    ref: str
    target: str


@dataclass(frozen=True)
class RemoveRef:
    """A ref that goes, if it still is at `old`; where from, the next `Push` says."""

    ref: str
    old: str


@dataclass(frozen=True)
class RemoveObject:
    """A file of the store at `url` that goes, unless it has been written again since it was listed (`modified`, ISO 8601)."""

    url: str
    name: str
    size: int
    modified: str


@dataclass(frozen=True)
class ExportFile:
    """A file for whoever asked for it, at a path of their choice; what is there is replaced."""

    path: Path
    source: Path


@dataclass(frozen=True)
class WriteBundle:
    """A file with refs of this repository and all that they lead to, for another clone; those of the same plan are made first."""

    path: Path
    refs: tuple[str, ...]


@dataclass(frozen=True)
class Push:
    """One atomic push of every ref that the writes before it made; without a remote, one transaction of local refs."""

    remote: str | None


PlannedWrite = (
    WriteFile
    | PrepareRepository
    | KeepLocalCopy
    | KeepFit
    | DropFit
    | Upload
    | StoreRun
    | Commit
    | CreateTag
    | AppendLog
    | AppendLedger
    | CreateRef
    | RemoveRef
    | RemoveObject
    | ExportFile
    | WriteBundle
    | Push
    | Notification
)


def describe_write(write: PlannedWrite) -> str:
    """Say in one line what a write does."""
    match write:
        case WriteFile():
            return f"write    {write.path} ({len(write.content):,} bytes)"
        case PrepareRepository():
            return f"git      also fetch refs/mlops/* in the repository around {write.folder}; created if there is none"
        case KeepLocalCopy():
            return f"keep     {write.file.path} in this clone until it is uploaded"
        case KeepFit():
            return f"keep     the fit of {write.model} in this clone until its run is stored ({write.fit.file.size:,} bytes)"
        case DropFit():
            return f"remove   the kept fit of {write.model}"
        case Upload():
            return f"upload   {write.file.path} to {write.url}, sha256 {write.file.sha256[:10]} ({write.file.size:,} bytes)"
        case StoreRun():
            return f"store    {write.ref} ({len(write.files)} files)"
        case Commit():
            what = f"{len(write.files)} files in {write.folder}/" if write.files else f"without {write.folder}/"
            return f"commit   {write.branch}: {write.message.splitlines()[0]} ({what})"
        case CreateTag():
            ref = write.name if write.ref_namespace == "refs/tags/" else f"{write.ref_namespace}{write.name}"
            return f"tag      {ref} on {write.target[:10]}{', signed' if write.signing else ''}"
        case AppendLog():
            return f"log      refs/mlops/log/{write.model}: {write.tag}"
        case AppendLedger():
            return f"ledger   {write.ref}: {write.title}"
        case CreateRef():
            return f"pin      {write.ref} at {write.target[:10]}"
        case RemoveRef():
            return f"remove   {write.ref}, if it is at {write.old[:10]}"
        case RemoveObject():
            return f"remove   {write.name} from {write.url} ({write.size:,} bytes)"
        case ExportFile():
            return f"write    {write.path}"
        case WriteBundle():
            return f"bundle   {', '.join(write.refs)} in {write.path}"
        case Push():
            if write.remote is None:
                return "refs     all refs above, in one transaction in this repository"
            return f"push     everything above, atomically, to {write.remote}"
        case _:
            return notifications.describe_notification(write)
