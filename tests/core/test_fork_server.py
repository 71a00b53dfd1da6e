"""Children forked from a template: a hostile job reaches neither the template nor the job after it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.core import fork_server
from mlops_ci.core.fork_server import ForkServerError
from tests.support.forked import TOOLKIT, fork, is_gone, template, unprivileged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def test_a_child_has_no_descriptor_but_its_own_input_and_output(tmp_path: Path) -> None:
    """Given a template with an open file, when it forks a child, then of its descriptors the child has none."""
    code = """
import os
names = os.listdir("/proc/self/fd")  # closed again: the next line cannot follow it
print({name: os.readlink(f"/proc/self/fd/{name}").partition(":")[0] for name in names if os.path.exists(f"/proc/self/fd/{name}") or name in "012"})
"""
    own = {"0": "/dev/null", "1": "pipe", "2": "pipe"}
    with template("opened = open('/etc/hostname')") as server:
        # the first child's pipes are not the second's
        assert [fork(server, tmp_path, code).tail for _ in range(2)] == [str(own)] * 2


def test_a_child_shares_no_memory_that_it_can_write(tmp_path: Path) -> None:
    code = (
        "print([line for line in open('/proc/self/maps') if line.split()[1][1] == 'w' and line.split()[1][3] == 's'])"
    )
    with template("import numpy, pandas, skops.io, pyarrow.parquet", ("jemalloc_bg_thd",)) as server:
        assert fork(server, tmp_path, code).tail == "[]"


# what a job can try with a template's process id; each prints what it got
_REACH = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, call):
    try:
        found = call()
    except OSError as error:
        found = f"refused {error.errno}"
    print(name, found, flush=True)

def checked(answer):
    if answer < 0:
        raise OSError(ctypes.get_errno(), "")
    return answer

pid = int(open("template").read())
for name in ("environ", "mem", "maps", "auxv", "cwd", "root", "exe", "fd/0", "fd/3"):
    attempt(name, lambda: os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
attempt("ptrace", lambda: checked(libc.ptrace(16, pid, 0, 0)))
buffer = ctypes.create_string_buffer(8)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
for number, name in ((310, "read"), (311, "write")) if os.uname().machine == "x86_64" else ():
    attempt(name, lambda: checked(libc.syscall(number, pid, vector, 1, vector, 1, 0)))
attempt("pidfd_getfd", lambda: checked(libc.syscall(438, os.pidfd_open(pid), 3, 0)))
"""

# a parent without root's privileges, whose child is told where the template and the parent are
_PARENT = """
import pathlib, sys
from tests.support import forked
folder = pathlib.Path(sys.argv[1])
with forked.template() as server:
    (folder / "template").write_text(str(server.pid))
    print(forked.fork(server, folder, (folder / "code").read_text()).log.decode())
"""


def test_a_child_cannot_read_or_trace_its_template(tmp_path: Path) -> None:
    """Given a hostile job with the template's id, when it tries every way to its memory and descriptors, all are refused."""
    (tmp_path / "code").write_text(_REACH)
    done = subprocess.run(
        [*unprivileged(), sys.executable, "-c", _PARENT, str(tmp_path)],
        cwd=TOOLKIT,
        capture_output=True,
        text=True,
        check=True,
    )
    tried = dict(line.split(" ", 1) for line in done.stdout.split("\n") if line)
    assert {"mem", "environ", "fd/0", "ptrace", "pidfd_getfd"} <= set(tried)
    assert {name: said for name, said in tried.items() if not said.startswith("refused")} == {}


def test_what_a_job_changes_in_itself_does_not_reach_the_next(tmp_path: Path) -> None:
    """Given a job that changes modules, the environment, its folder and its signals, then the next finds none of it."""
    change = "import json, os, signal, sys; json.loads = None; os.environ['X'] = '1'; os.umask(0o777); signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.path.insert(0, '/x')"
    look = "import json, os, signal, sys; print(json.loads is None, 'X' in os.environ, os.umask(0) == 0o777, signal.getsignal(signal.SIGTERM).name, '/x' in sys.path)"
    with template() as server:
        assert fork(server, tmp_path, change).returncode == 0
        assert fork(server, tmp_path, look).tail == "False False False SIG_DFL False"


def test_a_template_whose_limits_a_job_changed_forks_nothing_more(tmp_path: Path) -> None:
    """Given limits that may be set from outside, when a job sets its template's, then no later job inherits them."""
    with template() as server:
        (tmp_path / "template").write_text(str(server.pid))
        code = "import resource; resource.prlimit(int(open('template').read()), resource.RLIMIT_FSIZE, (1000, 1000))"
        assert fork(server, tmp_path, code).returncode == 0
        with pytest.raises(ForkServerError):
            fork(server, tmp_path, "open('ran', 'w')")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1])
def test_a_template_that_a_job_stops_gives_no_child(
    how: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a job that ends or stops the template, when the next job is given, then it is known not to have run."""
    monkeypatch.setattr(fork_server, "PATIENCE", 5.0)
    with template() as server:
        (tmp_path / "template").write_text(str(server.pid))
        fork(server, tmp_path, f"import os; os.kill(int(open('template').read()), {int(how)})")
        with pytest.raises(ForkServerError):
            fork(server, tmp_path, "open('ran', 'w')")
    assert is_gone(server.pid)
    assert not (tmp_path / "ran").exists()


def test_a_template_with_threads_that_nobody_knows_forks_nothing(tmp_path: Path) -> None:
    """Given an import that starts a thread, a fork may leave a lock held for ever: there is no child."""
    start = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    with template(start) as server, pytest.raises(ForkServerError, match="threads"):
        fork(server, tmp_path, "")


def test_no_template_forks_for_a_copy_of_the_process_that_started_it(tmp_path: Path) -> None:
    with template() as server:
        server._owner = 1  # as in a child of ours
        with pytest.raises(ForkServerError):
            fork(server, tmp_path, "")
        server._owner = os.getpid()


def test_nothing_outlives_the_parent(tmp_path: Path) -> None:
    """Given a job that runs, when its parent is killed, then job and template end too."""
    code = "import os, signal; open('pid', 'w').write(str(os.getpid())); signal.pause()"
    folder = str(tmp_path)
    script = f"""
import pathlib
from tests.support import forked
with forked.template() as server:
    pathlib.Path({folder!r}, "template").write_text(str(server.pid))
    forked.fork(server, pathlib.Path({folder!r}), {code!r})
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=TOOLKIT) as parent:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert parent.poll() is None
        parent.kill()
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert is_gone(int((tmp_path / "template").read_text()))


def test_a_job_is_read_by_its_child_alone_and_can_be_long(tmp_path: Path) -> None:
    """Given a job that is longer than a pipe holds, then the child has all of it."""
    text = "x" * 300_000
    with template() as server:
        assert fork(server, tmp_path, f"print(len({text!r}))").tail == str(len(text))


def test_a_template_is_gone_when_it_is_stopped(tmp_path: Path) -> None:
    with template() as server:
        assert json.loads(fork(server, tmp_path, "print(1)").tail) == 1
    assert not Path(f"/proc/{server.pid}").exists()
