"""A signal ends a command, whatever a library makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

A_LIBRARY_THAT_REPLACES_EXCEPTIONS = """
import os, signal, sys
from mlops_ci.cli import main, signals

def query(step):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        signal.pause()
    except BaseException:
        pass
    raise RuntimeError("Query interrupted")  # as DuckDB does, without a cause

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
signals.handle_signals()
main.build_command_group = query
sys.exit(main.run_command_line(["check"]))
"""


@pytest.mark.parametrize(
    ("number", "code", "printed"),
    [(signal.SIGTERM, 143, ""), (signal.SIGINT, 130, "interrupted: nothing more was written\n")],
)
def test_a_query_that_a_signal_interrupts_is_no_bug(number: signal.Signals, code: int, printed: str) -> None:
    argv = [sys.executable, "-c", A_LIBRARY_THAT_REPLACES_EXCEPTIONS, str(int(number))]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, printed)
