"""What this process would leave behind: folders for scratch files, and programs. They can be removed at once."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_ci.core.process_activity import parent_pids

_TOKEN = os.urandom(6).hex()  # ours among the folders of all processes
_COUNTER = itertools.count()
_KILL_SECONDS = 1.0  # a fork bomb may win against it

# programs that are no descendants of this process (an ssh-agent puts itself into the background), by id
outsiders: set[int] = set()


@contextmanager
def scratch_folder(kind: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder below `parent`, or the machine's folder for temporary files, and remove it.

    Raises OSError on a full disk. Whoever names a parent removes it.
    """
    import tempfile  # queries of the registry need no scratch folder

    with tempfile.TemporaryDirectory(prefix=f"{_prefix()}{kind}-", dir=parent) as name:
        yield Path(name)


def unused_scratch_path(kind: str) -> Path:
    """Return the path of a folder that does not exist yet, for a program that makes one when it needs it."""
    import tempfile

    return Path(tempfile.gettempdir()) / f"{_prefix()}{kind}-{os.getpid()}-{next(_COUNTER)}"


def remove_leftovers() -> None:
    """Kill every program that this process has started, and remove its scratch folders. What cannot be removed stays."""
    for _ in range(2):  # what is still at work may have made another one meanwhile
        _kill_descendants()
        _remove_folders()


def _prefix() -> str:
    return f"mlops-ci-{_TOKEN}-"


def _kill_descendants() -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        parents = parent_pids()
        found = [os.getpid(), *(pid for pid in outsiders if pid in parents)]
        for pid in found:
            found += [one for one, parent in parents.items() if parent == pid and one not in found]
        living = found[1:]
        if not living:
            return
        for pid in living:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _remove_folders() -> None:
    import shutil
    import tempfile

    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        shutil.rmtree(folder, ignore_errors=True)
