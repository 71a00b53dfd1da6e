"""A process beside this one that ends what this one has started, should it be killed in a way of which it hears nothing (SIGKILL).

The guardian knows our children, and theirs, by a mark in their environment, since a process whose parent has died hangs
below another one. It begins with SIGTERM, at which git removes its lock files. Linux only: elsewhere nothing tells what a
process was started with, so that a child which waits for something goes on until its own limit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading

from mlops_ci.core import children

# until we end it reads what we tell: `+` and a process without the mark, `-` and one that is gone, `.` when all is well.
# What ends by itself within half a second may do so
_SCRIPT = r"""
import os, signal, sys, time
mark, told = ("\0" + sys.argv[1]).encode(), os.fdopen(int(sys.argv[2]), "rb", buffering=0)
outsiders, said = set(), b""
while piece := told.read(4096):
    said += piece
    *lines, said = said.split(b"\n")
    for line in lines:
        if line == b".":
            sys.exit()
        (outsiders.add if line[:1] == b"+" else outsiders.discard)(line[1:].decode())
def living():
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                state, *fields = file.read().rpartition(b")")[2].split()
            if state == b"Z":
                continue
            if "%s %s" % (name, fields[18].decode()) in outsiders:
                yield int(name)
                continue
            with open("/proc/%s/environ" % name, "rb") as file:
                if mark in b"\0" + file.read():
                    yield int(name)
        except OSError:
            pass
def end(number):
    for pid in living():
        try:
            os.kill(pid, number)
        except OSError:
            pass
time.sleep(0.5)
end(signal.SIGTERM)
for _ in range(20):
    if not any(True for _ in living()):
        sys.exit()
    time.sleep(0.1)
for _ in range(100):
    end(signal.SIGKILL)
    time.sleep(0.02)
    if not any(True for _ in living()):
        break
"""
_lock = threading.Lock()


class _State:
    """The guardian of this process, and the pipe through which it is told."""

    owner = 0
    process: subprocess.Popen[bytes] | None = None
    pipe = -1


def watch() -> None:
    """Start the guardian of this process, unless there is one. What cannot be started is no error: it is needed only if we are killed."""
    if sys.platform != "linux":
        return
    with _lock:
        if _State.process is not None and _State.owner == os.getpid() and _State.process.poll() is None:
            return
        _forget()
        end, pipe = os.pipe()
        argv = [sys.executable, "-I", "-S", "-c", _SCRIPT, f"{children.MARK_VARIABLE}={children.MARK}", str(end)]
        with contextlib.suppress(OSError), children.starting() as awaited:
            _State.process = subprocess.Popen(  # noqa: S603 no shell, and our own interpreter
                argv,
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(end,),
                start_new_session=True,
            )
            awaited.add(_State.process.pid)
            _State.owner, _State.pipe = os.getpid(), pipe
        os.close(end)
        if _State.process is None:
            os.close(pipe)


def watch_outsider(pid: int) -> None:
    """Let the guardian end a process that has no mark which it could read."""
    from mlops_ci.core.process_activity import start_time  # few commands have such a process

    watch()
    _tell(f"+{pid} {start_time(pid)}\n")


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):
        if _State.owner == os.getpid() and _State.process is not None:
            os.write(_State.pipe, line.encode())


def _forget() -> None:
    if _State.process is None:
        return
    os.close(_State.pipe)
    children.forget(_State.process.pid)
    if _State.process.returncode is None:
        _State.process.returncode = 0  # it ends by itself, and is not waited for
    _State.process = None


@atexit.register
def _dismiss() -> None:
    if _State.owner == os.getpid():
        _tell(".\n")
        _forget()
