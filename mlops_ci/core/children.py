"""The processes that this one has started: a mark by which all of them are known, and which of them are still awaited."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# in the environment of each program that we start, so that what it starts has it too, wherever that hangs in the tree
MARK_VARIABLE = "MLOPS_CI_STARTED_BY"
MARK = f"{os.getpid()}-{os.urandom(8).hex()}"

# who starts a child has this until the child is in `_awaited`, and who looks for orphans has it meanwhile
_starting = threading.RLock()
_awaited: set[int] = set()


def mark_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with our mark."""
    return {**env, MARK_VARIABLE: MARK}


@contextmanager
def starting() -> Iterator[set[int]]:
    """Give the set of awaited children, to which the child that the block starts is to be added: no thread takes it for an orphan."""
    with _starting:
        yield _awaited


def forget(pid: int) -> None:
    """Take a child that has ended out of the awaited ones."""
    with _starting:
        _awaited.discard(pid)
