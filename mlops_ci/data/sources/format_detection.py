"""Files that are of another kind than the spec's source says, told by their first bytes before an engine chokes on them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings

_LFS_POINTER_START = b"version https://git-lfs"
_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1024  # bytes


@dataclass(frozen=True)
class _BinaryKind:
    start: bytes
    name: str
    help: str


_USE_PARQUET_HELP = "say type: parquet in the source, and let its name end in .parquet"
_USE_CSV_HELP = "say type: csv in the source, and let its name end in .csv"
_BINARY_KINDS = (
    _BinaryKind(b"\x1f\x8b", "compressed with gzip", "decompress it"),
    _BinaryKind(b"PK\x03\x04", "a zip archive, as Excel workbooks are", "save the table as CSV or parquet"),
)


def require_file_format(path: Path, name: str, type: Literal["csv", "parquet"]) -> None:
    """Raise Findings for a file that cannot be read as the type: `data-lfs-pointer` or `data-file-type`."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_PARQUET_MAGIC)))
        tail = stream.read()
    if head.startswith(_LFS_POINTER_START):
        raise Findings.of(
            "data-lfs-pointer",
            f"'{name}' is a pointer of Git LFS, not the data",
            location=Location(name),
            help="git lfs pull (in CI: check out with LFS, such as `lfs: true` of actions/checkout)",
        )
    for kind in _BINARY_KINDS:
        if head.startswith(kind.start):
            raise _wrong_format_error(name, type, kind.name, kind.help)
    if type == "csv" and head.startswith(_PARQUET_MAGIC) and tail == _PARQUET_MAGIC:
        raise _wrong_format_error(name, type, "a parquet file", _USE_PARQUET_HELP)
    if type == "parquet" and head and not head.startswith(_PARQUET_MAGIC) and _is_text(head):
        raise _wrong_format_error(name, type, "text, perhaps CSV", _USE_CSV_HELP)


def _is_text(head: bytes) -> bool:
    # a character may be cut in two by the end of the head
    return b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-1]


def _wrong_format_error(name: str, type: str, kind: str, help: str) -> Findings:
    said = "CSV" if type == "csv" else type
    return Findings.of("data-file-type", f"'{name}' is not {said}: it is {kind}", location=Location(name), help=help)
