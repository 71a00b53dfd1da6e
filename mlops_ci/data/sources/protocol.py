"""The protocol of sources: a source names files of the repository and provides them in a form that engines read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.records.base import FileDigest
from mlops_ci.spec.spec_types import SourceSpec


@dataclass(frozen=True)
class ReadableFiles:
    """CSV, JSON Lines or parquet files below `root`; `source` has their type and says how they are written.

    `skipped_lines`: the number of lines above the table that a copy no longer has, for the places of findings.
    `known_names`: the names that the spec has, if a column is personal: findings then quote no other name of a file, because
    the first line of a file without a header is a person's record.
    `json_kinds`: what each column of JSON Lines holds (`string`, `number`, `boolean`, `nested`), for columns with values.
    """

    root: Path
    files: tuple[FileDigest, ...]
    source: SourceSpec
    skipped_lines: int = 0
    json_kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    known_names: frozenset[str] = frozenset()


@runtime_checkable
class Source(Protocol):
    """A source of rows. Its files are in the repository; a file there must pin the content of all data read elsewhere."""

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        """Return the files below `root` that determine the rows, sorted by path; raises Findings when there are none."""
        ...

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:
        """Return the resolved files in a form that engines read. The source may write into the empty `folder`.

        The same files must give the same rows. Raises Findings for files that cannot be read.
        """
        ...

    def touches(self, path: str) -> bool:
        """Return whether `resolve` would return a file at this path, relative to the project's root, if it existed."""
        ...
