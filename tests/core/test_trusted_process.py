"""Programs that are trusted have limits too: on time, on output, and on what they leave behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import ProcessLimits, run_trusted
from tests.support.forked import is_gone


def run(
    tmp_path: Path, code: str, stdin: bytes = b"", seconds: float = 60, size: int = 1 << 20
) -> tuple[int, bytes, bytes]:
    limits = ProcessLimits(seconds, size)
    return run_trusted([sys.executable, "-c", code], cwd=tmp_path, env=os.environ, stdin=stdin, limits=limits)


def test_a_program_gets_its_input_and_gives_its_outputs_and_exit_code(tmp_path: Path) -> None:
    code = "import sys; text = sys.stdin.read(); sys.stdout.write(text); sys.stderr.write('said'); sys.exit(3)"
    assert run(tmp_path, code, b"x" * 500_000) == (3, b"x" * 500_000, b"said")


def test_a_program_that_does_not_read_its_input_ends_as_it_likes(tmp_path: Path) -> None:
    assert run(tmp_path, "raise SystemExit(4)", b"x" * 500_000)[0] == 4


def test_a_program_that_runs_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    """Given a program whose child holds its output open, when the time is over, then neither is left."""
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pid').write_text(str(child.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(EnvironmentProblem, match="ran longer than 3 s") as caught:
        run(tmp_path, code, seconds=3)
    assert caught.value.diagnostics[0].id == "process-limit"
    if sys.platform == "linux":
        assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_writes_too_much_is_killed(tmp_path: Path, stream: str) -> None:
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    with pytest.raises(EnvironmentProblem, match="wrote more than 1,048,576 bytes"):
        run(tmp_path, code)


def test_an_address_with_a_password_does_not_stand_in_the_message(tmp_path: Path) -> None:
    argv = ["sh", "-c", "while :; do echo x; done", "https://ada:s3cret@example.org"]
    with pytest.raises(EnvironmentProblem) as caught:
        run_trusted(argv, cwd=tmp_path, env=os.environ, limits=ProcessLimits(60, 10))
    assert "s3cret" not in str(caught.value)


def test_a_program_that_ended_while_another_holds_its_outputs_is_told_of_as_both(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="sh, or a program that it started, was stopped because it ran longer"):
        run_trusted(["sh", "-c", "sleep 2 & exit 0"], cwd=tmp_path, env=os.environ, limits=ProcessLimits(0.3, 10))


def test_a_program_that_closes_its_outputs_and_runs_on_is_killed(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="ran longer than"):
        run_trusted(
            ["sh", "-c", "exec >&- 2>&-; sleep 60"], cwd=tmp_path, env=os.environ, limits=ProcessLimits(0.3, 10)
        )
