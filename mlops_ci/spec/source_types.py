"""How the files of a source are written: their type, and the options that the engine needs to read them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

FileType = Literal["csv", "parquet", "jsonl"]
Compression = Literal["none", "gz", "zst"]


@dataclass(frozen=True)
class _FilesOfRows:
    """Files of rows, and the options of their type."""

    type: FileType
    path: Any
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    thousands: str | None = None
    units: tuple[str, ...] = ()
    nulls: tuple[str | int | None, ...] = ()
    encoding: str = "utf-8"
    compression: Compression | None = None  # default: by the ending of each file's name
    header: bool | tuple[str, ...] = True
    skip_rows: int = 0
    index: Literal["drop"] | None = None
    trim: bool = False

    @property
    def null_words(self) -> tuple[str, ...]:
        """The words for a missing value, as a file has them."""
        return tuple("null" if word is None else str(word) for word in self.nulls)


@dataclass(frozen=True)
class SourceSpec(_FilesOfRows):
    """The source of a dataset's rows: a path or glob inside the repository."""

    path: str


@dataclass(frozen=True)
class SealedSource(_FilesOfRows):
    """The source of a sealed holdout: either a path inside the repository or the URL of a file."""

    path: str | None = None
    url: str | None = None

    def source_at(self, path: str) -> SourceSpec:
        """Return the source of the same files at a path."""
        options = {field.name: getattr(self, field.name) for field in fields(SourceSpec)}
        return SourceSpec(**{**options, "path": path})
