"""`init --from` asks for the target on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = "".join(f"{number},{number * 7 % 13},{number * 5 % 3 > 0}\n" for number in range(400))
    (tmp_path / "t.csv").write_text("id,a,bought\n" + rows)
    return tmp_path


def start(folder: Path, terminal: int, **variables: str) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if name != "CI"} | variables
    command = [sys.executable, "-m", "mlops_ci", "init", "p", "--from", "t.csv"]
    return subprocess.Popen(command, cwd=folder, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, env=env)


def test_the_target_is_asked_for_on_a_terminal(table: Path) -> None:
    master, terminal = pty.openpty()
    with start(table, terminal) as child:
        os.write(master, b"nothing\nbought\n")  # the first answer is no column, so it asks again
        out, _ = child.communicate(timeout=120)
    asked = os.read(master, 1 << 16).decode()
    os.close(terminal)
    os.close(master)
    assert child.returncode == 0, asked
    assert asked.count("Which column is to be predicted?") == 2
    assert b"bought.model.yaml" in out


def test_in_ci_nothing_is_asked(table: Path) -> None:
    master, terminal = pty.openpty()
    with start(table, terminal, CI="true") as child:
        child.communicate(timeout=120)
    asked = os.read(master, 1 << 16).decode()
    os.close(terminal)
    os.close(master)
    assert child.returncode == 2
    assert "Which column" not in asked
    assert "init-options" in asked
