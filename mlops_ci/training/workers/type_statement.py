"""The types in a model file, stated by the inspecting worker before it imports code of the repository.

The worker sends one message through a socket and closes it. Code that runs later in the worker cannot change this message
or send another: it has no way to the socket. A pipe or a file could be opened again through /proc.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlops_ci.core.errors import Findings

_MESSAGE_BYTES = 200_000  # systems limit messages, Linux to 212,992 bytes


@contextmanager
def open_channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the end for `read_statement` and the end whose descriptor the worker inherits."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MESSAGE_BYTES)
        yield ours, theirs


def state_types(channel: int, types: Sequence[str]) -> None:
    """Send the types that need trust, and close the descriptor; raises Findings when there are too many."""
    message = json.dumps(list(types)).encode()
    with socket.socket(fileno=channel) as sender:
        if len(message) > _MESSAGE_BYTES:
            raise Findings.of(
                "model-not-packable",
                f"the model file contains {len(types):,} types that need trust, too many to list",
                help="Train a model of fewer types: one class of your own can hold many parts as data.",
            )
        sender.send(message)


def read_statement(channel: socket.socket) -> tuple[str, ...] | None:
    """Return the types that the worker stated, or None. Call it after the worker has ended."""
    try:
        return tuple(json.loads(channel.recv(_MESSAGE_BYTES, socket.MSG_DONTWAIT)))
    except BlockingIOError:
        return None
