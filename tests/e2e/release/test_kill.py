"""A kill -9 at any write of `release`, `deploy`, `rollback` and `retire`: the origin has all or nothing, and a second run completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.places import ROOT, SUPPORT

KILLED = str(SUPPORT / "killed.py")
RELEASE = ("release", "diagnosis")
DEPLOY = ("deploy", "diagnosis", "--env", "staging")
MADE_BY_RELEASE = {"refs/tags/diagnosis@v1.0.0", "refs/mlops/log/diagnosis", "refs/mlops/releases/diagnosis/v1.0.0"}
MADE_BY_DEPLOY = {"refs/tags/diagnosis#staging#1"}
RETIRE = ("retire", "diagnosis", "--env", "staging", "--reason", "nobody asks")
MADE_BY_RETIRE = {"refs/tags/diagnosis#staging!#2", "refs/mlops/log/diagnosis", "refs/heads/main"}
ROLLBACK = ("rollback", "diagnosis", "--env", "staging", "--version", "1.0.0", "--reason", "somebody asks")
MADE_BY_ROLLBACK = {"refs/tags/diagnosis#staging#3", "refs/mlops/log/diagnosis", "refs/heads/main"}
BEFORE = {DEPLOY: (RELEASE,), RETIRE: (RELEASE, DEPLOY), ROLLBACK: (RELEASE, DEPLOY, RETIRE)}


def kill_at(consumer: Consumer, write: int, args: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    root = str(ROOT)
    return subprocess.run(
        [sys.executable, KILLED, str(write), *args],
        cwd=consumer.root,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
    )


def writes_of(consumer: Consumer, args: tuple[str, ...]) -> int:
    """How many writes the plan has, with the last one, that lets this clone follow."""
    return len(consumer.answer(*args, "--dry-run")["plan"]) + 1


@pytest.mark.parametrize(
    ("args", "made"),
    [(RELEASE, MADE_BY_RELEASE), (DEPLOY, MADE_BY_DEPLOY), (RETIRE, MADE_BY_RETIRE), (ROLLBACK, MADE_BY_ROLLBACK)],
    ids=["release", "deploy", "retire", "rollback"],
)
def test_a_kill_leaves_all_or_nothing_and_a_second_run_completes(
    gated: Consumer, tmp_path: Path, args: tuple[str, ...], made: set[str]
) -> None:
    from tests.support.consumer import copy_of

    for earlier in BEFORE.get(args, ()):
        gated.ok(*earlier)
    before = gated.published()
    for write in range(writes_of(gated, args)):
        consumer = copy_of(gated, tmp_path / str(write))
        clean = consumer.git("status", "--porcelain")
        killed = kill_at(consumer, write, args)
        assert killed.returncode == -9, killed.stdout + killed.stderr
        after = consumer.published()
        new = {name for name in after if after[name] != before.get(name)}
        assert new == set() or made <= new
        assert consumer.git("status", "--porcelain") == clean
        consumer.ok(*args)
        assert made <= {name for name in consumer.published() if consumer.published()[name] != before.get(name)}
        assert consumer.answer(*args)["record"].get("state", "unchanged") == "unchanged"


def test_a_kill_in_the_middle_of_the_push_leaves_nothing(gated: Consumer) -> None:
    """The server's hook kills the whole process group while the pushed objects are in quarantine."""
    hook = gated.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nkill -9 0\n")
    hook.chmod(0o755)
    before = gated.published()
    child = subprocess.Popen(
        [sys.executable, "-m", "mlops_ci", *RELEASE],
        cwd=gated.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.wait(timeout=120) == -9
    assert gated.published() == before
    hook.unlink()
    gated.ok(*RELEASE)
    assert set(gated.published()) >= MADE_BY_RELEASE
