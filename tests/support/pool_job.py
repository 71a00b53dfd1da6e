"""A worker that leaves a pool of processes open."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

_OPEN: list[ProcessPoolExecutor] = []


def main(_: str) -> None:
    """Print what two processes compute."""
    _OPEN.append(ProcessPoolExecutor(2))
    sys.stdout.write(str(list(_OPEN[0].map(abs, [-1, -2]))))
