"""The only user of subprocess: children get a log file, a limit on time and output, and none of our secrets."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlops_ci.errors import EnvironmentProblem

LOG_LIMIT = 4 << 20  # bytes of output that are kept: the first half of them, and the last
_CHUNK = 1 << 16
_GRACE = 5.0  # seconds that output may still come after the child has ended

_PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "COMSPEC"),
    }
)
_PASSED_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "KMP_", "GOTO_", "NUMEXPR_", "JOBLIB_", "LOKY_")


@dataclass(frozen=True)
class Result:
    """How a child ended: `returncode` is negative for a signal; `tail` are the last lines of its output."""

    returncode: int
    timed_out: bool
    tail: str


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a child needs and none that it must not see (tokens, cloud credentials).

    An allow-list: what is not known to be harmless is left out. Hash order is fixed, and no byte code is written into
    the repository that the child imports from.
    """
    kept = {name: value for name, value in environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tail_lines: int = 20,
) -> Result:
    """Run a program to its end in a session of its own, its output in `log` (at most LOG_LIMIT bytes).

    `env` is the whole environment (default: ours, cleaned); `timeout` is in seconds. On a timeout, an interrupt, and
    after the end, what is left of its process group is killed. Raises EnvironmentProblem when it cannot be started.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
            list(argv),
            cwd=cwd,
            env=dict(clean_environment(os.environ) if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentProblem.of(
            "process-not-started",
            f"cannot start {argv[0]}: {error.strerror or error}",
            help="Check that the program is installed and that its file may be executed.",
        ) from error
    # a daemon, because a grandchild that left the session can hold the pipe open for ever
    pump = threading.Thread(target=_pump, args=(child.stdout, log), daemon=True)
    pump.start()
    timed_out = False
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        _kill_group(child)
        child.wait()
        pump.join(_GRACE)
    return Result(child.returncode, timed_out, _tail(log, tail_lines))


def _pump(source: IO[bytes] | None, log: Path) -> None:
    """Copy the first half of LOG_LIMIT as it comes; keep the last half in memory and write it at the end."""
    if source is None:
        return
    room = LOG_LIMIT // 2
    last: deque[bytes] = deque()
    held = dropped = 0
    with source, log.open("wb", buffering=0) as sink:
        while chunk := os.read(source.fileno(), _CHUNK):
            sink.write(chunk[:room])
            chunk, room = chunk[room:], max(room - len(chunk), 0)
            last.append(chunk)
            held += len(chunk)
            while held > LOG_LIMIT // 2:
                gone = len(last.popleft())
                held, dropped = held - gone, dropped + gone
        if dropped:
            sink.write(f"\n... {dropped:,} bytes of output left out ...\n".encode())
        sink.writelines(last)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    if not hasattr(os, "killpg"):  # Windows has no process groups to signal
        child.kill()
        return
    # the group may be empty by now, which macOS calls a lack of permission
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _tail(log: Path, lines: int) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - _CHUNK, 0))
        text = stream.read().decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])
