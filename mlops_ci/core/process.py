"""Children that run other people's code: limits on time and output, none of our secrets, and no way to outlive us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlops_ci.core.errors import EnvironmentProblem

LOG_LIMIT = 4 << 20  # bytes of output that are kept: the first half of them, and the last
TAIL_LINES = 20
_CHUNK = 1 << 16
_GRACE_SECONDS = 5.0  # seconds that output may still come, and leftovers may still die, after the child has ended

_PASSED_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "COMSPEC"),
    }
)
_PASSED_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "KMP_", "GOTO_", "NUMEXPR_", "JOBLIB_", "LOKY_")

# what leads to packages of the environment at hand, in which an interpreter that was built has no part
_PACKAGE_PATH_VARIABLES = frozenset({"PYTHONPATH", "VIRTUAL_ENV"})
# how an installer finds its index, its settings and its cache, and gets there
_INSTALLER_VARIABLES = frozenset(
    {
        *(
            "XDG_CONFIG_HOME",
            "XDG_CONFIG_DIRS",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
            "APPDATA",
            "LOCALAPPDATA",
            "PROGRAMDATA",
        ),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
_INSTALLER_PREFIXES = ("PIP_", "UV_")
# these would put the packages elsewhere
_REDIRECTING_VARIABLES = frozenset(
    {
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_REQUIREMENT"),
        *("UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_BREAK_SYSTEM_PACKAGES"),
    }
)

_GET_DUMPABLE, _SET_DUMPABLE, _SET_SUBREAPER, _GET_SUBREAPER = 3, 4, 36, 37  # what prctl(2) can do, by number


@dataclass(frozen=True)
class ProcessResult:
    """How a child ended: `returncode` is negative for a signal; `log` is its output, at most LOG_LIMIT bytes of it."""

    returncode: int
    timed_out: bool
    log: bytes

    @property
    def tail(self) -> str:
        """The last lines of the output."""
        return "\n".join(self.log[-_CHUNK:].decode("utf-8", "replace").rstrip().splitlines()[-TAIL_LINES:])


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a child needs and none that it must not see (tokens, cloud credentials).

    An allow-list: what is not known to be harmless is left out. Hash order is fixed, and no byte code is written into
    the repository that the child imports from.
    """
    kept = {
        name: value for name, value in environ.items() if name in _PASSED_VARIABLES or name.startswith(_PASSED_PREFIXES)
    }
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}


def isolated_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `clean_environment` for an interpreter with packages of its own."""
    return {name: value for name, value in clean_environment(environ).items() if name not in _PACKAGE_PATH_VARIABLES}


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that pip and uv need: their index, its certificates and credentials, proxies, and caches.

    These may hold secrets, so that no code of a candidate or of a package may run with them: install wheels only.
    """
    theirs = {
        name: value
        for name, value in environ.items()
        if (name.upper() in _INSTALLER_VARIABLES or name.startswith(_INSTALLER_PREFIXES))
        and name not in _REDIRECTING_VARIABLES
    }
    return {**isolated_environment(environ), **theirs}


def run_guarded(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> ProcessResult:
    """Run a program to its end in a session of its own, and kill whatever it started and left behind.

    `env` is the whole environment (default: ours, cleaned); `timeout` is in seconds. Output comes through a pipe and is
    kept in memory: a file could be replaced by the child with a link to one of ours. On Linux the child cannot read our
    environment from /proc either, unless it is root, and processes that left its session die too; elsewhere those of
    its process group do. Raises EnvironmentProblem when the program cannot be started.
    """
    with _start_child(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL) as child:
        return child.wait(timeout)


@contextlib.contextmanager
def waiting_process(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Callable[[str, float | None], ProcessResult]]:
    """Start a program that waits for a line of input, and give what hands it that line and runs it to its end, as `run` does.

    It prepares itself meanwhile. Who leaves without handing it anything kills it. No program that runs a stranger's code may
    be started before it has ended: it would find this one.
    """
    with _start_child(argv, cwd=cwd, env=env, stdin=subprocess.PIPE) as child:

        def go_on(line: str, timeout: float | None) -> ProcessResult:
            sink = child.popen.stdin
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and how is what is returned
                if sink is not None:
                    sink.write(f"{line}\n".encode())
                    sink.close()
            return child.wait(timeout)

        yield go_on


@dataclass
class _Child:
    """A child that was started, with its output so far; `ours` are the children that we had before."""

    popen: subprocess.Popen[bytes]
    log: _Log
    pump: threading.Thread
    earlier_children: frozenset[int]

    def wait(self, timeout: float | None) -> ProcessResult:
        timed_out = False
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            self.kill()
        return ProcessResult(self.popen.returncode, timed_out, self.log.content())

    def kill(self) -> None:
        _kill_group(self.popen)
        self.popen.wait()
        _kill_orphans(self.earlier_children)
        self.pump.join(_GRACE_SECONDS)


@contextlib.contextmanager
def _start_child(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, stdin: int) -> Iterator[_Child]:
    with _guard_process():
        ours = _child_pids()
        try:
            popen = subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
                list(argv),
                cwd=cwd,
                env=dict(clean_environment(os.environ) if env is None else env),
                stdin=stdin,
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
        log = _Log()
        # a daemon, because where leftovers cannot be found one can hold the pipe open for ever
        pump = threading.Thread(target=_pump, args=(popen.stdout, log), daemon=True)
        pump.start()
        child = _Child(popen, log, pump, ours)
        try:
            yield child
        finally:
            if popen.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    popen.stdin.close()
            if popen.returncode is None:
                child.kill()


class _Log:
    """The first half of LOG_LIMIT bytes of a stream, and the last half."""

    def __init__(self) -> None:
        self._first, self._last, self._dropped = bytearray(), bytearray(), 0
        self._lock = threading.Lock()

    def add(self, chunk: bytes) -> None:
        half = LOG_LIMIT // 2
        with self._lock:
            room = half - len(self._first)
            self._first += chunk[:room]
            self._last += chunk[room:]
            excess = max(len(self._last) - half, 0)
            del self._last[:excess]
            self._dropped += excess

    def content(self) -> bytes:
        with self._lock:
            gap = f"\n... {self._dropped:,} bytes of output left out ...\n".encode() if self._dropped else b""
            return bytes(self._first) + gap + bytes(self._last)


def _pump(source: IO[bytes] | None, log: _Log) -> None:
    if source is None:
        return
    with source:
        while chunk := os.read(source.fileno(), _CHUNK):
            log.add(chunk)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    if not hasattr(os, "killpg"):  # Windows has no process groups to signal
        child.kill()
        return
    # the group may be empty by now, which macOS calls a lack of permission
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _kill_orphans(ours: frozenset[int]) -> None:
    """Kill the children that we did not have before: what our child left behind, which became ours when it ended.

    Each that dies hands down its own, so this goes on until there are none (a fork bomb may win against the deadline).
    """
    deadline = time.monotonic() + _GRACE_SECONDS
    while (orphans := _child_pids() - ours) and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)


def _child_pids() -> frozenset[int]:
    """Return the ids of our direct children, from Linux's /proc; none elsewhere."""
    if sys.platform != "linux":
        return frozenset()
    found, us = set(), str(os.getpid())
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            # the fields after the program's name, which may hold anything: state, parent, ...
            if path.read_bytes().rpartition(b")")[2].split()[1].decode() == us:
                found.add(int(path.parent.name))
    return frozenset(found)


@contextlib.contextmanager
def _guard_process() -> Iterator[None]:
    """On Linux: be the parent of every orphan among our descendants, and keep our memory and environment unreadable."""
    if sys.platform != "linux":
        yield
        return
    import ctypes  # queries of the registry start no guarded child, and need not wait for it

    prctl = ctypes.CDLL(None).prctl
    subreaper = ctypes.c_int()
    prctl(_GET_SUBREAPER, ctypes.byref(subreaper), 0, 0, 0)
    dumpable = prctl(_GET_DUMPABLE, 0, 0, 0, 0)
    prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_DUMPABLE, dumpable, 0, 0, 0)
        prctl(_SET_SUBREAPER, subreaper.value, 0, 0, 0)
