"""Servers on 127.0.0.1 that take every connection and then say nothing, or little, or only slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

Conversation = Callable[[socket.socket], None]


def say_nothing(client: socket.socket) -> None:
    """Read what the client says for ever."""
    while client.recv(1 << 16):
        pass


def say_headers_only(client: socket.socket) -> None:
    """Begin an answer over HTTP that never comes."""
    client.recv(1 << 16)
    client.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 5000\r\n\r\n"
    )
    say_nothing(client)


def ask_for_a_password(client: socket.socket) -> None:
    """Say over HTTP that somebody has to log in."""
    while client.recv(1 << 16):
        client.sendall(b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="git"\r\nContent-Length: 0\r\n\r\n')


def pass_slowly(port: int, piece: int, pause: float) -> Conversation:
    """Return a conversation that hands down what the server at `port` says, `piece` bytes each `pause` seconds."""

    def talk(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            while content := server.recv(piece):
                client.sendall(content)
                time.sleep(pause)
            client.shutdown(socket.SHUT_RDWR)

    return talk


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(1 << 16):
            sink.sendall(content)


@contextlib.contextmanager
def listening(talk: Conversation = say_nothing) -> Iterator[int]:
    """Have this conversation with everybody who connects to the port that is given."""
    clients = []

    def converse(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            talk(client)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                clients.append(listener.accept()[0])
                threading.Thread(target=converse, args=(clients[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                client.close()
