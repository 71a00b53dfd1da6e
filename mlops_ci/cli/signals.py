"""The signals that end a command, remembered: a library that runs a signal handler may replace what the handler raises.

DuckDB does so: a query that is interrupted raises RuntimeError, without a cause.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

_received: list[int] = []


def handle_signals() -> None:
    """End the process by an exception at SIGTERM and at Ctrl-C, so that scratch folders are removed.

    The exit code of SIGTERM is the one that a shell reports for it. An ignored Ctrl-C stays ignored.
    """
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def received_signal() -> int | None:
    """Return the last signal that this process was told to end by; None where there was none."""
    return _received[-1] if _received else None


def _end(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
