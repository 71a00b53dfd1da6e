"""What all records share: the project, a file's digest, a reference to an event, who made it, and the format's number.

Records are frozen values. Their JSON (camelCase, `core.codec`) is what git keeps, and each names its parents by digest:
DatasetSnapshot -> TrainingRun -> Comparison (and its question to the holdout) -> Release -> Assignment (with its DataLock) | Retirement.
A digest is SHA-256 in hex unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool | None
RECORD_FORMAT: Literal[1] = 1  # of every record; a reader refuses a newer one


@dataclass(frozen=True)
class ProjectRef:
    """The project that a record is of: its name, and the folder of its mlops.yaml in the repository (POSIX; `.` is the top)."""

    name: str
    path: str

    def __post_init__(self) -> None:
        """Refuse a path that could lead out of the repository: records are read from what others wrote."""
        if self.path != ".":
            _require_safe_path(self.path)


@dataclass(frozen=True)
class FileDigest:
    """A file of the repository or of a package: its path (POSIX, relative), SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        """Refuse a path that could lead out of the folder it is joined to: records are read from what others wrote."""
        _require_safe_path(self.path)


@dataclass(frozen=True)
class EventRef:
    """An event in git: the tag's name and the tag object's id."""

    name: str
    oid: str


@dataclass(frozen=True)
class Provenance:
    """Who and what made an event: the person or bot, the toolkit's version, and the CI run where there was one.

    `repository` is what the remote's URL calls the repository (`owner/name`), so that an event of a fork is told from its own.
    """

    actor: str
    toolkit: str
    workflow: str | None = None
    run_url: str | None = None
    repository: str | None = None


def _require_safe_path(path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path or not path.isprintable():
        raise ValueError(f"unsafe path {path!r}")
