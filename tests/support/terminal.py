"""A terminal: what a command prints there, and how wide it is."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from wcwidth import wcswidth

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_on_terminal(
    argv: Sequence[str], folder: Path, *, columns: int = 80, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command on a terminal of so many columns, and return its exit code and everything that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    variables = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    }
    child = subprocess.Popen(
        argv, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env={**variables, "TERM": "xterm", **(env or {})}
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # on Linux, the last writer has gone
            chunk = b""
        if not chunk:
            break
        written += chunk
    os.close(ours)
    return child.wait(), written.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    """Return a terminal's text without colours and movements of the cursor."""
    return _CONTROLS.sub("", text)


def wide_lines(text: str, columns: int = 80) -> list[str]:
    """Return the lines that are wider than the terminal; what a line writes over itself counts by itself."""
    parts = [part for line in plain(text).split("\n") for part in line.split("\r")]
    return [part for part in parts if wcswidth(part) > columns]
