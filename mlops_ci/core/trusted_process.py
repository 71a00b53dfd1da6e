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

from mlops_ci.core import children, guardian
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.process_activity import Activity, descendant_pids, read_activity

_CHUNK = 1 << 16
_LOOK_SECONDS = 1.0  # between two looks at a program that says nothing
_GRACE_SECONDS = 1.0  # that a program has to remove its lock files before it is killed
SILENCE_SECONDS = 30.0  # for which a program may say, read, send and compute nothing


@dataclass(frozen=True)
class ProcessLimits:
    """How long a trusted program may run, in seconds, and how many bytes it may write to each of its two outputs.

    On Linux it is also ended after SILENCE_SECONDS in which it does nothing, unless it `may_ask` the user. One that `may_hang`
    is ended with all that it started even if this process is killed meanwhile.
    """

    seconds: float
    output_bytes: int
    may_hang: bool = False
    may_ask: bool = False


class TrustedResult(NamedTuple):
    """How a trusted program ended: its exit code, its output and its error output."""

    returncode: int
    output: bytes
    error_output: bytes


class LimitProblem(EnvironmentProblem):
    """A program exceeded a limit and was ended; `reason` says which, after "it"."""

    reason = ""


TRUSTED_LIMITS = ProcessLimits(600, 2 << 30)  # a model's file may be read from git as a whole
TRANSFER_LIMITS = ProcessLimits(3600, 64 << 20, may_hang=True)  # a clone over a slow line takes long and says little
LISTING_LIMITS = ProcessLimits(600, 64 << 20, may_hang=True)  # the names of a remote's refs, over a slow line
# who signs may have to type a passphrase, or to touch a key
SIGNING_LIMITS = ProcessLimits(120, 16 << 20, may_hang=True, may_ask=True)
KEY_LIMITS = ProcessLimits(60, 16 << 20, may_hang=True)  # keys are loaded, or a signature is verified: milliseconds


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
    program or folder, and LimitProblem `process-limit` for one that exceeds a limit: it and, on Linux, its descendants are
    ended, first by SIGTERM. A program that has ended counts as running while one that it started holds its outputs open;
    that one is not ended.
    """
    deadline = time.monotonic() + limits.seconds
    source = subprocess.PIPE if stdin else subprocess.DEVNULL
    output, error_output = bytearray(), bytearray()
    if limits.may_hang:
        guardian.watch()
    with children.starting() as awaited:
        child = subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
            list(argv),
            cwd=cwd,
            env=children.mark_environment(env),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        awaited.add(child.pid)
    with child:
        try:
            exceeded = _exchange(child, stdin, (output, error_output), limits, deadline)
        finally:
            if child.poll() is None:
                _end_descendants(child)
                child.wait()
            children.forget(child.pid)
    if exceeded is not None:
        problem = LimitProblem.of(
            "process-limit",
            f"{argv[0]}, or a program that it started, was stopped because it {exceeded}: {_describe_command(argv)}",
            help="run the command yourself to see what it waits for or what it writes; if a remote does not answer, test it with git fetch",
        )
        problem.reason = exceeded
        raise problem
    return TrustedResult(child.returncode, bytes(output), bytes(error_output))


class _Watch:
    """Tells whether a program has done nothing for too long. It looks only at one that says nothing."""

    def __init__(self, pid: int, limits: ProcessLimits) -> None:
        self._pid, self._silence = pid, None if limits.may_ask else SILENCE_SECONDS
        self._known: Activity | None = None
        self._quiet = 0.0
        self.pause = _LOOK_SECONDS if self._silence is None else min(_LOOK_SECONDS, self._silence / 3)

    def hear(self) -> None:
        """Note that the program has said or read something."""
        self._quiet, self._known = 0.0, None

    def has_hung(self) -> bool:
        """Look at the program after it has said nothing for `pause` seconds, and tell whether it has done nothing for too long.

        The looks are counted and not the time, in which this process may itself have been suspended.
        """
        guardian.watch()
        if self._silence is None:
            return False
        found = read_activity(self._pid)
        if found is None:
            return False
        self._quiet = self._quiet + self.pause if found == self._known else 0.0
        self._known = found
        return self._quiet >= self._silence - self.pause  # the first look had nothing to compare with

    @property
    def reason(self) -> str:
        """What a program that has hung did."""
        return f"did nothing for {self._silence:g} s"


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
    watch = _Watch(child.pid, limits)
    with selectors.DefaultSelector() as selector:
        for stream, content in zip((child.stdout, child.stderr), contents, strict=True):
            selector.register(_require_pipe(stream), selectors.EVENT_READ, content)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return late
            ready = selector.select(min(left, watch.pause))
            if not ready:
                if left > watch.pause and watch.has_hung():
                    return watch.reason
                continue
            watch.hear()
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
    return _wait(child, watch, deadline, late)


def _wait(child: subprocess.Popen[bytes], watch: _Watch, deadline: float, late: str) -> str | None:
    """Wait for the end of a child that has closed its outputs; return what limit it exceeded, or None."""
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(left, watch.pause))
            return None
        if watch.has_hung():
            return watch.reason
    return late


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


def _end_descendants(child: subprocess.Popen[bytes]) -> None:
    """End a child and, on Linux, everything that it started and that is still its descendant."""
    found = descendant_pids(child.pid)
    _signal(found, signal.SIGTERM)
    # at least until the child has ended: what it started may hold out longer
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)
    _signal([*found, *descendant_pids(child.pid)] if child.returncode is None else found[1:], signal.SIGKILL)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
