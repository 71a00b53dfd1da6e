"""Forks worker processes from a template process that has already imported pandas, scikit-learn and skops.

This is only for jobs that run scikit-learn's own code alone; the template ends before any other job starts. The template
starts at the first job, or at `prepare`, and ends with this process. When forking is not safe, there is no template.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import site
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core import fork_server, process
from mlops_ci.core.fork_server import ForkServer, ForkServerError
from mlops_ci.training.library_imports import LIBRARIES, import_libraries

_WORKERS = tuple(f"mlops_ci.training.workers.{name}" for name in ("train", "inspect", "score", "measure"))
# threads that these imports start and a child does not need: pyarrow's allocator frees memory in one, and its own fork
# handlers let it continue without this thread. OpenBLAS ends its threads before a fork and starts new ones in the child
# when it needs them; OpenMP and pyarrow start their threads at the first use, which never happens in a template.
KNOWN_THREADS = frozenset({"jemalloc_bg_thd"})

# variables that are read at use and not when a library is loaded: a change does not need a new template
_LATE_VARIABLES = frozenset({"PATH", "USER", "LOGNAME", *(() if site.ENABLE_USER_SITE else ("HOME",))})

_TEMPLATE_SCRIPT = """
import sys
sys.path.append(sys.argv[1])
from mlops_ci.training.workers import warm
warm.serve_jobs(int(sys.argv[2]), int(sys.argv[3]))
"""


@dataclass
class State:
    """The template of this process, if any, the conditions at its start, and whether forking has failed here."""

    server: ForkServer | None = None
    started_with: object = None
    has_failed: bool = False


STATE = State()


def prepare(toolkit: str) -> None:
    """Start a template, which imports its modules in the background, unless there is one.

    Call this only when no code other than libraries' runs before the template's jobs.
    """
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
    """Run `module.main` with the last argument of `argv` in a forked child in `folder`.

    Returns None when forking is not possible; nothing has run then.
    """
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
        STATE.has_failed = True  # do not try again: each attempt would cost time
        return None


def stop() -> None:
    """End the template. Its process has ended when this returns."""
    if STATE.server is not None:
        STATE.server.stop()
    STATE.server = None
    atexit.unregister(stop)


def serve_jobs(descriptor: int, parent: int) -> None:
    """Run as the template of the process `parent`; each forked child does its job and ends."""
    from mlops_ci.core import fork_template  # imported here: it needs os.fork

    import_libraries(LIBRARIES)
    for name in (*LIBRARIES, *_WORKERS):  # raises the error of a library that is missing or broken
        importlib.import_module(name)
    _import_late_modules()
    job = json.loads(fork_template.serve(descriptor, parent, KNOWN_THREADS))
    _end_with(_run_job(job["module"], job["argv"], job["folder"], job["env"]))


def _import_late_modules() -> None:
    """Let scikit-learn import what it imports at the first data frame, which would otherwise happen in every child.

    When scikit-learn reads the first names of columns, it also searches all installed packages for plugins of narwhals.
    """
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    StandardScaler().fit(pd.DataFrame({"x": [0.0, 1.0]}))


def _startup_conditions(toolkit: str) -> object:
    """Return the conditions that a template keeps from its start and that a fresh process would read again."""
    early = {
        name: value for name, value in process.clean_environment(os.environ).items() if name not in _LATE_VARIABLES
    }
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return os.getpid(), toolkit, early, cpus


def _run_job(module: str, argv: list[str], folder: str, env: Mapping[str, str | None]) -> int:
    """Run the job and return the exit code that a fresh process would have."""
    import numpy as np

    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # a fresh process has fresh random seeds
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
    except BaseException:  # noqa: BLE001 - the interpreter handles errors of a script in the same way
        traceback.print_exc()
        return 1
    return 0


def _end_with(code: int) -> None:
    """End the process like an interpreter, but without the clean-up of modules, which takes longer than most jobs."""
    threading._shutdown()  # type: ignore[attr-defined]  # this also stops pools of processes, for which exit functions wait
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)
