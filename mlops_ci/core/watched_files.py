"""Watches (see `child_watch`) over files: some must stay as they are, and of others only what this process wrote counts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem

_Stamps = dict[Path, tuple[int, ...]]


class DataWatch:
    """Files of data that are read again after a child has ended: nobody may write them meanwhile.

    `find` returns the paths, and is asked again each time, since a pattern can match a new file. Contents are not read: the time
    of a file's last change cannot be set by a program.
    """

    def __init__(self, find: Callable[[], Iterable[Path]]) -> None:
        self._find = find
        self._before: _Stamps | None = None

    def remember(self) -> None:
        """Remember the files as they are before the first child; raises as `verify` does before the others."""
        if self._before is None:
            self._before = _stamps(self._find())
        self.verify()

    def verify(self) -> None:
        """Raise EnvironmentProblem `data-changed` when a file has been written, has gone, or is new."""
        if self._before is None:
            return
        now = _stamps(self._find())
        if changed := sorted(
            path for path in now.keys() | self._before.keys() if now.get(path) != self._before.get(path)
        ):
            raise EnvironmentProblem.of(
                "data-changed",
                f"files of data were written while code of the candidate ran: {', '.join(map(str, changed[:10]))}",
                help="what is judged must be what was trained on: restore the files (git status), let the code write to other places,"
                " and run the command again",
            )


class EntryWatch:
    """Records in a folder that only this process should write: what a child wrote meanwhile is removed, and made again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: _Stamps | None = None

    def remember(self) -> None:
        """Remember the records as they are now."""
        self._before = self._read()

    def verify(self) -> None:
        """Remove the records that were written since; later ones are this process's own."""
        before, self._before = self._before, None
        if before is None:
            return
        for path, stamp in self._read().items():
            if before.get(path) != stamp:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _read(self) -> _Stamps:
        walk = os.walk(self._folder)  # without errors: another command may move a folder to its place meanwhile
        return _stamps(
            Path(folder, name)
            for folder, _, names in walk
            if "new-" not in Path(folder).name  # of another command, and not in its place yet
            for name in names
            if name.endswith(".json")
        )


def _stamps(paths: Iterable[Path]) -> _Stamps:
    found: _Stamps = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found
