"""Folders that can only be read, a clock that jumps, no folder for temporary files, two gates in one clone: right, or a diagnostic."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.forked import unprivileged
from tests.support.git_calls import git_in
from tests.support.places import ROOT

RELEASE = ("release", "diagnosis")
DEPLOY = ("deploy", "diagnosis", "--env", "staging")


def run(consumer: Consumer, *argv: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", "mlops_ci", *argv],
        cwd=consumer.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="root may write anywhere, and only Linux lets it renounce this")
@pytest.mark.parametrize("where", ["clone", "origin"])
@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_where_a_folder_can_only_be_read_nothing_is_written_and_later_it_works(
    gated: Consumer, where: str, command: tuple[str, ...]
) -> None:
    if command is DEPLOY:
        gated.ok(*RELEASE)
    folder = gated.origin if where == "origin" else gated.root / ".git"
    before = gated.published(), gated.git("for-each-ref", "refs/tags", "refs/mlops")
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if path.is_dir()}
    for path in modes:
        path.chmod(0o555)
    try:
        done = run(gated, *command, before=tuple(unprivileged()))
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert (done.returncode, "error[" in done.stderr + done.stdout) == (3, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (gated.published(), gated.git("for-each-ref", "refs/tags", "refs/mlops")) == before
    gated.ok(*command)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime, which .ci/run installs")
def test_a_clock_that_jumps_orders_no_events(gated: Consumer) -> None:
    """Given a release of the day after tomorrow, when it is deployed last year and then today, then the order is that of the log."""
    for clock, argv in (
        ("+2 days", RELEASE),
        ("-400 days", DEPLOY),
        ("+0 days", ("deploy", "diagnosis", "--env", "prod")),
        ("-1 day", ("retire", "diagnosis", "--env", "prod", "--reason", "the clock")),
    ):
        done = run(gated, *argv, before=("faketime", "-f", clock.replace(" days", "d").replace(" day", "d")))
        assert done.returncode == 0, done.stdout + done.stderr
    gated.ok("audit")
    dates = gated.git("for-each-ref", "--sort=taggerdate", "--format=%(refname:lstrip=2)", "refs/tags").splitlines()
    assert dates == ["diagnosis@v1.0.0", "diagnosis#staging#1", "diagnosis#prod#2", "diagnosis#prod!#3"]


def test_without_a_folder_for_temporary_files_a_command_says_so(
    gated: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(gated.root))  # where Python goes if there is no other
    (found,) = gated.answer("gate", code=3)["diagnostics"]
    assert (found["id"], "temporary" in found["message"]) == ("disk-full", True)
    assert gated.git("status", "--porcelain") == ""


def test_two_gates_in_one_clone_come_to_one_answer(gated: Consumer) -> None:
    """Given a new candidate, when two commands train and judge it at once, then both answer, and it has one run."""
    model = gated.root / "models/diagnosis.yaml"
    model.write_text(model.read_text().replace("seed: 7", "seed: 8"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "mlops_ci", "gate"]
    both = [subprocess.Popen(argv, cwd=gated.root, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    gated.git("fsck", "--connectivity-only")
    assert not list(Path(gated.root / ".git").rglob("*.lock"))
    assert len(git_in(gated.root)("for-each-ref", "refs/mlops/runs").splitlines()) == 4
