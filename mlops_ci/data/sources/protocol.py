"""What a source of rows is: files of the repository, named by their content, and how an engine reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.records.base import FileDigest
from mlops_ci.spec.spec_types import SourceSpec


@dataclass(frozen=True)
class ReadableFiles:
    """Files that every engine reads: CSV or parquet, as `source` says, by path below `root`."""

    root: Path
    files: tuple[FileDigest, ...]
    source: SourceSpec


@runtime_checkable
class Source(Protocol):
    """A source. Its files are of the repository: what it reads elsewhere, a file of the repository pins by content."""

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        """Return the files below `root` that decide the rows, sorted by path; raises Findings where there are none."""
        ...

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:
        """Return the resolved files in a form that engines read, which may be written into the empty `folder`.

        The same files give the same rows. Raises Findings for files that cannot be read.
        """
        ...

    def touches(self, path: str) -> bool:
        """Tell whether a file of this path, relative to the project's root, would be one of `resolve`, be it there or not."""
        ...
