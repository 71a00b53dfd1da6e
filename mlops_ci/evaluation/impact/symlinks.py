"""Resolves a repository's symbolic links: a path that goes through links changes when a link or its target changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

_MAX_LINKS = 40  # links on one path, as in Linux


class SymlinkResolver:
    """Follows paths below the folder `top`, whose own path must have no links; reads each folder's links once.

    `left_out` are links that the work tree leaves out, with what they lead to.
    """

    def __init__(self, top: Path, left_out: Mapping[str, str] = MappingProxyType({})) -> None:
        self._top, self._above, self._left_out = top, f"{top}/", left_out
        self._folders: dict[str, tuple[frozenset[str], str | None]] = {"": (frozenset(), "")}

    def follow(self, path: str) -> tuple[frozenset[str], str | None]:
        """Return the links on a path, and the path with all links resolved; both relative to `top`.

        The path need not exist. The resolved path is None when it leads out of `top`, or when the links form a loop.
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
        """Return every path whose change also changes this one: itself, the links on it, and the resolved path."""
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
            target = self._left_out.get(here, "")
            try:
                target = target or os.readlink(f"{self._above}{here}")  # noqa: PTH115 - creating a Path takes longer than reading the link
            except (OSError, ValueError):  # not a link, or no such file
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
