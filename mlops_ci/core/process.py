"""Children that run other people's code: limits on time and output, none of our secrets, and no way to outlive us."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from mlops_ci.core import children, guardian
from mlops_ci.core.child_watch import observe_child
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.process_activity import parent_pids

TOOLKIT = str(Path(__file__).resolve().parents[2])  # the folder that this package is imported from
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

# -P keeps the current folder off sys.path; our package's folder goes last, so that it shadows no module
_LAUNCH_SCRIPT = """
import importlib, sys
sys.path.append(sys.argv[1])
from mlops_ci.core import process
process.die_with(int(sys.argv.pop()))
importlib.import_module(sys.argv[2]).main(sys.argv[3])
"""

# the guards of this process hold until the last thread that wants them needs them no longer
_GUARD_LOCK = threading.Lock()
_guards: list[int] = []
_flags_before: list[int] = []

# what prctl(2) can do, by number
_SET_DEATH_SIGNAL, _GET_DUMPABLE, _SET_DUMPABLE, _SET_SUBREAPER, _GET_SUBREAPER = 1, 3, 4, 36, 37


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


def module_command(module: str, argument: str, *, python: str = sys.executable, toolkit: str = TOOLKIT) -> list[str]:
    """Return the command line that runs `main(argument)` of a module of ours in a process that ends when we end.

    `toolkit` is the folder from which the interpreter `python` imports this package.
    """
    return [python, "-P", "-c", _LAUNCH_SCRIPT, toolkit, module, argument, str(os.getpid())]


def run_guarded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    descriptor: int | None = None,
) -> ProcessResult:
    """Run a program to its end in a session of its own, and kill whatever it started and left behind.

    `env` is the whole environment (default: ours, cleaned); `timeout` is in seconds; the program inherits `descriptor`
    beside its standard streams. Output comes through a pipe and is
    kept in memory: a file could be replaced by the child with a link to one of ours. On Linux the child cannot read our
    environment from /proc either, unless it is root, and processes that left its session die too; elsewhere those of
    its process group do. Raises EnvironmentProblem when the program cannot be started.
    """

    def start() -> tuple[_Handle, IO[bytes]]:
        try:
            with children.starting() as awaited:
                popen = subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
                    list(argv),
                    cwd=cwd,
                    env=children.mark_environment(clean_environment(os.environ) if env is None else env),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=() if descriptor is None else (descriptor,),
                    start_new_session=True,
                )
                awaited.add(popen.pid)
        except OSError as error:
            raise EnvironmentProblem.of(
                "process-not-started",
                f"cannot start {argv[0]}: {error.strerror or error}",
                help="Check that the program is installed and that its file may be executed.",
            ) from error
        if popen.stdout is None:  # not with a pipe; for the type checker
            raise RuntimeError
        return popen, popen.stdout

    return _run_to_end(start, timeout)


def run_adopted(fork: Callable[[int, int], int], request: bytes, timeout: float | None) -> ProcessResult:
    """Run a child that another process forks for us, under the same guards as `run_guarded`. Linux only.

    `fork` is given the descriptors of the child's input and of its output, and returns its id once it is our child, which
    we are while it is called, by adoption. The child does nothing before it has read `request` to its end. Whatever `fork`
    raises is raised, and then nothing was done.
    """

    def start() -> tuple[_Handle, IO[bytes]]:
        child_in, request_out = os.pipe()
        log_in, child_out = os.pipe()
        output = os.fdopen(log_in, "rb", buffering=0)
        with os.fdopen(request_out, "wb", buffering=0) as sink:
            try:
                with children.starting() as awaited:
                    handle = _AdoptedChild(fork(child_in, child_out))
                    awaited.add(handle.pid)
            except BaseException:
                output.close()
                raise
            finally:
                os.close(child_in)
                os.close(child_out)
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and how is what is returned
                sink.write(request)
        return handle, output

    return _run_to_end(start, timeout)


def start_server(argv: Sequence[str], *, env: Mapping[str, str], descriptor: int) -> subprocess.Popen[bytes]:
    """Start a program of ours that runs beside us and speaks through one inherited descriptor; no other child may see it.

    It has no input, and its output is thrown away. Raises OSError when it cannot be started.
    """
    guardian.watch()
    with children.starting() as awaited:
        popen = subprocess.Popen(  # noqa: S603 no shell, and the caller chooses the program
            list(argv),
            cwd="/",
            env=children.mark_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,
        )
        awaited.add(popen.pid)
    return popen


def hide_memory() -> None:
    """Let no other process, unless it is root's, read or trace this one or open its descriptors. Linux only."""
    _prctl(_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """End this process when its parent ends, and now if that is not the process with the id `parent`; only on Linux."""
    if sys.platform != "linux":
        return
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class _Handle(Protocol):
    """A child, as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | Any: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


class _AdoptedChild:
    """A child that we did not start, waited for as one that we did."""

    def __init__(self, pid: int) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises when it is none of ours
        self.pid, self._descriptor = pid, os.pidfd_open(pid)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._descriptor, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._descriptor)
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def _run_to_end(start: Callable[[], tuple[_Handle, IO[bytes]]], timeout: float | None) -> ProcessResult:
    guardian.watch()
    with observe_child(), _guard_process():
        ours = _child_pids()
        try:
            child, output = start()
            log, timed_out = _Log(), False
            # a daemon, because where leftovers cannot be found one can hold the pipe open for ever
            pump = threading.Thread(target=_pump, args=(output, log), daemon=True)
            pump.start()
            try:
                child.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                _kill_group(child)
                child.wait()
                children.forget(child.pid)
        finally:
            _kill_orphans(ours)
        pump.join(_GRACE_SECONDS)
        return ProcessResult(child.returncode, timed_out, log.content())


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


def _pump(source: IO[bytes], log: _Log) -> None:
    with source:
        while chunk := os.read(source.fileno(), _CHUNK):
            log.add(chunk)


def _kill_group(child: _Handle) -> None:
    child.kill()  # by itself too: one that was adopted may have no group of its own yet
    # the group may be empty by now, which macOS calls a lack of permission
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _kill_orphans(ours: frozenset[int]) -> None:
    """Kill the children that we neither had before nor started: what our child left behind, which became ours when it ended.

    Each that dies hands down its own, so this goes on until there are none (a fork bomb may win against the deadline).
    """
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline:
        with children.starting() as awaited:  # another thread may be starting a child
            orphans = _child_pids() - ours - awaited
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
        if not orphans:
            return
        time.sleep(0.001)


def _child_pids() -> frozenset[int]:
    us = os.getpid()
    return frozenset(pid for pid, parent in parent_pids().items() if parent == us)


@contextlib.contextmanager
def _guard_process() -> Iterator[None]:
    """On Linux: be the parent of every orphan among our descendants, and keep our memory and environment unreadable."""
    if sys.platform != "linux":
        yield
        return
    with _GUARD_LOCK:
        if not _guards:
            _flags_before[:] = _subreaper_flag(), _prctl(_GET_DUMPABLE, 0)
            _prctl(_SET_SUBREAPER, 1)
            _prctl(_SET_DUMPABLE, 0)
        _guards.append(1)
    try:
        yield
    finally:
        with _GUARD_LOCK:
            _guards.pop()
            if not _guards:
                _prctl(_SET_DUMPABLE, _flags_before[1])
                _prctl(_SET_SUBREAPER, _flags_before[0])


def _subreaper_flag() -> int:
    import ctypes  # queries of the registry start no guarded child, and need not wait for it

    flag = ctypes.c_int()
    ctypes.CDLL(None).prctl(_GET_SUBREAPER, ctypes.byref(flag), 0, 0, 0)
    return flag.value


def _prctl(option: int, value: int) -> int:
    import ctypes  # as above

    answer: int = ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    return answer
