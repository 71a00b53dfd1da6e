"""The template process of a fork server: it has imported what jobs need, knows no job, and forks a child for each.

A job may load a hostile file, so that nothing may lead from a child to the template or to the next child: the template
is unreadable to other processes, the child keeps no descriptor of its, and it is the child alone that reads a job.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
from collections.abc import Collection
from pathlib import Path

from mlops_ci.core import process
from mlops_ci.core.fork_server import ADOPTED, MESSAGE_BYTES, READY

_CHUNK = 1 << 16


def serve(descriptor: int, parent: int, known_threads: Collection[str]) -> bytes:
    """Fork children for `parent` until it closes the socket `descriptor`; return in each child the job that it is given.

    `known_threads` are names of threads that imports start and that survive or restart in a child by themselves. With
    any other thread the template says so and forks nothing.
    """
    process.hide_memory()
    process.die_with(parent)
    control = socket.socket(fileno=descriptor)
    gc.freeze()  # what is there now is never garbage, and pages that the collector leaves alone stay shared
    if strange := sorted(_thread_names() - set(known_threads)):
        control.send(f"threads: {', '.join(strange)}".encode()[:MESSAGE_BYTES])
        os._exit(1)
    control.send(READY)
    limits = _limits()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        # limits can be set from outside, also by a child, and the next one would inherit them
        if not message or len(descriptors) != 2 or _limits() != limits:
            os._exit(0)
        if os.fork() == 0:
            # who is forked here ends at once, so that its child is adopted by the parent, which can wait for it and kill it
            child = os.fork()
            if child != 0:
                control.send(str(child).encode())
                os._exit(0)
            control.detach()
            return _read_job(descriptors, parent)
        for each in descriptors:
            os.close(each)
        control.send(ADOPTED if os.wait()[1] == 0 else b"no child")


def _read_job(descriptors: list[int], parent: int) -> bytes:
    """Leave all that the template has, and return the job; end where there is none or nobody waits for it."""
    os.setsid()
    job_in, output = descriptors
    # through copies, since one of them may be 0, 1 or 2 itself
    spare = os.dup(output)
    os.dup2(job_in, 0)
    os.dup2(spare, 1)
    os.dup2(spare, 2)
    os.closerange(3, max(_open_descriptors(), default=3) + 1)
    job = bytearray()
    while chunk := os.read(0, _CHUNK):
        job += chunk
    if not job:
        os._exit(1)
    process.die_with(parent)  # only now is it our parent for certain
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return bytes(job)


def _open_descriptors() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def _thread_names() -> set[str]:
    """Return the names of the threads beside the main one that are left by a fork, which ends those of OpenBLAS."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    names = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            names.add("" if task.name == str(os.getpid()) else (task / "comm").read_text().strip())
    return names - {""}


def _limits() -> tuple[object, ...]:
    limits = tuple(
        resource.getrlimit(number) for name, number in sorted(vars(resource).items()) if name.startswith("RLIMIT_")
    )
    return limits, os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
