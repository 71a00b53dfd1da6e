"""Training code that steers what comes after it: git's commands, or the rows on which it is judged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlops_ci.cli import session
from tests.e2e.cheats.test_cheats import cheat
from tests.e2e.keep.conftest import ids
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

POISON = """
import subprocess
from pathlib import Path

from sklearn.linear_model import LogisticRegression

root = Path(__file__).parents[1]
for which in ("uploadpack", "receivepack"):
    command = "sh -c 'env > {leak}; exec git-" + which[:-4] + "-pack \\"$0\\"'"
    subprocess.run(["git", "config", "remote.origin." + which, command], cwd=root, check=True)
subprocess.run(["git", "update-ref", "refs/tags/diagnosis@v9.9.9", "HEAD"], cwd=root, check=True)


def build():
    return LogisticRegression(max_iter=1000)
"""

PLANT = """
import os
from pathlib import Path

from sklearn.linear_model import LogisticRegression

git = Path(os.get_exec_path()[0]) / "git"
git.write_text('#!/bin/sh\\nenv >> {leak}\\nexec {git} "$@"\\n')
git.chmod(0o755)


def build():
    return LogisticRegression(max_iter=1000)
"""

REWRITE = """
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression

file = Path(__file__).parents[1] / "data" / "patients.csv"
rows = pd.read_csv(file)
rows["malignant"] = (rows["worst_radius"] > 16).astype(int)
rows.to_csv(file, index=False)


def build():
    return LogisticRegression(max_iter=1000)
"""


def enter_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/ml",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_TOKEN": "ghs_notarealtoken",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
def test_training_code_cannot_let_git_run_its_command_with_the_token(
    gated: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given training code that puts a command into git's configuration, when the gate goes on, then git is not run with it."""
    leak = tmp_path / "leak"
    enter_job(monkeypatch)
    cheat(gated, POISON.replace("{leak}", str(leak)))
    gated.commit("Train by code")
    config = (gated.root / ".git/config").read_bytes()
    before = gated.published()
    told = gated.run("gate")
    assert told.returncode == 3
    for what in ("git-changed", "remote.origin.uploadpack", "remote.origin.receivepack", "refs/tags/diagnosis@v9.9.9"):
        assert what in told.stdout + told.stderr
    assert ((gated.root / ".git/config").read_bytes(), leak.exists()) == (config, False)
    assert gated.published() == before
    git_in(gated.root)("fetch", "--quiet")
    assert not leak.exists(), "nothing is left for later"
    monkeypatch.setattr(session, "_watches", lambda *_, **__: iter(()))
    git_in(gated.root)("tag", "--delete", "diagnosis@v9.9.9")
    gated.run("gate")
    git_in(gated.root)("fetch", "--quiet")
    assert leak.exists(), "without the defence, git runs the command"


@pytest.mark.slow
def test_training_code_cannot_put_its_own_git_before_the_one_that_gets_the_token(
    gated: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a first folder of PATH that the job's user may write, as a runner's Python has it, then no git from there runs."""
    leak, first = tmp_path / "leak", tmp_path / "bin"
    first.mkdir()
    cheat(gated, PLANT.replace("{leak}", str(leak)).replace("{git}", str(shutil.which("git"))))
    gated.commit("Train by code")
    enter_job(monkeypatch)
    monkeypatch.setenv("PATH", f"{first}{os.pathsep}{os.environ['PATH']}")
    told = gated.run("gate")
    assert told.returncode == 3
    assert f"something changed what git does here: {first / 'git'}" in told.stdout + told.stderr
    assert (list(first.iterdir()), leak.exists()) == ([], False)
    monkeypatch.setattr(session, "_watches", lambda *_, **__: iter(()))
    gated.run("gate")
    gated.run("gate")  # asks the remote first
    assert "=AUTHORIZATION: basic" in leak.read_text(), "without the defence, it is lent the token"


@pytest.mark.slow
def test_training_code_cannot_choose_the_rows_on_which_it_is_judged(
    gated: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given training code that writes easier labels into the table, when it is to be judged, then it is not."""
    cheat(gated, REWRITE)
    table = (gated.root / "data/patients.csv").read_bytes()
    refused = gated.answer("gate", code=3)
    assert ids(refused) == ["data-changed"]
    assert "data/patients.csv" in refused["diagnostics"][0]["message"]
    (gated.root / "data/patients.csv").write_bytes(table)
    gated.git("checkout", "--quiet", "data")
    monkeypatch.setattr(session, "_watches", lambda *_, **__: iter(()))
    assert gated.run("gate").returncode in (0, 1), "without the defence, it is judged on what it wrote"
