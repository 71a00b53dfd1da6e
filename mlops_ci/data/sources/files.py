"""Which files a dataset is read from: expanded inside the repository only, and named by their content."""

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
    """Return the source's files, sorted by path, each with its digest and size in bytes.

    Wildcards (`*`, `?`, `[]`, `**`) match neither hidden names nor symbolic links to folders. Raises Findings:
    `data-source-outside` when the path leaves the repository (a symbolic link counts as where it leads),
    `data-source-missing` when no regular file matches, `data-source-name` when a file's name is not UTF-8,
    `data-unreadable` when one cannot be read.
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
            help="paths are relative to the repository's root; is the file committed, or ignored by git?",
        )
    for name in names:
        if not _is_utf8(name):
            raise Findings.of(
                "data-source-name",
                f"the file name '{name.encode('utf-8', 'backslashreplace').decode()}' is not UTF-8",
                location=location,
                help="rename the file: a record cannot hold such a name, and other machines cannot check it out",
            )
        if not (home / name).resolve().is_relative_to(home):
            raise _outside_repository_error(name, location)
    return tuple(_file_digest(home, name) for name in names)


def matches_source_path(pattern: str, path: str, *, is_folder: bool = False) -> bool:
    """Tell whether a file of this path would be one that a source's path names, be it there or not.

    With `whole`, whether something below the path may be. Both are relative to the same folder.
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
    """Add where each state can be without a name: `**` may stand for no folder."""
    found = set(states)
    for at in sorted(states):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            found.add(at)
    return found


def folder_before_wildcard(pattern: str) -> str:
    """Return the folder that everything which a source's path names is in: its parts before the first wildcard."""
    parts = PurePosixPath(pattern).parts
    named = next((at for at, part in enumerate(parts) if _WILDCARD.search(part)), len(parts) - 1)
    return "/".join(parts[:named])


def _find_matches(home: Path, pattern: PurePosixPath) -> Iterator[Path]:
    if (home / pattern).is_file():  # a name that happens to hold a bracket is still a name
        yield home / pattern
        return
    # a set per level, and no links to folders: a hostile tree of links cannot make the walk grow beyond the tree
    level = {home}
    for part in pattern.parts:
        level = {found for folder in level for found in _find_in_folder(folder, part)}
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
    except UnicodeEncodeError:  # the surrogates that Python has for bytes of no meaning
        return False
    return True


def _file_digest(home: Path, name: str) -> FileDigest:
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
        f"'{path}' leads outside the repository",
        location=location,
        help="a dataset's files live in its repository; copy them there, and replace links that lead out",
    )
