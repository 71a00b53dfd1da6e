"""Child processes: what they get, what is kept of what they say, and that none outlives its step."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_ci import process
from mlops_ci.errors import EnvironmentProblem


def run(tmp_path: Path, code: str, **options: Any) -> process.Result:
    return process.run([sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log.txt", **options)


def is_gone(pid: int) -> bool:
    """Wait for a killed process to be gone: SIGKILL is delivered at once and carried out a little later."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_secrets_do_not_reach_a_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    result = run(tmp_path, "import os; print(sorted(os.environ.items()))")
    assert "s3cret" not in result.tail
    assert "('OMP_NUM_THREADS', '2')" in result.tail
    assert "('PYTHONHASHSEED', '0')" in result.tail


def test_the_environment_is_an_allow_list() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "GH_TOKEN": "x",
        "PYTHONSTARTUP": "x",
        "LD_PRELOAD": "x",
        "MKL_CBWR": "a",
    }
    kept = process.clean_environment(given)
    assert {name for name in kept if name in given} == {"PATH", "HOME", "LC_ALL", "MKL_CBWR"}
    assert kept["PYTHONDONTWRITEBYTECODE"] == "1"


def test_exit_code_folder_and_log(tmp_path: Path) -> None:
    result = run(
        tmp_path, "import os, sys; print(os.getcwd(), flush=True); print('oh no', file=sys.stderr); sys.exit(3)"
    )
    assert result == process.Result(3, timed_out=False, tail=f"{tmp_path}\noh no")
    assert (tmp_path / "log.txt").read_text() == f"{tmp_path}\noh no\n"


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    assert run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").returncode == -signal.SIGSEGV


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    result = run(tmp_path, code, timeout=2.0)
    assert result.timed_out
    assert result.returncode == -signal.SIGKILL
    assert is_gone(int(result.tail))


def test_what_a_child_leaves_behind_is_killed(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    result = run(tmp_path, code)
    assert result.returncode == 0
    assert is_gone(int(result.tail))


def test_an_interrupt_kills_the_child(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    thread.join()
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_the_log_is_bounded_and_keeps_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 200_000)
    result = run(tmp_path, "print('first'); [print('x' * 99) for _ in range(20_000)]; print('last')")
    text = (tmp_path / "log.txt").read_text()
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert "bytes of output left out" in text
    assert len(text) < 210_000 + 65_536
    assert result.tail.endswith("last")


def test_no_input_and_no_shell(tmp_path: Path) -> None:
    result = process.run(
        [sys.executable, "-c", "import sys; print(sys.argv[1], repr(sys.stdin.read()))", "$(date); *"],
        cwd=tmp_path,
        log=tmp_path / "log.txt",
    )
    assert result.tail == "$(date); * ''"


def test_a_program_that_is_not_there_is_an_environment_problem(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        process.run(["/no/such/program"], cwd=tmp_path, log=tmp_path / "log.txt")
    assert caught.value.diagnostics[0].id == "process-not-started"
