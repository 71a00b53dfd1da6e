"""The types in a model file, stated by the inspecting worker before it imports code of the repository.

The worker sends one message through a socket, and then closes the socket. Code that runs later in the worker cannot change
this message or send another one, because it cannot reach the socket; only root can. It is a socket because later code could
open a pipe or a file again through /proc.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError, decode_json, encode
from mlops_ci.core.errors import Findings

_BUFFER_BYTES = 200_000  # of both ends: a message must fit into them
_LARGEST_MESSAGE = 1 << 20  # bytes, more than any buffer of this size takes


@dataclass(frozen=True)
class TypeStatement:
    """The message: the types that need trust."""

    types: tuple[str, ...]


@contextmanager
def open_channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the end for `read_statement` and the end whose descriptor the worker inherits."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        yield ours, theirs


def state_types(channel: int, types: Sequence[str]) -> None:
    """Send the types that need trust, and close the descriptor; raises Findings when there are too many."""
    message = json.dumps(encode(TypeStatement(tuple(types))), ensure_ascii=False).encode()
    with socket.socket(fileno=channel) as sender:
        try:
            sender.send(message)
        except OSError as error:
            raise Findings.of(
                "model-not-packable",
                f"the model file contains {len(types):,} types that the spec must trust, which is too many to list",
                help="Train a model that contains fewer types. One class of your own can keep many parts as plain data in "
                "its attributes.",
            ) from error


def read_statement(channel: socket.socket) -> tuple[str, ...] | None:
    """Return the types that the worker stated, or None. Call it after the worker has ended."""
    try:
        return decode_json(TypeStatement, channel.recv(_LARGEST_MESSAGE, socket.MSG_DONTWAIT)).types
    except (BlockingIOError, DecodeError):
        return None
