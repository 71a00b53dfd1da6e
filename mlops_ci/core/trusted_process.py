"""Programs that are trusted (git, ssh, gpg): they see the user's terminal and secrets, and still get limits on time and output."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.process import parent_pids

_CHUNK = 1 << 16


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
    descendants are killed. A program that has ended counts as running while one that it started holds its outputs open;
    that one is not killed.
    """
    deadline = time.monotonic() + limits.seconds
    source = subprocess.PIPE if stdin else subprocess.DEVNULL
    output, error_output = bytearray(), bytearray()
    with subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
        list(argv), cwd=cwd, env=dict(env), stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        try:
            exceeded = _exchange(child, stdin, (output, error_output), limits, deadline)
        finally:
            if child.poll() is None:
                _kill_descendants(child)
    if exceeded is not None:
        raise EnvironmentProblem.of(
            "process-limit",
            f"{argv[0]}, or a program that it started, was stopped because it {exceeded}: {_describe_command(argv)}",
            help="run the command yourself to see what it waits for or what it writes; if a remote does not answer, test it with git fetch",
        )
    return TrustedResult(child.returncode, bytes(output), bytes(error_output))


def _exchange(
    child: subprocess.Popen[bytes],
    stdin: bytes,
    contents: tuple[bytearray, bytearray],
    limits: ProcessLimits,
    deadline: float,
) -> str | None:
    """Feed a child, collect its two outputs and wait for its end; return what limit it exceeded, or None.

    There is one loop and no thread for each stream: to start threads takes longer than a short git command.
    """
    late, pending = f"ran longer than {limits.seconds:g} s", memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for stream, content in zip((child.stdout, child.stderr), contents, strict=True):
            selector.register(_require_pipe(stream), selectors.EVENT_READ, content)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return late
            for key, _ in ready:
                if key.data is None:
                    pending = _feed(key.fd, pending)
                    is_open = bool(pending)
                else:
                    chunk = os.read(key.fd, _CHUNK)
                    if len(key.data) + len(chunk) > limits.output_bytes:
                        return f"wrote more than {limits.output_bytes:,} bytes"
                    key.data.extend(chunk)
                    is_open = bool(chunk)
                if not is_open:
                    selector.unregister(key.fileobj)
                    cast("IO[bytes]", key.fileobj).close()
    try:
        child.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return late
    return None


def _require_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # not with a pipe; for the type checker
        raise RuntimeError
    return stream


def _feed(descriptor: int, pending: memoryview) -> memoryview:
    """Write what the pipe takes now and return the rest; nothing is left for a reader that has closed it."""
    try:
        return pending[os.write(descriptor, pending[:_CHUNK]) :]
    except BrokenPipeError:  # it ended without reading everything, and its exit code says why
        return pending[:0]


def _describe_command(argv: Sequence[str]) -> str:
    """Return the command without its options: an argument may be an address that holds a password."""
    return next((word for word in argv[1:] if re.fullmatch("[a-z]+(-[a-z]+)*", word)), argv[0])


def _kill_descendants(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and, on Linux, everything that it started and that is still its descendant."""
    found, parents = [child.pid], parent_pids()
    for pid in found:
        found += [one for one, parent in parents.items() if parent == pid]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
