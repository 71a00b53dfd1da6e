"""A template process of ours that forks a child for each job, seen from the process that wants the children."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from mlops_ci.core import children, process
from mlops_ci.core.process import ProcessResult

READY, ADOPTED = b"ready", b"adopted"
MESSAGE_BYTES = 4096  # of the template's messages, at most
PATIENCE = 120.0  # seconds that the template may take to import, or to fork


class ForkServerError(Exception):
    """The template gave no child; the job has not been begun and may be run in another way."""


def is_supported() -> bool:
    """Tell whether a process can be forked and adopted here: on Linux. On macOS a fork without exec breaks system libraries."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class ForkServer:
    """A template process that runs until `stop`; its children see nothing of it, nor of us.

    `make_argv` returns the command line that ends in `fork_template.serve`, by the descriptor that this is to serve.
    Raises ForkServerError when it cannot be started. What it reads and imports must be trusted.
    """

    def __init__(self, make_argv: Callable[[int], Sequence[str]], env: Mapping[str, str]) -> None:
        self._owner, self._ready = os.getpid(), False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(PATIENCE)
        with theirs:
            try:
                self._template = process.start_server(make_argv(theirs.fileno()), env=env, descriptor=theirs.fileno())
            except OSError as error:
                self._control.close()
                raise ForkServerError(error) from error

    @property
    def pid(self) -> int:
        """The template's process id."""
        return self._template.pid

    def run(self, job: bytes, timeout: float | None) -> ProcessResult:
        """Run a child that is given `job` to its end, under the guards of `process.run_guarded`; `timeout` is in seconds.

        Raises ForkServerError when there is no child.
        """
        if self._owner != os.getpid():
            raise ForkServerError(
                "this process is a fork of the process that started the template, and only that process can use it"
            )
        return process.run_adopted(self._fork, job, timeout)

    def stop(self) -> None:
        """End the template; it is gone when this returns."""
        self._control.close()
        if self._owner == os.getpid():
            self._template.kill()
            self._template.wait()
            children.forget(self._template.pid)

    def _fork(self, job_in: int, output: int) -> int:
        try:
            if not self._ready:
                self._expect(READY)
                self._ready = True
            socket.send_fds(self._control, [b"f"], [job_in, output])
            child = int(self._receive())
            self._expect(ADOPTED)
        except BaseException as error:  # also an interrupt: what is still to be said must not answer the next question
            self._control.close()
            if isinstance(error, OSError | ValueError):
                raise ForkServerError(error) from error
            raise
        return child

    def _receive(self) -> bytes:
        return self._control.recv(MESSAGE_BYTES)

    def _expect(self, message: bytes) -> None:
        if (said := self._receive()) != message:
            raise ForkServerError(said.decode("utf-8", "replace"))
