"""What each verb is to do, in a project of its own; a kill of it at some moment; and what must hold afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.leftovers import scratch_prefix
from mlops_ci.repository import git
from mlops_ci.repository.git_values import Person
from tests.support.consumer import Consumer, copy_of, edit
from tests.support.git_calls import git_in
from tests.support.places import ROOT

MODEL, DATA = "models/diagnosis.yaml", "data/patients.yaml"
TO_STAGING = ("--env", "staging")
COMMANDS: dict[str, tuple[str, ...]] = {
    "gate": ("gate",),
    "release": ("release",),
    "deploy": ("deploy", "diagnosis", *TO_STAGING),
    "rollback": ("rollback", "diagnosis", *TO_STAGING, "--version", "1.0.0", "--reason", "chaos"),
    "gc": ("gc",),
}
OLD_RUNS = 6
_ATTEMPTS = 20
_END_SECONDS = 15.0  # in which everything that a killed command had started must have ended


@dataclass(frozen=True, order=True)
class Duration:
    """How long an undisturbed command takes, in seconds: to its end, and to its first write."""

    whole: float
    first_write: float


@dataclass(frozen=True)
class Kill:
    """What a kill met: whether the command had begun to write, and whether its work is at the origin."""

    moment: str
    arrived: bool


def count_questions(consumer: Consumer) -> None:
    """Let each evaluation be counted at the origin, so that a gate writes there too."""
    edit(consumer, MODEL, "min: 0.93", "min: 0.6")
    edit(consumer, MODEL, "min: 0.87", "min: 0.6")
    edit(consumer, DATA, "spec:\n", "spec:\n  split: {holdoutBudget: 1000}\n")
    consumer.commit("Count questions")
    consumer.git("push", "--quiet")
    consumer.ok("gate")


def _another_candidate(consumer: Consumer) -> None:
    path = consumer.root / MODEL
    lines = path.read_text().splitlines()
    path.write_text("\n".join("    params: {C: 0.5, max_iter: 5000}" if "params:" in line else line for line in lines))


def _released(consumer: Consumer) -> None:
    consumer.ok(*COMMANDS["release"])


def _two_releases(consumer: Consumer) -> None:
    _released(consumer)
    consumer.ok(*COMMANDS["deploy"])
    consumer.git("pull", "--quiet", "--rebase")
    _another_candidate(consumer)
    consumer.commit("Another candidate")
    consumer.git("push", "--quiet")
    consumer.ok("gate")
    consumer.ok(*COMMANDS["release"])
    consumer.ok(*COMMANDS["deploy"])


def _old_runs(consumer: Consumer) -> None:
    _released(consumer)
    repo = git.find_repository(consumer.root)
    assert repo is not None
    like = consumer.git("for-each-ref", "--count=1", "--format=%(refname)", "refs/mlops/runs")
    tree = consumer.git("rev-parse", f"{like}^{{tree}}")
    for number in range(OLD_RUNS):
        old = int(time.time()) - 100 * 86_400
        oid = repo.write_commit(tree, (), f"old {number}", Person("Ada", "ada@example.org"), old)
        ref = f"refs/mlops/runs/diagnosis/{number:032x}"
        consumer.git("push", "--quiet", "origin", f"{oid}:{ref}")
        consumer.git("update-ref", ref, oid)


PREPARATIONS: dict[str, Callable[[Consumer], None]] = {
    "gate": _another_candidate,
    "release": lambda _: None,
    "deploy": _released,
    "rollback": _two_releases,
    "gc": _old_runs,
}


class Verb:
    """A verb with the project that it is tried in, and what it does there when nobody disturbs it."""

    def __init__(self, name: str, base: Consumer, folder: Path) -> None:
        self.name, self.argv, self._folder = name, COMMANDS[name], folder
        self._ready = copy_of(base, folder / f"{name}-ready")
        PREPARATIONS[name](self._ready)
        self._before = self._ready.published()
        undisturbed = self._copy("undisturbed")
        # the shorter of two, since the first may have waited for other programs: who waits longer meets only ends
        self._duration = min(self._measure(self._copy("first")), self._measure(undisturbed))
        self._changed = self._changes(undisturbed)
        assert self._changed, f"{name} does nothing"

    def kill(self, number: int, dice: random.Random, *, while_it_writes: bool) -> Kill:
        """Kill a new run at a random moment, and check everything; an AssertionError says what did not hold."""
        for attempt in range(_ATTEMPTS):
            consumer = self._copy(f"{number}-{attempt}")
            scratch = consumer.root.parent / "scratch"
            scratch.mkdir()
            first, whole = self._duration.first_write, self._duration.whole
            wait = dice.uniform(0, whole - first if while_it_writes else whole)
            moment = self._run_and_kill(consumer, scratch, wait, after_first_write=while_it_writes)
            if moment is not None:
                break
            shutil.rmtree(consumer.root.parent.parent)  # it was faster than the kill
        else:
            raise AssertionError(f"{self.name} ended before each of {_ATTEMPTS} kills")
        _require_no_process(scratch)
        changed = self._changes(consumer)
        assert changed in (frozenset(), self._changed), f"half-done at the origin: {sorted(changed)}"
        git_in(consumer.origin)("fsck", "--connectivity-only", "--no-dangling")
        before = tempfile.tempdir
        tempfile.tempdir = str(scratch)
        try:
            consumer.ok(*self.argv)
            consumer.ok(
                "doctor"
            )  # which asks the remote for its default branch: a copy has another URL, and audit asks nothing
            consumer.ok("audit")
        finally:
            tempfile.tempdir = before
        assert self._changes(consumer) == self._changed, "the repetition did not complete it"
        places = (scratch, consumer.root / ".git/mlops-ci", consumer.root)
        left = [path.name for place in places for path in place.rglob("mlops-ci-*")]
        assert [name for name in left if not name.startswith(scratch_prefix().removesuffix("-"))] == [], left
        shutil.rmtree(consumer.root.parent.parent)
        return Kill(moment, bool(changed))

    def _copy(self, name: str) -> Consumer:
        folder = self._folder / f"{self.name}-{name}"
        folder.mkdir()
        return copy_of(self._ready, folder)

    def _changes(self, consumer: Consumer) -> frozenset[str]:
        """Return the refs of the origin that are new, gone or elsewhere."""
        after = consumer.published()
        return frozenset(name for name in {*after, *self._before} if after.get(name) != self._before.get(name))

    def _start(self, consumer: Consumer, scratch: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.victim", *self.argv],
            cwd=consumer.root,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _measure(self, consumer: Consumer) -> Duration:
        began = time.monotonic()
        with self._start(consumer, consumer.root.parent) as child:
            assert child.stdout is not None
            assert child.stdout.readline().startswith(b"write:"), f"{self.name} writes nothing"
            first = time.monotonic() - began
            child.stdout.read()
        assert child.returncode == 0, f"{self.name} failed undisturbed"
        return Duration(time.monotonic() - began, first)

    def _run_and_kill(self, consumer: Consumer, scratch: Path, wait: float, *, after_first_write: bool) -> str | None:
        """Return when it was killed; None if it had ended, and then its duration is that of the command from now on."""
        writes, began, first = threading.Event(), time.monotonic(), 0.0

        def read() -> None:
            nonlocal first
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith(b"write:") and not writes.is_set():
                    first = time.monotonic() - began
                    writes.set()

        with self._start(consumer, scratch) as child:
            reader = threading.Thread(target=read)
            reader.start()
            while after_first_write and not writes.wait(0.01) and child.poll() is None:
                pass
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(wait)
            had_written, seconds = writes.is_set(), time.monotonic() - began
            child.kill()
            child.wait()
            reader.join(_END_SECONDS)
        if child.returncode == 0:
            self._duration = min(self._duration, Duration(seconds, first))
            return None
        assert child.returncode == -9, f"{self.name} ended by itself with {child.returncode}"
        return "while it wrote" if had_written else "before its first write"


def _require_no_process(scratch: Path) -> None:
    """Insist that nothing is left soon of what was started with this folder for its temporary files."""
    deadline = time.monotonic() + _END_SECONDS
    while left := _processes_of(scratch):
        assert time.monotonic() < deadline, f"still at work: {left}"
        time.sleep(0.05)


def _processes_of(scratch: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"TMPDIR={scratch}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return found
