"""Detects, from its first bytes, a file whose format differs from the source's type, before the engine reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings
from mlops_ci.spec.source_types import FileType

_LFS_POINTER_START = b"version https://git-lfs"
_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1024  # bytes


@dataclass(frozen=True)
class _BinaryKind:
    start: bytes
    name: str
    help: str


_USE_PARQUET_HELP = "write `type: parquet` in the source, and rename the file to end in .parquet"
_USE_CSV_HELP = "write `type: csv` in the source, and rename the file to end in .csv"
_BINARY_KINDS = (
    _BinaryKind(
        b"\x1f\x8b", "compressed with gzip", "write `compression: gz` in the source, or let the name end in .gz"
    ),
    _BinaryKind(
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd",
        "write `compression: zst` in the source, or let the name end in .zst",
    ),
    _BinaryKind(b"BZh91AY&SY", "compressed with bzip2", "decompress it, or compress it with gzip"),
    _BinaryKind(b"\xfd7zXZ\0", "compressed with xz", "decompress it, or compress it with gzip"),
    _BinaryKind(b"PK\x03\x04", "a zip archive, such as an Excel workbook", "save the table as CSV or parquet"),
)


def require_file_format(path: Path, name: str, type: FileType, *, compressed: bool = False) -> None:
    """Raise Findings `data-lfs-pointer` or `data-file-type` for a file that cannot be read as `type`.

    Of a file that is declared to be compressed, only a pointer is found.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_PARQUET_MAGIC)))
        tail = stream.read()
    if head.startswith(_LFS_POINTER_START):
        raise Findings.of(
            "data-lfs-pointer",
            f"'{name}' is a Git LFS pointer, not the data",
            location=Location(name),
            help="run `git lfs pull` (in CI, check out with LFS: set `lfs: true` for actions/checkout)",
        )
    if compressed:
        return
    for kind in _BINARY_KINDS:
        if head.startswith(kind.start):
            raise _wrong_format_error(name, type, kind.name, kind.help)
    if type != "parquet" and head.startswith(_PARQUET_MAGIC) and tail == _PARQUET_MAGIC:
        raise _wrong_format_error(name, type, "a parquet file", _USE_PARQUET_HELP)
    if type == "parquet" and head and not head.startswith(_PARQUET_MAGIC) and _is_text(head):
        raise _wrong_format_error(name, type, "text, probably CSV", _USE_CSV_HELP)


def _is_text(head: bytes) -> bool:
    # the head may end inside a character
    return b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-1]


def _wrong_format_error(name: str, type: str, kind: str, help: str) -> Findings:
    label = {"csv": "CSV", "jsonl": "JSON Lines"}.get(type, type)
    return Findings.of("data-file-type", f"'{name}' is not {label}: it is {kind}", location=Location(name), help=help)
