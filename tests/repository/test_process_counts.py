"""How many processes of git a command starts, counted by a `git` on PATH that writes each into a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlops_ci.cli.main import run_command_line
from tests.support.git_calls import git_in

# measured: 34 and 32. What arrived of a push is asked once more, and a gate looks at git's settings and the files that they name
# before the candidate's code runs. Each further model of a command adds its own lookups and writes
MOST = {"gate": 34, "release": 32}


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each process of git."""
    git = shutil.which("git")
    folder = tmp_path / "shim"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path / "calls"}"\nexec "{git}" "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "calls"


def test_a_gate_and_a_release_start_few_processes_of_git(counted: Path, tmp_path: Path) -> None:
    """Given the smallest project with a remote, when it is gated and released, then git is asked for each thing once."""
    project = tmp_path / "project"

    def run(*args: str) -> list[str]:
        counted.unlink(missing_ok=True)
        assert run_command_line([*args, "-C", str(project)]) == 0
        return counted.read_text().splitlines()

    project.mkdir()
    run("init", "--template", "minimal")
    git = git_in(project)
    git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    git("remote", "add", "origin", str(tmp_path / "origin.git"))
    git("add", ".")
    git("commit", "--quiet", "-m", "start")
    git("push", "--quiet", "-u", "origin", "main")
    for verb, most in MOST.items():
        calls = run(verb)
        assert len(calls) <= most, "\n".join(calls)
        listings = [call for call in calls if "for-each-ref" in call and "refs/mlops/log/" in call]
        assert len(listings) == 1, "the registry is read more than once"
        assert len([call for call in calls if call.endswith(" remote")]) == 1
    assert git("tag") == "diagnosis@v1.0.0"
