"""`init --from` asks for target, key and time on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def table(tmp_path: Path) -> Path:
    days = [f"2024-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}" for number in range(400)]
    rows = "".join(f"{number},{days[number]},{number * 7 % 13},{number * 5 % 3 > 0}\n" for number in range(400))
    (tmp_path / "t.csv").write_text("id,day,a,bought\n" + rows)
    return tmp_path


def start(folder: Path, terminal: int, **variables: str) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if name != "CI"} | variables
    command = [sys.executable, "-m", "mlops_ci", "init", "p", "--from", "t.csv"]
    return subprocess.Popen(command, cwd=folder, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, env=env)


@pytest.mark.parametrize(
    ("answers", "written", "unwritten"),
    [
        # an answer that is no column is asked for again
        (b"bougth\nbought\n\n\n", "key: [id]", "split"),
        (b"bought\nid\nday\n", "key: [id]\n  time: day", "assumption"),
    ],
)
def test_target_key_and_time_are_asked_for_on_a_terminal(
    answers: bytes, written: str, unwritten: str, table: Path
) -> None:
    master, terminal = pty.openpty()
    with start(table, terminal) as child:
        os.write(master, answers)
        out, _ = child.communicate(timeout=120)
    asked = os.read(master, 1 << 16).decode()
    os.close(terminal)
    os.close(master)
    assert child.returncode == 0, asked
    questions = ("Which column is to be predicted?", "Which column identifies a row?", "Which column has the time")
    assert [asked.count(one) for one in questions] == [1 + (b"bougth" in answers), 1, 1]
    assert ("there is no column 'bougth'; did you mean 'bought'?" in asked) == (b"bougth" in answers)
    assert b"bought.model.yaml" in out
    spec = (table / "p/specs/t.dataset.yaml").read_text()
    assert written in spec
    assert unwritten not in spec


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
