"""Programs that are trusted (git, ssh, gpg): they see the user's terminal and secrets, and still get limits on time and output."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from mlops_ci.core.errors import EnvironmentProblem

_CHUNK = 1 << 16
_GRACE_SECONDS = 5.0  # seconds that output may still come after the child was killed


@dataclass(frozen=True)
class ProcessLimits:
    """How long a trusted program may run, in seconds, and how many bytes it may write to each of its two outputs."""

    seconds: float
    output_bytes: int


class TrustedResult(NamedTuple):
    """How a trusted program ended: its exit code, its output and its error output."""

    returncode: int
    output: bytes
    error_output: bytes


TRUSTED_LIMITS = ProcessLimits(600, 2 << 30)  # a model's file may be read from git as a whole
TRANSFER_LIMITS = ProcessLimits(3600, 64 << 20)  # a clone over a slow line takes long and says little


def run_trusted(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    limits: ProcessLimits = TRUSTED_LIMITS,
) -> TrustedResult:
    """Run a program that is trusted (git) to its end and return its exit code, output and error output.

    It stays in our session, since it may ask the user for a passphrase. Raises FileNotFoundError when there is no such
    program or folder, and EnvironmentProblem `process-limit` for one that exceeds a limit: it and, on Linux, its
    descendants are killed.
    """
    deadline = time.monotonic() + limits.seconds
    source = subprocess.PIPE if stdin else subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
        list(argv), cwd=cwd, env=dict(env), stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        kill = partial(_kill_descendants, child)
        outputs = [_BoundedReader(stream, limits.output_bytes, kill) for stream in (child.stdout, child.stderr)]
        threads = [threading.Thread(target=one.read, daemon=True) for one in outputs]
        if stdin:
            threads.append(threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True))
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(deadline - time.monotonic(), 0))
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(deadline - time.monotonic(), 0))
        finally:
            is_late = child.poll() is None or any(thread.is_alive() for thread in threads)
            if is_late:
                kill()
                for thread in threads:
                    thread.join(_GRACE_SECONDS)
    exceeded = next((one for one in outputs if one.is_exceeded), None)
    if exceeded is not None or is_late:
        limit = (
            f"wrote more than {limits.output_bytes:,} bytes" if exceeded else f"ran longer than {limits.seconds:g} s"
        )
        raise EnvironmentProblem.of(
            "process-limit",
            f"{argv[0]} was stopped because it {limit}: {_describe_command(argv)}",
            help="run the command yourself to see what it waits for or what it writes; if a remote does not answer, test it with git fetch",
        )
    return TrustedResult(child.returncode, bytes(outputs[0].content), bytes(outputs[1].content))


class _BoundedReader:
    """Reads a stream to its end; calls `stop`, once, when there is more than `limit` bytes."""

    def __init__(self, stream: IO[bytes] | None, limit: int, stop: Callable[[], None]) -> None:
        self._stream, self._limit, self._stop = stream, limit, stop
        self.content, self.is_exceeded = bytearray(), False

    def read(self) -> None:
        while self._stream is not None and (chunk := os.read(self._stream.fileno(), _CHUNK)):
            if len(self.content) + len(chunk) > self._limit:
                self.is_exceeded = True
                self._stop()
                return
            self.content += chunk


def _feed(sink: IO[bytes] | None, content: bytes) -> None:
    if sink is None:
        return
    with contextlib.suppress(BrokenPipeError):  # it ended without reading everything, and its exit code says why
        sink.write(content)
    with contextlib.suppress(BrokenPipeError):
        sink.close()


def _describe_command(argv: Sequence[str]) -> str:
    """Return the command without its options: an argument may be an address that holds a password."""
    return next((word for word in argv[1:] if re.fullmatch("[a-z]+(-[a-z]+)*", word)), argv[0])


def _kill_descendants(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and, on Linux, everything that it started and that is still its descendant."""
    found, parents = [child.pid], _parent_pids()
    for pid in found:
        found += [one for one, parent in parents.items() if parent == pid]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def _parent_pids() -> dict[int, int]:
    """Return every process with its parent, from Linux's /proc; nothing elsewhere."""
    if sys.platform != "linux":
        return {}
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            # the fields after the program's name, which may hold anything: state, parent, ...
            found[int(path.parent.name)] = int(path.read_bytes().rpartition(b")")[2].split()[1])
    return found
