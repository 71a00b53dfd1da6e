"""CSV files that are compressed with gzip."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings
from mlops_ci.core.plugins import Plugin
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.sources.protocol import ReadableFiles, Source
from mlops_ci.spec.spec_types import SourceSpec


@dataclass(frozen=True)
class CsvGz:
    """One file."""

    file: str

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        path = root / self.file
        if not path.is_file():
            raise Findings.of("data-source-missing", f"there is no file '{self.file}'", location=location)
        return (FileDigest(self.file, digest_file(path), path.stat().st_size),)

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:
        plain = folder / "rows.csv"
        plain.write_bytes(gzip.decompress((root / files[0].path).read_bytes()))
        file = FileDigest(plain.name, digest_file(plain), plain.stat().st_size)
        return ReadableFiles(folder, (file,), SourceSpec("csv", plain.name))

    def touches(self, path: str) -> bool:
        return path == self.file


def _make(options: CsvGz) -> Source:
    return options


CSV_GZ = Plugin(
    "csv-gz",
    make=_make,
    options=CsvGz,
    schema={
        "required": ["file"],
        "properties": {"file": {"type": "string", "minLength": 1, "description": "A file of the repository."}},
    },
)
