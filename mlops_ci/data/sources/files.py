"""Finds the files of a source inside the repository, with the digests of their content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.records.base import FileDigest
from mlops_ci.spec.spec_types import SourceSpec

_WILDCARD = re.compile(r"[*?\[]")


def source_files(root: Path, source: SourceSpec, location: Location | None = None) -> tuple[FileDigest, ...]:
    """Return the source's files, sorted by path, each with its digest and its size in bytes.

    Wildcards (`*`, `?`, `[]`, `**`) match neither hidden names nor symbolic links to folders. Raises Findings:
    `data-source-outside` when a path points outside the repository (after resolving symbolic links),
    `data-source-missing` when no regular file matches, `data-source-name` when a file's name is not UTF-8,
    `data-unreadable` when a file cannot be read.
    """
    pattern = PurePosixPath(source.path)
    if pattern.is_absolute() or ".." in pattern.parts:
        raise _outside_repository_error(source.path, location)
    home = root.resolve()
    names = sorted({path.relative_to(home).as_posix() for path in _find_matches(home, pattern) if path.is_file()})
    if not names:
        what = "no file matches" if _WILDCARD.search(source.path) else "there is no file"
        raise Findings.of(
            "data-source-missing",
            f"{what} '{source.path}'",
            location=location,
            help="check that the file is committed and not ignored by git; paths are relative to the repository's root",
        )
    for name in names:
        if not _is_utf8(name):
            raise Findings.of(
                "data-source-name",
                f"the file name '{name.encode('utf-8', 'backslashreplace').decode()}' is not UTF-8",
                location=location,
                help="rename the file: a record cannot store such a name, and other machines cannot check it out",
            )
        if not (home / name).resolve().is_relative_to(home):
            raise _outside_repository_error(name, location)
    return tuple(read_digest(home, name) for name in names)


def source_paths(root: Path, source: SourceSpec) -> tuple[Path, ...]:
    """Return the paths of the source's files, without reading them; none for a source that points outside the repository."""
    pattern = PurePosixPath(source.path)
    if pattern.is_absolute() or ".." in pattern.parts:
        return ()
    return tuple(path for path in _find_matches(root.resolve(), pattern) if path.is_file())


def matches_source_path(pattern: str, path: str, *, is_folder: bool = False) -> bool:
    """Return whether the pattern of a source matches the path. The file need not exist.

    With `is_folder`, return whether the pattern can match a path below this folder. Pattern and path are relative to the
    same folder.
    """
    wanted, names = PurePosixPath(pattern).parts, PurePosixPath(path).parts
    if wanted == names or (is_folder and wanted[: len(names)] == names):
        return True
    states = {0}
    for name in names:
        shown = not name.startswith(".")
        after: set[int] = set()
        for at in _skip_double_stars(wanted, states):
            part = wanted[at] if at < len(wanted) else None
            if part == "**":
                after |= {at, at + 1} if shown else set()
            elif part is not None and (
                name == part if not _WILDCARD.search(part) else shown and fnmatchcase(name, part)
            ):
                after.add(at + 1)
        states = after
    return bool(states) if is_folder else len(wanted) in states


def _skip_double_stars(wanted: tuple[str, ...], states: set[int]) -> set[int]:
    """Return the states, and the states after skipping `**` parts, which can match no folder at all."""
    reachable = set(states)
    for at in sorted(states):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            reachable.add(at)
    return reachable


def folder_before_wildcard(pattern: str) -> str:
    """Return the folder that contains all matches of a source's path: the parts before the first wildcard."""
    parts = PurePosixPath(pattern).parts
    named = next((at for at, part in enumerate(parts) if _WILDCARD.search(part)), len(parts) - 1)
    return "/".join(parts[:named])


def _find_matches(home: Path, pattern: PurePosixPath) -> Iterator[Path]:
    if (home / pattern).is_file():  # an existing file whose name contains a wildcard character
        yield home / pattern
        return
    # a set per level, and no links to folders: a hostile tree of links cannot make the search larger than the tree
    level = {home}
    for part in pattern.parts:
        level = {match for folder in level for match in _find_in_folder(folder, part)}
    yield from level


def _find_in_folder(folder: Path, part: str) -> Iterator[Path]:
    if part == "**":
        for parent, children, files in os.walk(folder):
            children[:] = [name for name in children if not name.startswith(".")]
            yield Path(parent)
            yield from (Path(parent) / name for name in files if not name.startswith("."))
    elif not _WILDCARD.search(part):
        if (folder / part).exists():
            yield folder / part
    elif folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                linked_folder = entry.is_symlink() and entry.is_dir()
                if fnmatchcase(entry.name, part) and not entry.name.startswith(".") and not linked_folder:
                    yield folder / entry.name


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python represents undecodable bytes as surrogates
        return False
    return True


def read_digest(home: Path, name: str) -> FileDigest:
    """Return a file below `home` with its digest and its size; raises Findings `data-unreadable` when it cannot be read."""
    try:
        return FileDigest(name, digest_file(home / name), (home / name).stat().st_size)
    except OSError as error:
        raise Findings.of(
            "data-unreadable",
            f"'{name}' cannot be read: {error.strerror}",
            location=Location(name),
            help="check the file's permissions",
        ) from error


def _outside_repository_error(path: str, location: Location | None) -> ToolError:
    return Findings.of(
        "data-source-outside",
        f"'{path}' points outside the repository",
        location=location,
        help="copy the files into the repository, and replace symbolic links that point outside",
    )
