"""Child processes: what they get, what is kept of what they say, and that none outlives its step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlops_ci.core import process
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import run_trusted
from tests.support.forked import TOOLKIT, WAYS, Run, is_gone, unprivileged


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def run(request: pytest.FixtureRequest) -> Run:
    """Each guard holds for a process that starts from nothing, and for one that is forked from a template."""
    way: Run = request.param
    return way


def test_secrets_do_not_reach_a_child(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    result = run(tmp_path, "import os; print(sorted(os.environ.items()))")
    assert "s3cret" not in result.tail
    assert "('OMP_NUM_THREADS', '2')" in result.tail
    assert "('PYTHONHASHSEED', '0')" in result.tail


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_child_cannot_read_our_environment_from_proc(run: Run, tmp_path: Path) -> None:
    # the kernel keeps what a process was started with: for a secret in it, this test starts the parent, too
    code = "import os; print(open(f'/proc/{os.getppid()}/environ').read())"
    parent = (
        f"import pathlib; from tests.support import forked; "
        f"print(forked.{run.__name__}(pathlib.Path({str(tmp_path)!r}), {code!r}).tail)"
    )
    done = subprocess.run(
        [*unprivileged(), sys.executable, "-c", parent],
        env={**os.environ, "MY_TOKEN": "s3cret"},
        cwd=TOOLKIT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PermissionError" in done.stdout
    assert "s3cret" not in done.stdout


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


def test_exit_code_folder_and_log(run: Run, tmp_path: Path) -> None:
    result = run(
        tmp_path, "import os, sys; print(os.getcwd(), flush=True); print('oh no', file=sys.stderr); sys.exit(3)"
    )
    assert result == process.ProcessResult(3, timed_out=False, log=f"{tmp_path}\noh no\n".encode())
    assert result.tail == f"{tmp_path}\noh no"


def test_a_signal_is_a_negative_code(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").returncode == -signal.SIGSEGV


def test_a_timeout_kills_the_whole_group(run: Run, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    result = run(tmp_path, code, timeout=2.0)
    assert result.timed_out
    assert result.returncode == -signal.SIGKILL
    assert is_gone(int(result.tail))


def test_what_a_child_leaves_behind_is_killed(run: Run, tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    result = run(tmp_path, code)
    assert result.returncode == 0
    assert is_gone(int(result.tail))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such processes cannot be found")
def test_what_left_the_session_is_killed_with_its_children(run: Run, tmp_path: Path) -> None:
    code = """
import os, subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
if os.fork() == 0:
    os.setsid()
    child = subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(os.getpid(), child.pid, flush=True)
    os.execv(sys.executable, sleeper)
time.sleep(0.5)
"""
    ours = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = time.monotonic()
    result = run(tmp_path, code)
    assert result.returncode == 0
    assert time.monotonic() - began < 5  # nobody held the pipe open until the grace was over
    daemon, child = map(int, result.tail.split())
    assert is_gone(daemon)
    assert is_gone(child)
    assert ours.poll() is None  # what was ours before is left alone
    ours.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans cannot be found")
def test_a_program_that_another_thread_runs_meanwhile_is_no_orphan(run: Run, tmp_path: Path) -> None:
    """Given programs that another thread starts while children come and go, then each ends by itself."""
    codes: list[int] = []
    done = threading.Event()

    def start_programs() -> None:
        while not done.is_set():
            codes.append(run_trusted(["sleep", "0.02"], cwd=tmp_path, env=os.environ).returncode)

    thread = threading.Thread(target=start_programs)
    thread.start()
    try:
        for _ in range(3):
            assert run(tmp_path, "import os, time; os.fork() or time.sleep(60)").returncode == 0
    finally:
        done.set()
        thread.join()
    assert set(codes) == {0}


def test_an_interrupt_kills_the_child(run: Run, tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        time.sleep(
            0.3
        )  # an interrupt inside of subprocess.Popen leaves the child to the guardian, which acts at our end
        os.kill(os.getpid(), signal.SIGINT)

    # a shell starts its background jobs with interrupts ignored, and the tests may be one
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_the_log_is_bounded_and_keeps_both_ends(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 200_000)
    result = run(tmp_path, "print('first'); [print('x' * 99) for _ in range(20_000)]; print('last')")
    text = result.log.decode()
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert "bytes of output left out" in text
    assert len(text) < 200_100
    assert result.tail.endswith("last")


def test_the_log_is_no_file_that_a_child_could_replace(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, "print('said')").log == b"said\n"
    assert list(tmp_path.iterdir()) == []


def test_no_input(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; print(repr(sys.stdin.read()))").tail == "''"


def test_no_shell(tmp_path: Path) -> None:
    result = process.run_guarded(
        [sys.executable, "-c", "import sys; print(sys.argv[1], repr(sys.stdin.read()))", "$(date); *"],
        cwd=tmp_path,
    )
    assert result.tail == "$(date); * ''"


def test_a_program_that_is_not_there_is_an_environment_problem(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        process.run_guarded(["/no/such/program"], cwd=tmp_path)
    assert caught.value.diagnostics[0].id == "process-not-started"


def test_an_installer_gets_its_index_and_no_more_and_a_built_interpreter_nothing_of_ours() -> None:
    theirs = {
        "PIP_INDEX_URL": "https://u:p@pypi.example",
        "UV_INDEX_URL": "x",
        "https_proxy": "y",
        "SSL_CERT_FILE": "z",
    }
    ours = {"PYTHONPATH": "a", "VIRTUAL_ENV": "b", "PIP_TARGET": "c", "UV_SYSTEM_PYTHON": "1", "GITHUB_TOKEN": "d"}
    environ = {**theirs, **ours, "PATH": "/bin", "OPENBLAS_CORETYPE": "Haswell"}
    installer = process.installer_environment(environ)
    assert theirs.items() <= installer.items()
    assert not set(ours) & set(installer)
    built = process.isolated_environment(environ)
    assert (built["PATH"], built["OPENBLAS_CORETYPE"]) == ("/bin", "Haswell")
    assert not {*theirs, *ours} & set(built)
