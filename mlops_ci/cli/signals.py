"""The signals that end a command: SIGTERM, Ctrl-C (SIGINT) and a closed terminal (SIGHUP).

The first one raises an exception in the main thread, so that scratch folders are removed on the way out. A library may hear of
it late (one long step of a DuckDB query) or replace what the handler raises (DuckDB raises RuntimeError, without a cause).
Therefore the signal is remembered, and a thread ends the process if it is still there after a few seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

GRACE_SECONDS = 3.0  # that a command has to end by itself
_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_received: list[int] = []


def handle_signals() -> None:
    """End the process by an exception at each of these signals that is not ignored, as SIGHUP is under nohup.

    The exit code is the one that a shell reports for the signal: 128 and its number.
    """
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def watch_signals() -> None:
    """Start the thread that ends this process a few seconds after a signal, with all that it would leave behind."""
    # queries of the registry end sooner than any grace. The thread imports nothing: the command does so at the same time
    import threading

    from mlops_ci.core.leftovers import remove_leftovers

    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)  # written to at once, also while the main thread runs a query
    os.register_at_fork(after_in_child=_forget)
    ends = (heard, remove_leftovers)
    threading.Thread(target=_wait_for_signal, args=ends, daemon=True, name="mlops-ci signals").start()


def received_signal() -> int | None:
    """Return the signal that this process was told to end by; None where there was none."""
    return _received[0] if _received else None


def _end(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if len(_received) > 1:  # it is on its way out, and must not be disturbed while it removes folders
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _wait_for_signal(heard: int, remove_leftovers: Callable[[], None]) -> None:
    while (number := os.read(heard, 1)[0]) not in _NUMBERS or signal.getsignal(number) is not _end:
        pass
    time.sleep(GRACE_SECONDS)
    remove_leftovers()
    os._exit(128 + number)


def _forget() -> None:
    """Let a forked child of ours end as other programs do: its signals are not ours."""
    signal.set_wakeup_fd(-1)
    for number in _NUMBERS:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
