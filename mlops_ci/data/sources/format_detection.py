"""Files that are of another kind than the spec's source says, told by their first bytes before an engine chokes on them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings

_POINTER = b"version https://git-lfs"
_PARQUET = b"PAR1"
_HEAD = 1024  # bytes


@dataclass(frozen=True)
class _Kind:
    start: bytes
    name: str
    help: str


_AS_PARQUET = "say type: parquet in the source, and let its name end in .parquet"
_AS_CSV = "say type: csv in the source, and let its name end in .csv"
_BINARY = (
    _Kind(b"\x1f\x8b", "compressed with gzip", "decompress it"),
    _Kind(b"PK\x03\x04", "a zip archive, as Excel workbooks are", "save the table as CSV or parquet"),
)


def refuse_foreign(path: Path, name: str, type: Literal["csv", "parquet"]) -> None:
    """Raise Findings for a file that cannot be read as the type: `data-lfs-pointer` or `data-file-type`."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_PARQUET)))
        tail = stream.read()
    if head.startswith(_POINTER):
        raise Findings.of(
            "data-lfs-pointer",
            f"'{name}' is a pointer of Git LFS, not the data",
            location=Location(name),
            help="git lfs pull (in CI: check out with LFS, such as `lfs: true` of actions/checkout)",
        )
    for kind in _BINARY:
        if head.startswith(kind.start):
            raise _wrong(name, type, kind.name, kind.help)
    if type == "csv" and head.startswith(_PARQUET) and tail == _PARQUET:
        raise _wrong(name, type, "a parquet file", _AS_PARQUET)
    if type == "parquet" and head and not head.startswith(_PARQUET) and _text(head):
        raise _wrong(name, type, "text, perhaps CSV", _AS_CSV)


def _text(head: bytes) -> bool:
    # a character may be cut in two by the end of the head
    return b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-1]


def _wrong(name: str, type: str, kind: str, help: str) -> Findings:
    said = "CSV" if type == "csv" else type
    return Findings.of("data-file-type", f"'{name}' is not {said}: it is {kind}", location=Location(name), help=help)
