"""Rewritten history, missing objects, a full disk, no network, no permission: a diagnostic, nothing lost, and later it works."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.git_daemon import serving
from tests.support.places import ROOT, SUPPORT

RELEASE = ("release", "diagnosis")
DEPLOY = ("deploy", "diagnosis", "--env", "staging")
GATE = ("gate", "diagnosis")


def ready(consumer: Consumer, command: tuple[str, ...]) -> None:
    """Bring a project so far that the command has something to do."""
    if command is DEPLOY:
        consumer.ok(*RELEASE)
    if command is GATE:
        model = consumer.root / "models/diagnosis.yaml"
        model.write_text(model.read_text().replace("seed: 7", "seed: 8"))


def refused(consumer: Consumer, command: tuple[str, ...], code: int) -> list[str]:
    """Run what must fail, insist that the origin and every local ref that was there are as before, and give the findings."""
    published, here = consumer.published(), consumer.git("for-each-ref", "refs/heads", "refs/tags", "refs/mlops")
    found = consumer.answer(*command, code=code)["diagnostics"]
    assert consumer.published() == published
    assert set(here.splitlines()) <= set(consumer.git("for-each-ref").splitlines())
    assert consumer.git("status", "--porcelain", "--untracked-files=no") in ("", "M models/diagnosis.yaml")
    return [item["id"] for item in found]


def rewritten(ref: str) -> Callable[[Path], None]:
    def rewrite(origin: Path) -> None:
        run = git_in(origin)
        other = run("commit-tree", "main^{tree}", "-m", "somebody else's history")
        run("update-ref", ref, other)

    return rewrite


def deleted(ref: str) -> Callable[[Path], None]:
    def delete(origin: Path) -> None:
        git_in(origin)("update-ref", "-d", ref)

    return delete


REWRITES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], int, str]] = {
    "branch": (rewritten("refs/heads/main"), RELEASE, 1, "release-not-on-branch"),
    "tag": (rewritten("refs/tags/diagnosis@v1.0.0"), DEPLOY, 3, "registry-diverged"),
    "tag deleted": (deleted("refs/tags/diagnosis@v1.0.0"), DEPLOY, 3, "registry-unpublished"),
    "log": (rewritten("refs/mlops/log/diagnosis"), DEPLOY, 3, "registry-diverged"),
}


@pytest.mark.parametrize("what", REWRITES)
def test_history_that_was_rewritten_at_the_origin_stops_what_builds_on_it(gated: Consumer, what: str) -> None:
    rewrite, command, code, id = REWRITES[what]
    ready(gated, command)
    shutil.copytree(gated.origin, gated.origin.with_name("as it was"))
    rewrite(gated.origin)
    assert refused(gated, command, code)[0] == id
    shutil.rmtree(gated.origin)
    gated.origin.with_name("as it was").rename(gated.origin)
    gated.ok(*command)


def test_nothing_is_deployed_that_was_made_beside_the_branch_as_it_was_rewritten(gated: Consumer) -> None:
    gated.ok(*RELEASE)
    tip = gated.git("rev-parse", "HEAD")
    origin = git_in(gated.origin)
    empty = subprocess.run(["git", "mktree"], cwd=gated.origin, input="", capture_output=True, text=True, check=True)
    origin("update-ref", "refs/heads/main", origin("commit-tree", empty.stdout.strip(), "-m", "nothing"))
    assert refused(gated, DEPLOY, 1) == ["event-unverified"]
    origin("update-ref", "refs/heads/main", tip)
    gated.ok(*DEPLOY)


@contextlib.contextmanager
def without(folder: Path, oid: str) -> Iterator[None]:
    """Take one object out of a repository's store for a while."""
    git_dir = folder / ".git" if (folder / ".git").is_dir() else folder
    for pack in (git_dir / "objects/pack").glob("*.pack"):
        moved = pack.rename(folder.parent / pack.name)
        with moved.open("rb") as stream:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=folder, stdin=stream, check=True)
    loose = git_dir / "objects" / oid[:2] / oid[2:]
    aside = loose.rename(folder.parent / "aside")
    yield
    aside.rename(loose)


@pytest.mark.parametrize("object", ["^{commit}", "^{tree}", ":model/model.skops", ":run.json"])
def test_a_missing_object_of_the_store_is_a_diagnostic(gated: Consumer, object: str) -> None:
    refs = gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    judged = next(ref for ref in refs if "comparison.json" in gated.git("ls-tree", "--name-only", ref).split())
    with without(gated.root, gated.git("rev-parse", f"{judged}{object}")):
        done = gated.run(*RELEASE)
        assert (done.returncode in (1, 3), "Traceback" in done.stderr) == (True, False), done.stderr
        assert not [name for name in gated.published() if name.startswith("refs/tags/")]
    gated.ok(*RELEASE)


def test_a_missing_object_at_the_origin_is_a_diagnostic(gated: Consumer, tmp_path: Path) -> None:
    """Given an origin that has lost a released model's bytes, when a fresh clone wants them, then it is told so."""
    gated.ok(*RELEASE)
    git_in(tmp_path)("clone", "--quiet", f"file://{gated.origin}", "fresh")
    fresh = Consumer(tmp_path / "fresh", gated.origin)
    fetch = ("fetch", "diagnosis", str(tmp_path / "model"))
    oid = gated.git("rev-parse", "refs/mlops/releases/diagnosis/v1.0.0:model/model.skops")
    with without(gated.origin, oid):
        assert refused(fresh, fetch, 3) == ["remote-unreachable"]
        assert not (tmp_path / "model").exists()
    fresh.ok(*fetch)


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process, or of what it starts, grows beyond `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def limited(consumer: Consumer, limit: int, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SUPPORT / "limited.py"), str(limit), *command],
        cwd=consumer.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "remote", "limits"),
    [
        (RELEASE, True, (200, 20_000)),
        (RELEASE, False, (2_000,)),
        (DEPLOY, True, (40, 2_000)),
        (DEPLOY, False, (40,)),
        (GATE, True, (2_000,)),
    ],
)
def test_a_full_disk_loses_nothing(
    gated: Consumer, command: tuple[str, ...], remote: bool, limits: tuple[int, ...]
) -> None:
    if not remote:
        gated.git("remote", "remove", "origin")
    ready(gated, command)
    for limit in limits:
        published, here = gated.published(), gated.git("for-each-ref")
        done = limited(gated, limit, command)
        assert (done.returncode in (1, 3), "error[" in done.stderr + done.stdout) == (True, True), done.stderr
        assert "Traceback" not in done.stderr
        assert (gated.published(), gated.git("for-each-ref")) == (published, here)
    gated.ok(*command)
    gated.git("fsck", "--connectivity-only")


def test_a_disk_without_room_for_a_temporary_folder_is_a_diagnostic(gated: Consumer) -> None:
    done = limited(gated, 0, ("show",))
    assert (done.returncode, "disk-full" in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr


@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_a_full_disk_at_the_origin_loses_nothing(gated: Consumer, command: tuple[str, ...]) -> None:
    ready(gated, command)
    with contextlib.ExitStack() as stack:
        with full_disk(100):  # which the daemon keeps
            server = stack.enter_context(serving(gated.origin.parent))
        gated.git("remote", "set-url", "origin", f"{server.url}/{gated.origin.name}")
        (told,) = refused(gated, command, 3)
        assert told in ("push-refused", "remote-unreachable")  # what the signal kills may be what would have answered
    with serving(gated.origin.parent, port=server.port):
        gated.ok(*command)


@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_nobody_answers_at_the_remotes_address(gated: Consumer, command: tuple[str, ...]) -> None:
    ready(gated, command)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
        gated.git("remote", "set-url", "origin", f"git://127.0.0.1:{taken.getsockname()[1]}/origin.git")
        assert refused(gated, command, 3) == ["remote-unreachable"]
    gated.git("remote", "set-url", "origin", str(gated.origin))
    gated.ok(*command)


@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_an_origin_that_can_only_be_read_is_a_diagnostic(gated: Consumer, command: tuple[str, ...]) -> None:
    ready(gated, command)
    with serving(gated.origin.parent, push=False) as server:
        gated.git("remote", "set-url", "origin", f"{server.url}/{gated.origin.name}")
        assert refused(gated, command, 3) == ["push-refused"]
    with serving(gated.origin.parent, port=server.port):
        gated.ok(*command)


@pytest.mark.parametrize("command", [RELEASE, DEPLOY], ids=["release", "deploy"])
def test_a_rule_against_one_of_the_refs_stops_all_of_them(gated: Consumer, command: tuple[str, ...]) -> None:
    """Given an origin that takes no logs from this user, when the event is pushed, then no part of it arrives."""
    ready(gated, command)
    hook = gated.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/mlops/log/*) echo "no logs" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    assert refused(gated, command, 3) == ["push-refused"]
    hook.unlink()
    gated.ok(*command)
