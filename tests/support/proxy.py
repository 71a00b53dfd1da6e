"""A wire between a client and a server on 127.0.0.1 that counts bytes and can be cut after so many."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Wire:
    """Bytes that went up to the server and came down so far; `up_limit` and `down_limit` are where it is cut."""

    server: tuple[str, int]
    listener: socket.socket
    up: int = 0
    down: int = 0
    up_limit: float = float("inf")
    down_limit: float = float("inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}"

    def mend(self) -> None:
        """Let everything through from now on, and count anew."""
        self.up = self.down = 0
        self.up_limit = self.down_limit = float("inf")

    def _allow(self, size: int, *, up: bool) -> int:
        with self.lock:
            used, limit = (self.up, self.up_limit) if up else (self.down, self.down_limit)
            allowed = int(min(size, max(limit - used, 0)))
            if up:
                self.up += allowed
            else:
                self.down += allowed
            return allowed

    def _copy(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(16384):
                allowed = self._allow(len(block), up=up)
                sink.sendall(block[:allowed])
                if allowed < len(block):
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            for source, sink, up in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=(source, sink), kwargs={"up": up}, daemon=True).start()


@contextlib.contextmanager
def wire(to: str) -> Iterator[Wire]:
    """Give a wire to the server at a URL; it is gone afterwards."""
    parts = urlsplit(to)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Wire((str(parts.hostname), int(parts.port or 80)), listener)
        threading.Thread(target=made.serve, daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
