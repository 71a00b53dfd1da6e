"""Writes copies of files that the engine cannot read in place: decompressed, in UTF-8, without the lines above the table.

A copy has the lines of the file, so that a finding about the copy has its line in the file.
"""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.bad_rows import bad_row_findings
from mlops_ci.data.sources.format_detection import require_file_format
from mlops_ci.data.sources.json_lines import write_json_lines_as_csv
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.source_types import Compression, SourceSpec

COPY_LIMIT = 5_000_000_000  # bytes of the copy of one file
GROWTH_LIMIT = 200  # times its size: compressed tables grow 3 to 50 times
SMALL_COPY = 100_000_000  # bytes: up to this size a file may grow by any factor
_CHUNK = 1 << 20
_MAGIC: dict[str, bytes] = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}
_NAMES = {"gz": "gzip", "zst": "zstd"}


def needs_plain_copy(local: ReadableFiles) -> bool:
    """Return whether a file of the source must be copied before the engine can read it."""
    source = local.source
    if source.type == "parquet":
        return False
    changed = source.type == "jsonl" or source.skip_rows > 0 or not _is_utf8(source.encoding)
    return changed or any(compression_of(source, file.path) != "none" for file in local.files)


def compression_of(source: SourceSpec, path: str) -> Compression:
    """Return how the file is compressed: as the source says, else by the ending of its name."""
    if source.compression is not None:
        return source.compression
    return "gz" if path.lower().endswith(".gz") else "zst" if path.lower().endswith(".zst") else "none"


def write_plain_copies(local: ReadableFiles, folder: Path) -> ReadableFiles:
    """Write a CSV copy in UTF-8 of each file into an empty folder, under the same names, and return the copies.

    Raises Findings: `data-too-large` for a file that grows beyond the limits, `data-file-type` and `data-unreadable` for one
    that is not compressed as the source says, `data-encoding`, `data-json`, `data-lfs-pointer`, `data-empty`.
    """
    source = local.source
    if source.type == "jsonl":
        kinds: dict[str, frozenset[str]] = {}
        for file in local.files:
            lines = functools.partial(_open_plain, local.root / file.path, file, source)
            place, limit = _place(folder, file.path), _copy_limit(file)
            found = write_json_lines_as_csv(lines, file.path, place, limit, local.known_names)
            kinds = {name: kinds.get(name, frozenset()) | found.get(name, frozenset()) for name in {**kinds, **found}}
        plain = SourceSpec("csv", source.path, nulls=source.nulls, compression="none", index="drop")
        return replace(local, root=folder, files=_digests(folder, local.files), source=plain, json_kinds=kinds)
    findings: list[Diagnostic] = []
    for file in local.files:
        try:
            with _open_plain(local.root / file.path, file, source) as stream:
                _write_utf8(stream, file.path, source, _place(folder, file.path))
        except Findings as error:
            findings.extend(error.diagnostics)
    if findings:
        raise Findings(findings)
    plain = replace(source, encoding="utf-8", compression="none", skip_rows=0)
    copies = _digests(folder, local.files)
    return replace(local, root=folder, files=copies, source=plain, skipped_lines=source.skip_rows)


def _digests(folder: Path, files: tuple[FileDigest, ...]) -> tuple[FileDigest, ...]:
    return tuple(
        FileDigest(file.path, digest_file(folder / file.path), (folder / file.path).stat().st_size) for file in files
    )


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


@contextmanager
def open_decompressed(path: Path, source: SourceSpec) -> Iterator[IO[bytes]]:
    """Open one file for reading, decompressed if it is compressed; opening and reading raise Findings as copying does."""
    with _open_plain(path, FileDigest(path.name, "", path.stat().st_size), source) as stream:
        yield stream


@contextmanager
def _open_plain(path: Path, file: FileDigest, source: SourceSpec) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed; reading raises Findings beyond the limits."""
    compression = compression_of(source, file.path)
    require_file_format(path, file.path, source.type, compressed=compression != "none")
    with path.open("rb") as raw:
        if compression == "none":
            yield raw
            return
        start = raw.read(4)
        raw.seek(0)
        if not start.startswith(_MAGIC[compression]):
            raise Findings.of(
                "data-file-type",
                f"'{file.path}' is not compressed with {_NAMES[compression]}",
                location=Location(file.path),
                help="write `compression: none` in the source, or the right one of gz and zst",
            )
        stream = gzip.GzipFile(fileobj=raw) if compression == "gz" else _open_zstd(raw)
        try:
            yield io.BufferedReader(_LimitedReader(stream, file, _copy_limit(file)), _CHUNK)
        except (EOFError, OSError, zlib.error) as error:
            raise Findings.of(
                "data-unreadable",
                f"'{file.path}' cannot be decompressed: {error}",
                location=Location(file.path),
                help="the file is damaged or cut off; write it again",
            ) from error


def _copy_limit(file: FileDigest) -> int:
    """Return how many bytes a copy of the file may have."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return min(COPY_LIMIT, free // 2, max(SMALL_COPY, GROWTH_LIMIT * file.size))


def _open_zstd(raw: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


class _LimitedReader(io.RawIOBase):
    """A raw reader of decompressed bytes; reading beyond the limit raises Findings `data-too-large`."""

    def __init__(self, stream: Any, file: FileDigest, limit: int) -> None:
        self._stream, self._file, self._limit, self._count = stream, file, limit, 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into the buffer, and return the number of bytes; 0 at the end."""
        chunk = bytes(self._stream.read(len(buffer)))
        self._count += len(chunk)
        if self._count > self._limit:
            path, grown = self._file.path, f"more than {self._limit / 1e6:,.0f} MB"
            raise Findings.of(
                "data-too-large",
                f"'{path}' has {self._file.size / 1e6:,.1f} MB, but {grown} after decompression",
                location=Location(path),
                help="check that it is the right file; store a large table as parquet, which is compressed and read in place",
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _write_utf8(stream: IO[bytes], name: str, source: SourceSpec, out: Path) -> None:
    decoder = codecs.getincrementaldecoder(codecs.lookup(source.encoding).name)()
    skipped, newline = source.skip_rows, ""
    with out.open("w", encoding="utf-8", newline="") as target:
        done = False
        lines = 0
        while not done:
            chunk = stream.read(_CHUNK)
            done = not chunk
            if not lines and chunk.startswith(codecs.BOM_UTF8) and not _is_utf8(source.encoding):
                raise _encoding_error(name, source, 1, "remove `encoding`: the file begins with the mark of UTF-8")
            try:
                text = decoder.decode(chunk, final=done)
            except UnicodeDecodeError as error:
                raise _encoding_error(name, source, lines + error.object.count(b"\n", 0, error.start) + 1) from error
            except UnicodeError as error:  # UTF-16 begins with a mark of the order of its bytes
                help = f"it has no mark of the order of its bytes: write `encoding: {source.encoding}-le` or `-be`"
                raise _encoding_error(name, source, 1, help) from error
            lines += text.count("\n")
            newline = newline or ("\n" if "\n" in text else "\r" if "\r" in text else "")
            while skipped and text:
                _, ended, text = text.partition(newline) if newline else ("", "", "")
                skipped -= bool(ended)
            target.write(text)


def _encoding_error(name: str, source: SourceSpec, line: int, help: str = "") -> ToolError:
    return Findings(
        bad_row_findings(
            "data-encoding",
            [(line, f"the file is not {source.encoding}")],
            name,
            help=help or "write the file's encoding, such as `encoding: cp1252`, or save the file as UTF-8",
        )
    )
