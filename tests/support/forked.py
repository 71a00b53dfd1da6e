"""Code that runs in a guarded process of its own, in one of two ways: started from nothing, or forked from a template."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_ci.core import process
from mlops_ci.core.fork_server import ForkServer

TOOLKIT = Path(process.__file__).resolve().parents[2]
Run = Callable[..., process.ProcessResult]

# `before` is run in the template, as its imports are; a job is code to run in a folder
_TEMPLATE_SCRIPT = """
import json, os, sys
sys.path.append(sys.argv[1])
exec(sys.argv[4])
from mlops_ci.core import fork_template
job = json.loads(fork_template.serve(int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[5])))
os.chdir(job["folder"])
exec(compile(job["code"], "<job>", "exec"), {"__name__": "__main__"})
"""


@contextmanager
def template(before: str = "", threads: tuple[str, ...] = ()) -> Iterator[ForkServer]:
    """Start a template that runs code; it is gone at the end."""

    def argv(descriptor: int) -> list[str]:
        numbers = [str(descriptor), str(os.getpid())]
        return [sys.executable, "-P", "-c", _TEMPLATE_SCRIPT, str(TOOLKIT), *numbers, before, json.dumps(threads)]

    server = ForkServer(argv, process.clean_environment(os.environ))
    try:
        yield server
    finally:
        server.stop()


def fork(server: ForkServer, folder: Path, code: str, timeout: float | None = None) -> process.ProcessResult:
    """Run code in a child of a template."""
    return server.run(json.dumps({"folder": str(folder), "code": code}).encode(), timeout)


def run_fresh(folder: Path, code: str, timeout: float | None = None) -> process.ProcessResult:
    """Run code in a process that starts from nothing."""
    return process.run_guarded([sys.executable, "-c", code], cwd=folder, timeout=timeout)


def run_forked(folder: Path, code: str, timeout: float | None = None) -> process.ProcessResult:
    """Run code in a child of a template that is made for it."""
    with template() as server:
        return fork(server, folder, code, timeout)


def is_gone(pid: int) -> bool:
    """Wait for a killed process to be gone: SIGKILL is delivered at once and carried out a little later."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def unprivileged() -> list[str]:
    """Return what a command begins with to be as any user's: root may read and trace everything."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("as root, this needs setpriv")
    return ["setpriv", "--inh-caps", "-all", "--bounding-set", "-all"]


WAYS = [run_fresh, *([run_forked] if sys.platform == "linux" else [])]
