"""Clients that release and deploy at once through a real server: no version twice, no event lost, and everyone is told."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from tests.races.world import Clients, checked, clones, prepared, race
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.git_daemon import Server, serving

RELEASE = ("release", "diagnosis")
DEPLOY = ("deploy", "diagnosis", "--env", "staging")


def hook_of(consumer: Consumer, name: str, script: str) -> Path:
    hook = consumer.origin / "hooks" / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)
    return hook


def overtaken(consumer: Consumer, other: Consumer, command: str) -> None:
    """Let another clone's command come first, while the next push waits to be accepted."""
    unset = "env -u GIT_DIR -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES"
    run = f'cd "{other.root}" && {unset} "{sys.executable}" -m mlops_ci {command} >&2'
    hook_of(consumer, "pre-receive", f'rm "$0"\n{run}')


@pytest.mark.slow
def test_four_clients_release_and_deploy_at_once(gated: Consumer, tmp_path: Path) -> None:
    commits = prepared(gated, 8)
    with serving(gated.origin.parent) as server, Clients(clones(gated, tmp_path, server.url, 4)) as clients:
        attempts = race(clients, 4, 2, commits)
    endings = checked(gated, attempts, tmp_path)
    assert endings["release: success"] >= 4


def test_what_somebody_else_has_just_done_is_not_undone(gated: Consumer, tmp_path: Path) -> None:
    """Given a deployment, or a release, that another's deployment overtakes, then it ends as superseded, and writes nothing."""
    *released, candidate = prepared(gated, 3)
    for commit in released:
        gated.git("switch", "--quiet", "--detach", commit)
        gated.ok(*RELEASE)
    gated.git("switch", "--quiet", "--detach", candidate)
    git_in(tmp_path)("clone", "--quiet", str(gated.origin), "other")
    other = Consumer(tmp_path / "other", gated.origin)
    deploy = ("deploy", "diagnosis@1.2.0", "--env", "staging")

    overtaken(gated, other, "deploy diagnosis@1.1.0 --env staging")
    (found,) = gated.answer(*deploy, code=1)["diagnostics"]
    assert (found["id"], "diagnosis#staging#3" in found["message"]) == ("superseded", True)
    assert gated.answer("show", "diagnosis")["record"]["models"][0]["environments"]["staging"] == "1.1.0"

    overtaken(gated, other, "deploy diagnosis@1.1.0 --env prod")
    ids = [found["id"] for found in gated.answer(*RELEASE, code=1)["diagnostics"]]
    assert ids == ["superseded", "release-not-gated"]
    assert "refs/tags/diagnosis@v1.3.0" not in gated.published()
    gated.ok(*deploy)  # decided again


@pytest.mark.parametrize(
    ("hook", "when", "arrived"),
    [("pre-receive", "", False), ("reference-transaction", "committed", True)],
    ids=["before anything is written", "before the answer is sent"],
)
@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_a_server_killed_in_the_middle_of_a_push_has_all_or_nothing(
    gated: Consumer, tmp_path: Path, hook: str, when: str, arrived: bool, command: tuple[str, ...]
) -> None:
    if command is DEPLOY:
        gated.ok(*RELEASE)
    before, reached = gated.published(), tmp_path / "reached"
    sleeping = hook_of(gated, hook, f'[ "$1" = "{when}" ] || exit 0\ntouch "{reached}"\nsleep 60')
    with serving(gated.origin.parent) as server:
        gated.git("remote", "set-url", "origin", f"{server.url}/{gated.origin.name}")
        killer = threading.Thread(target=kill_when, args=(reached, server))
        killer.start()
        (found,) = gated.answer(*command, code=3)["diagnostics"]
        killer.join()
    assert found["id"] == "remote-unreachable"
    git_in(gated.origin)("fsck", "--connectivity-only")
    assert (gated.published() != before) == arrived
    sleeping.unlink()
    with serving(gated.origin.parent, port=server.port):
        gated.ok(*command)
    new = set(gated.published()) - set(before)
    tag = "diagnosis@v1.0.0" if command is RELEASE else "diagnosis#staging#1"
    assert [name for name in new if name.startswith("refs/tags/")] == [f"refs/tags/{tag}"]
    assert git_in(gated.origin)("show", "refs/mlops/log/diagnosis:tag").split()[1] == tag


def kill_when(reached: Path, server: Server) -> None:
    for _ in range(6000):  # the command may fail before it pushes, which its own assertion then says
        if reached.exists():
            break
        time.sleep(0.01)
    server.kill()
