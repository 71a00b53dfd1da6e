"""A signal ends every verb within five seconds, with nothing left running and no scratch folder left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.consumer import Consumer, copy_of, edit, home_of_ada

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SLOW = "import time\nfrom sklearn.linear_model import LogisticRegression\n\n\ndef build():\n    time.sleep(300)\n    return LogisticRegression()\n"
MANY_STEPS = (
    "    estimator: sklearn.linear_model.SGDClassifier\n    params: {max_iter: 1000000000, tol: null, loss: log_loss}\n"
)
GIT = """#!/bin/sh
for word; do
  [ "$word" = {word} ] && touch {started} && exec sleep 300
done
exec {git} "$@"
"""
STUCK = (sys.executable, "-m", "tests.support.stuck")
PLAIN = (sys.executable, "-m", "mlops_ci")
TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


@pytest.fixture(autouse=True)
def _no_signal_ignored() -> Iterator[None]:
    """Children ignore what this process ignores: SIGHUP where the tests run under nohup, SIGINT as a job of a script."""
    before = {number: signal.getsignal(number) for number in (HUP, INT)}
    for number in before:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def released(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("released"))
        made.ok("release")
    return made


@pytest.fixture(scope="module")
def slow(released: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """The same with a model whose code takes minutes, committed."""
    with home_of_ada(tmp_path_factory):
        made = copy_of(released, tmp_path_factory.mktemp("slow"))
        (made.root / "src").mkdir()
        (made.root / "src/slow.py").write_text(SLOW)
        estimator = "    estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n"
        edit(made, "models/diagnosis.yaml", estimator, "    entrypoint: src/slow.py:build\n")
        made.commit("slow")
    return made


def processes_in(scratch: Path) -> list[int]:
    """The processes that work below the folder or were started with it as their folder for temporary files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            inside = (process / "cwd").readlink().is_relative_to(scratch)
            if inside or f"TMPDIR={scratch}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def end_by(
    number: signal.Signals, argv: list[str], folder: Path, scratch: Path, hanging: str = "none"
) -> tuple[int, float]:
    """Run a command until it is at work, send it the signal, and return its exit code and the seconds that it then took.

    Its git does not return from the subcommand `hanging`.
    """
    scratch.mkdir()
    git = scratch.with_name("bin") / "git"
    git.parent.mkdir()
    git.write_text(GIT.format(word=hanging, started=scratch.with_name("started"), git=shutil.which("git")))
    git.chmod(0o755)
    started = scratch.with_name("started")
    inputs = json.dumps({"models": "diagnosis"} if argv[-1] == "train" else {})
    argv = [str(started) if word == "STARTED" else word for word in argv]
    env = {**os.environ, "TMPDIR": str(scratch), "MLOPS_CI_INPUTS": inputs, "PYTHONPATH": str(Path.cwd())}
    env["PATH"] = f"{git.parent}{os.pathsep}{os.environ['PATH']}"
    child = subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        # at work: the query has begun, or a worker runs the slow code in a folder of its own
        while not (started.exists() or any(pid != child.pid for pid in processes_in(scratch) if is_worker(pid))):
            assert child.poll() is None, child.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        child.send_signal(number)
        began = time.monotonic()
        child.communicate(timeout=60)
        return child.returncode, time.monotonic() - began
    finally:
        child.kill()  # a test that fails leaves nothing at work beside the others


def is_worker(pid: int) -> bool:
    try:
        return (
            b"train" in Path(f"/proc/{pid}/cmdline").read_bytes() and (Path(f"/proc/{pid}/cwd") / "job.json").exists()
        )
    except OSError:
        return False


def assert_nothing_is_left(scratch: Path) -> None:
    deadline = time.monotonic() + 2
    while (living := processes_in(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living == []
    assert list(scratch.iterdir()) == []


IN_A_QUERY = [
    (TERM, "query", "check"),
    (HUP, "step", "check"),
    pytest.param(INT, "step", "train", marks=pytest.mark.slow),
    pytest.param(TERM, "query", "gate", marks=pytest.mark.slow),
    pytest.param(HUP, "query", "release", marks=pytest.mark.slow),
    pytest.param(INT, "query", "init --from data/patients.csv --target diagnosis", marks=pytest.mark.slow),
    pytest.param(TERM, "query", "action check", marks=pytest.mark.slow),
    pytest.param(HUP, "query", "predict diagnosis data/patients.csv --out out.csv", marks=pytest.mark.slow),
    pytest.param(TERM, "step", "predict diagnosis data/patients.csv --out out.csv", marks=pytest.mark.slow),
    pytest.param(INT, "query", "compare", marks=pytest.mark.slow),
    pytest.param(TERM, "query", "selftest diagnosis", marks=pytest.mark.slow),
    pytest.param(HUP, "query", "gate --power", marks=pytest.mark.slow),
    pytest.param(INT, "query", "ci features --out rows", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("number", "kind", "command"), IN_A_QUERY, ids=lambda value: str(value))
def test_a_signal_ends_a_verb_inside_a_query(
    number: signal.Signals, kind: str, command: str, released: Consumer, tmp_path: Path
) -> None:
    consumer = copy_of(released, tmp_path)
    # no stored run or scan spares the command its data
    edit(consumer, "data/patients.yaml", "min: 500", "min: 501")
    code, seconds = end_by(number, [*STUCK, kind, "STARTED", *command.split()], consumer.root, tmp_path / "scratch")
    assert (code, seconds < 5) == (128 + number, True), seconds
    assert_nothing_is_left(tmp_path / "scratch")


IN_TRAINING = [
    (TERM, "action train"),
    pytest.param(HUP, "train", marks=pytest.mark.slow),
    pytest.param(INT, "gate", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("number", "command"), IN_TRAINING, ids=lambda value: str(value))
def test_a_signal_ends_a_verb_that_trains(number: signal.Signals, command: str, slow: Consumer, tmp_path: Path) -> None:
    code, seconds = end_by(number, [*PLAIN, *command.split()], slow.root, tmp_path / "scratch")
    assert (code, seconds < 5) == (128 + number, True), seconds
    assert_nothing_is_left(tmp_path / "scratch")


@pytest.mark.slow
def test_a_signal_ends_the_trial_of_an_estimator(released: Consumer, tmp_path: Path) -> None:
    consumer = copy_of(released, tmp_path)
    estimator = "    estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n"
    edit(consumer, "models/diagnosis.yaml", estimator, MANY_STEPS)
    code, seconds = end_by(TERM, [*PLAIN, "validate"], consumer.root, tmp_path / "scratch")
    assert (code, seconds < 5) == (143, True), seconds
    assert_nothing_is_left(tmp_path / "scratch")


IN_GIT = [
    (TERM, "push", "deploy diagnosis --env staging"),
    pytest.param(HUP, "fetch", "fetch diagnosis out", marks=pytest.mark.slow),
    pytest.param(INT, "cat-file", "audit", marks=pytest.mark.slow),
    pytest.param(TERM, "for-each-ref", "diff diagnosis@v1.0.0 diagnosis@v1.0.0", marks=pytest.mark.slow),
    pytest.param(HUP, "fetch", "rollback diagnosis --env staging --reason errors", marks=pytest.mark.slow),
    pytest.param(INT, "rev-parse", "ci affected --base HEAD", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("number", "hanging", "command"), IN_GIT, ids=lambda value: str(value))
def test_a_signal_ends_a_verb_that_waits_for_git(
    number: signal.Signals, hanging: str, command: str, released: Consumer, tmp_path: Path
) -> None:
    consumer = copy_of(released, tmp_path)
    argv = [*PLAIN, *command.split()]
    code, seconds = end_by(number, argv, consumer.root, tmp_path / "scratch", hanging)
    assert (code, seconds < 5) == (128 + number, True), seconds
    assert_nothing_is_left(tmp_path / "scratch")


@pytest.mark.slow
def test_a_signal_ends_a_reproduction(released: Consumer, tmp_path: Path) -> None:
    argv = [*STUCK, "query", "STARTED", "reproduce", "diagnosis"]
    code, seconds = end_by(TERM, argv, released.root, tmp_path / "scratch")
    assert (code, seconds < 5) == (143, True), seconds
    assert_nothing_is_left(tmp_path / "scratch")


def test_a_closed_terminal_ends_no_command_that_runs_under_nohup(released: Consumer, tmp_path: Path) -> None:
    scratch, started = tmp_path / "scratch", tmp_path / "started"
    scratch.mkdir()
    ignore = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", ignore, *STUCK, "query", str(started), "check"]
    env = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(Path.cwd())}
    consumer = copy_of(released, tmp_path)
    edit(consumer, "data/patients.yaml", "min: 500", "min: 501")
    child = subprocess.Popen(argv, cwd=consumer.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not started.exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 143
    child.communicate()
