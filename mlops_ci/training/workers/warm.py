"""Worker processes that are forked from a template, which has imported pandas, scikit-learn and skops once for all of them.

Only for jobs in which nothing but scikit-learn's own code runs; the template is gone before any other job starts. It
starts at the first job, or at `prepare`, and ends with this process. Where forking is unsafe, there is none.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import site
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core import fork_server, process
from mlops_ci.core.fork_server import ForkServer, ForkServerError

# what a template imports; the workers import their own libraries late
PRELOADED_MODULES = (
    *("pandas", "pyarrow.parquet", "skops.io", "threadpoolctl"),
    *(f"mlops_ci.training.workers.{name}" for name in ("train", "inspect", "score", "measure")),
)
# threads that importing these starts, and that a child does without: pyarrow's allocator gives memory back in one, and by
# its own handlers goes on without it after a fork. OpenBLAS ends its threads before a fork, and starts them anew in the
# child when it needs them; OpenMP and pyarrow start theirs at the first use, which is never in a template.
KNOWN_THREADS = frozenset({"jemalloc_bg_thd"})

# read when they are used and not when a library is loaded, so that a template need not be started anew for them
_LATE_VARIABLES = frozenset({"PATH", "USER", "LOGNAME", *(() if site.ENABLE_USER_SITE else ("HOME",))})

_TEMPLATE_SCRIPT = """
import sys
sys.path.append(sys.argv[1])
from mlops_ci.training.workers import warm
warm.serve_jobs(int(sys.argv[2]), int(sys.argv[3]))
"""


@dataclass
class State:
    """The template of this process, if there is one, what it was started with, and whether forking has failed here."""

    server: ForkServer | None = None
    started_with: object = None
    has_failed: bool = False


STATE = State()


def prepare(toolkit: str) -> None:
    """Start a template that imports meanwhile, if there is none. Only where no code but libraries' runs before its jobs."""
    wanted = _startup_conditions(toolkit)
    if STATE.server is not None and STATE.started_with == wanted:
        return
    stop()
    if STATE.has_failed or not fork_server.is_supported():
        return
    try:
        STATE.server = ForkServer(
            lambda descriptor: [
                *(sys.executable, "-P", "-c", _TEMPLATE_SCRIPT, toolkit),
                *(str(descriptor), str(os.getpid())),
            ],
            process.clean_environment(os.environ),
        )
    except ForkServerError:
        STATE.has_failed = True
        return
    STATE.started_with = wanted
    atexit.register(stop)


def run_forked(
    module: str, argv: list[str], folder: Path, *, toolkit: str, timeout: float | None
) -> process.ProcessResult | None:
    """Run `module.main` of the last of `argv` in a forked child in `folder`; None where that is not possible, and nothing was run."""
    prepare(toolkit)
    if STATE.server is None:
        return None
    env = process.clean_environment(os.environ)
    late = {name: env.get(name) for name in sorted(_LATE_VARIABLES)}
    job = {"module": module, "argv": argv, "folder": str(folder), "env": late}
    try:
        return STATE.server.run(json.dumps(job).encode(), timeout)
    except ForkServerError:
        stop()
        STATE.has_failed = True  # whatever the cause, it would cost each job its time
        return None


def stop() -> None:
    """End the template; it is gone when this returns."""
    if STATE.server is not None:
        STATE.server.stop()
    STATE.server = None
    atexit.unregister(stop)


def serve_jobs(descriptor: int, parent: int) -> None:
    """Be the template of the process `parent`; in each child, do its job and end."""
    from mlops_ci.core import fork_template  # only where there is a fork

    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    job = json.loads(fork_template.serve(descriptor, parent, KNOWN_THREADS))
    _end_with(_run_job(job["module"], job["argv"], job["folder"], job["env"]))


def _startup_conditions(toolkit: str) -> object:
    """Return what a template has from its start on, and a process that is started later would have anew."""
    early = {
        name: value for name, value in process.clean_environment(os.environ).items() if name not in _LATE_VARIABLES
    }
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return os.getpid(), toolkit, early, cpus


def _run_job(module: str, argv: list[str], folder: str, env: Mapping[str, str | None]) -> int:
    """Return the exit code that a process of its own would have."""
    import numpy as np

    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # what a fresh process draws anew
    random.seed()
    np.random.seed()
    os.chdir(folder)
    sys.argv[:] = argv
    try:
        importlib.import_module(module).main(argv[-1])
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a script
        traceback.print_exc()
        return 1
    return 0


def _end_with(code: int) -> None:
    """End as an interpreter does, without taking every module apart, which takes longer than many a job."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)
