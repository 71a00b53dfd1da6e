"""The CPU time of a command, and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.process_activity import parent_pids

_PAGE = resource.getpagesize()
_SECONDS = 0.05  # between two looks at the processes


@dataclass(frozen=True)
class Usage:
    """What a command took: CPU seconds of all its processes, and the most memory that they had at one moment."""

    cpu: float
    megabytes: float


def usage(command: list[str]) -> Usage:
    """Run a command whose output nobody reads, and return what it took; raises CalledProcessError when it fails."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended, peaks = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(_SECONDS):
            peaks.append(_resident(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(child.pid, 0)
    ended.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    # the kernel knows the exact peak, of the largest process
    return Usage(used.ru_utime + used.ru_stime, max(used.ru_maxrss * 1024, *peaks) / 1e6)


def _resident(pid: int) -> int:
    """Return the bytes of memory that a process and its descendants have; nothing outside of Linux."""
    parents = parent_pids()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    total = 0
    for one in found:
        with contextlib.suppress(OSError):  # it ended meanwhile
            total += int(Path(f"/proc/{one}/statm").read_bytes().split()[1]) * _PAGE
    return total
