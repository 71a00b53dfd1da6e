"""Symbolic links of a repository: a path that is read by way of links changes with each of them, and with what they lead to."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

_MAX_LINKS = 40  # links on one way, as systems have it


class SymlinkResolver:
    """Follows paths below a folder, whose own path has no links in it; each folder is looked at once."""

    def __init__(self, top: Path) -> None:
        self._top, self._above = top, f"{top}/"
        self._folders: dict[str, tuple[frozenset[str], str | None]] = {"": (frozenset(), "")}

    def follow(self, path: str) -> tuple[frozenset[str], str | None]:
        """Return the links on the way to a path, and where it really is; both as paths below the folder.

        Nothing need be there. None for what leads out of the folder, or in circles.
        """
        parent = PurePosixPath(path).parent.as_posix()
        folder = "" if parent == "." else parent
        if folder not in self._folders:
            self._folders[folder] = self._walk(folder, "", _MAX_LINKS)
        links, real = self._folders[folder]
        if real is None:
            return links, None
        more, end = self._walk(PurePosixPath(path).name, real, _MAX_LINKS - len(links))
        return links | more, end

    def affecting_paths(self, path: str) -> frozenset[str]:
        """Return every path at which a change is one of this path: itself, links on its way, and where it really is."""
        links, real = self.follow(path)
        return links | {path} | ({real} if real is not None else set())

    def _walk(self, path: str, start: str, most: int) -> tuple[frozenset[str], str | None]:
        links: set[str] = set()
        followed = 0
        done = [part for part in start.split("/") if part]
        todo = path.split("/")[::-1]
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not done:
                    return frozenset(links), None
                done.pop()
                continue
            here = "/".join([*done, part])
            try:
                target = os.readlink(f"{self._above}{here}")  # noqa: PTH115 - a Path takes longer to make than the link to read
            except (OSError, ValueError):  # no link, or nothing
                done.append(part)
                continue
            links.add(here)
            followed += 1
            if followed > most:
                return frozenset(links), None
            if target.startswith("/"):
                if not Path(target).is_relative_to(self._top):
                    return frozenset(links), None
                done, target = [], Path(target).relative_to(self._top).as_posix()
            todo += target.split("/")[::-1]
        return frozenset(links), "/".join(done)
