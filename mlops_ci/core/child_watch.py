"""Who wants to know whether a child that ran other people's code has changed something on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class ChildWatch(Protocol):
    """What is looked at before such a child starts, and again after it and all that it left behind have ended."""

    def remember(self) -> None:
        """Remember what must stay as it is."""

    def verify(self) -> None:
        """Raise an error when it has not stayed."""


_WATCHES: list[ChildWatch] = []
_RUNNING: list[None] = []


@contextlib.contextmanager
def watch_children(watch: ChildWatch) -> Iterator[None]:
    """Let a watch look before and after each child, as long as the context lasts."""
    _WATCHES.append(watch)
    try:
        yield
    finally:
        _WATCHES.remove(watch)


@contextlib.contextmanager
def observe_child() -> Iterator[None]:
    """Run a child in this context. Raises what the watches raise; of children at one time, the first counts as the start."""
    if not _RUNNING:
        for watch in _WATCHES:
            watch.remember()
    _RUNNING.append(None)
    try:
        yield
    finally:
        _RUNNING.pop()
    verify_now()


def verify_now() -> None:
    """Let each watch look again: before something is done with a secret."""
    for watch in _WATCHES:
        watch.verify()
