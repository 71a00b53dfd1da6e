"""A real `git daemon` on 127.0.0.1 that takes pushes, and ends with the block it serves."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """The daemon and everything it started, in a process group of their own."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The URL of the folder that is served."""
        return f"git://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Kill it with all its children, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, *, port: int | None = None, push: bool = True) -> Iterator[Server]:
    """Serve every repository below a folder; without `push`, they can be read only."""
    port = port or _free_port()
    daemon = Path(subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip())
    command = [str(daemon / "git-daemon"), f"--base-path={folder}", "--export-all", "--reuseaddr"]
    command += ["--listen=127.0.0.1", f"--port={port}", *(["--enable=receive-pack"] if push else [])]
    server = Server(
        port,
        subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
    )
    try:
        _wait_for(port, server.process)
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "git daemon ended before it answered"
        time.sleep(0.02)
    raise AssertionError("git daemon does not answer")
