"""A remote that says nothing ends a command of git after a while; one that is slow does not."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mlops_ci.core import trusted_process
from mlops_ci.repository import git, remotes
from mlops_ci.repository.git import Repository
from tests.support import silent, smart_http
from tests.support.git_calls import git_in
from tests.support.git_daemon import serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only git's own limits hold")

SILENCE = 1.5


@pytest.fixture
def asking(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository whose remotes may be silent for a moment only, as one command sees it."""
    monkeypatch.setattr(trusted_process, "SILENCE_SECONDS", SILENCE)
    return dataclasses.replace(repo, memory=git.Memory())


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@contextmanager
def silent_url(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the URL of a remote from which nothing comes, each for a reason of its own."""
    with ExitStack() as stack:
        if kind in ("git", "http", "https"):
            yield f"{kind}://127.0.0.1:{stack.enter_context(silent.listening())}/x.git"
        elif kind == "http, headers only":
            yield f"http://127.0.0.1:{stack.enter_context(silent.listening(silent.say_headers_only))}/x.git"
        elif kind == "ssh":
            program(tmp_path / "bin", "ssh", "exec sleep 300")
            monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
            yield "ssh://git@example.org/x.git"
        elif kind == "ssh with pings":
            program(tmp_path / "bin", "ssh", "while :; do cat /proc/version >/dev/null; sleep 0.2; done")
            monkeypatch.setenv("GIT_SSH_COMMAND", str(tmp_path / "bin" / "ssh"))
            yield "ssh://git@example.org/x.git"
        elif kind == "askpass":
            monkeypatch.setenv("GIT_ASKPASS", str(program(tmp_path / "bin", "ask", "exec sleep 300")))
            yield f"http://127.0.0.1:{stack.enter_context(silent.listening(silent.ask_for_a_password))}/x.git"
        else:
            helper = program(tmp_path / "bin", "git-credential-slow", "exec sleep 300")
            git_in(tmp_path / "repo")("config", "credential.helper", str(helper))
            yield f"http://127.0.0.1:{stack.enter_context(silent.listening(silent.ask_for_a_password))}/x.git"


KINDS = ("git", "http", "https", "http, headers only", "ssh", "ssh with pings", "askpass", "credential helper")


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_from_which_nothing_comes_is_unreachable_and_asked_once(
    kind: str, asking: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_url(kind, tmp_path, monkeypatch) as url:
        git_in(asking.root)("remote", "add", "origin", url)
        began = time.monotonic()
        answer = asking.fetch("origin", "refs/heads/*:refs/remotes/origin/*")
        assert (answer.state, answer.detail) == (
            "unreachable",
            "fatal: the remote does not answer: git fetch did nothing for 1.5 s",
        )
        assert asking.list_remote_refs("origin").state == "unreachable"
        pushed = asking.push("origin", [])
        assert (pushed.state, "does not answer" in pushed.detail) == ("unknown", True)  # it may have arrived
        assert time.monotonic() - began < SILENCE + 5


@pytest.mark.parametrize("kind", ["git", "http"])
def test_a_remote_that_is_slow_is_waited_for(kind: str, asking: Repository, tmp_path: Path) -> None:
    """Given a server whose words come piece by piece, for longer than a silent one is borne, then all of them arrive."""
    origin = tmp_path / "origin.git"
    git_in(asking.root)("clone", "--quiet", "--bare", ".", str(origin))
    with ExitStack() as stack:
        if kind == "git":
            port = stack.enter_context(serving(tmp_path)).port
        else:
            port = int(stack.enter_context(smart_http.serving(tmp_path, None)).url.rpartition(":")[2])
        slow = stack.enter_context(silent.listening(silent.pass_slowly(port, 60, 0.6)))
        git_in(asking.root)("remote", "add", "origin", f"{kind}://127.0.0.1:{slow}/origin.git")
        began = time.monotonic()
        answer = asking.list_remote_refs("origin", "refs/heads/*")
        assert (answer.state, list(answer.oids)) == ("found", ["refs/heads/main"]), answer
        assert time.monotonic() - began > 1.5 * SILENCE


def test_a_remote_that_goes_on_for_ever_is_ended_by_the_limit_of_the_whole(
    asking: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotes, "LISTING_LIMITS", trusted_process.ProcessLimits(3, 1000, may_hang=True))

    def drip(client: socket.socket) -> None:
        client.sendall(b"fff0")  # so long is the line that begins here
        while True:
            client.sendall(b"x")
            time.sleep(0.5)

    with silent.listening(drip) as port:
        git_in(asking.root)("remote", "add", "origin", f"git://127.0.0.1:{port}/x.git")
        answer = asking.list_remote_refs("origin")
    assert (answer.state, answer.detail) == (
        "unreachable",
        "fatal: the remote does not answer: git ls-remote ran longer than 3 s",
    )


def test_what_the_user_has_said_of_patience_stays(asking: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a setting of the user's own, or a variable, then git gets none of ours for the same thing."""
    ours = {"GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME", "GIT_SSH_COMMAND"}

    def given() -> set[str]:
        fresh = dataclasses.replace(asking, memory=git.Memory())
        return set(fresh._patience_variables())

    assert given() == ours
    git_in(asking.root)("config", "core.sshCommand", "ssh -v")
    assert given() == ours - {"GIT_SSH_COMMAND"}
    git_in(asking.root)("config", "http.https://example.org.lowSpeedTime", "7")
    assert given() == set()
    git_in(asking.root)("config", "--unset", "core.sshCommand")
    monkeypatch.setenv("GIT_SSH", "plink")
    assert given() == set()


KILLED = """
import sys
from pathlib import Path
from mlops_ci.repository import git, remotes
repo = git.find_repository(Path(sys.argv[1]))
repo.fetch("origin", "refs/heads/*:refs/remotes/origin/*")
"""


def marked_processes(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_nothing_outlives_a_command_that_is_killed_while_it_waits(asking: Repository, tmp_path: Path) -> None:
    """Given git, and an ssh below it, that wait for ever, when our process gets SIGKILL, then both are gone soon."""
    started = tmp_path / "started"
    program(tmp_path / "bin", "ssh", f"touch {started}; trap '' TERM; while :; do sleep 0.1; done")
    git_in(asking.root)("remote", "add", "origin", "ssh://git@example.org/x.git")
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path.cwd()),
        "OF_THIS_TEST": str(tmp_path),
    }
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(asking.root)], env=env)
    while not started.exists():
        assert child.poll() is None
        time.sleep(0.02)
    assert len(marked_processes(str(tmp_path))) > 2
    child.kill()
    child.wait()
    deadline = time.monotonic() + 15
    while (left := marked_processes(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
