"""`gc` removes what is old and was never released, here, at the remote and in the store; and nothing else, ever."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.cli.main import run_command_line
from mlops_ci.core.digest import digest_bytes
from mlops_ci.repository import git
from mlops_ci.repository.git_values import ZERO_OID, Person, RefUpdate
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

RUNS = "refs/mlops/runs/diagnosis"
ADA = Person("Ada", "ada@example.org")


def add_run(consumer: Consumer, key: str, *, days: int, push: bool = False, salt: str = "") -> str:
    """Make a run that is so many days old, with the files of another; return its commit."""
    repo = git.find_repository(consumer.root)
    assert repo is not None
    like = consumer.git("for-each-ref", "--count=1", "--format=%(refname)", "refs/mlops/runs")
    tree = consumer.git("rev-parse", f"{like}^{{tree}}")
    oid = repo.write_commit(tree, (), f"{key}{salt}", ADA, int(time.time()) - days * 86_400)
    if push:
        consumer.git("push", "--quiet", "--force", "origin", f"{oid}:{RUNS}/{key}")
    assert repo.update_refs([RefUpdate(f"{RUNS}/{key}", oid, repo.resolve(f"{RUNS}/{key}") or ZERO_OID)])
    return oid


def runs(consumer: Consumer) -> set[str]:
    """The names of this clone's runs."""
    return {ref.removeprefix(f"{RUNS}/") for ref in consumer.git("for-each-ref", "--format=%(refname)", RUNS).split()}


def published(consumer: Consumer) -> set[str]:
    return {ref.removeprefix(f"{RUNS}/") for ref in consumer.published() if ref.startswith(RUNS)}


def problem(consumer: Consumer, *args: str, code: int) -> str:
    return str(consumer.answer("gc", *args, code=code)["diagnostics"][0]["id"])


@pytest.fixture
def released(gated: Consumer) -> tuple[Consumer, set[str]]:
    """A project with one release, deployed; and the keys of the runs that it stands on: the gated one and its training."""
    mine = runs(gated)
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert len(mine) == 2
    return gated, mine


def test_old_runs_go_here_and_at_the_remote_and_what_was_released_stays(released: tuple[Consumer, set[str]]) -> None:
    consumer, mine = released
    add_run(consumer, "old-here", days=100)
    add_run(consumer, "old-both", days=100, push=True)
    add_run(consumer, "old-there", days=100, push=True)
    consumer.git("update-ref", "-d", f"{RUNS}/old-there")
    add_run(consumer, "young", days=80, push=True)
    before = (runs(consumer), published(consumer))
    dry = consumer.answer("gc", "--dry-run")
    assert (runs(consumer), published(consumer)) == before
    assert [line.split()[:2] for line in dry["plan"]] == [
        ["remove", f"{RUNS}/old-both,"],
        ["remove", f"{RUNS}/old-there,"],
        ["push", "everything"],
        ["remove", f"{RUNS}/old-both,"],
        ["remove", f"{RUNS}/old-here,"],
        ["refs", "all"],
    ]
    said = consumer.answer("gc")["record"]
    assert said == dry["record"]
    assert said["runs"]["kept"] == {"released or deployed": 2, "younger than 90d": 1}
    assert said["runs"]["removed"] == [f"{RUNS}/old-both", f"{RUNS}/old-here", f"{RUNS}/old-there"]
    assert "objects" not in said
    assert runs(consumer) == {*mine, "young"}
    assert published(consumer) == {*before[1]} - {"old-both", "old-there"}
    assert consumer.answer("gc", "--dry-run")["plan"] == []
    consumer.ok("gc", "--keep", "0s")
    assert runs(consumer) == mine
    consumer.ok("fetch", "diagnosis", "out")


def test_without_a_remote_only_this_clone_is_swept(gated: Consumer) -> None:
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    mine = runs(gated)
    add_run(gated, "old", days=100)
    assert "1 run removed, 2 kept: 2 released or deployed" in gated.ok("gc")
    assert runs(gated) == mine


def test_a_deregistered_release_stays(released: tuple[Consumer, set[str]]) -> None:
    consumer, mine = released
    consumer.git("tag", "-a", "diagnosis@v1.0.0!", "-m", "taken back", "diagnosis@v1.0.0^{}")
    consumer.git("push", "--quiet", "origin", "diagnosis@v1.0.0!")
    consumer.ok("gc", "--keep", "0s")
    assert runs(consumer) == mine


def forget(consumer: Consumer, *refs: str) -> None:
    for ref in refs:
        for at in (consumer.root, consumer.origin):
            git_in(at)("update-ref", "-d", ref)


def test_a_release_of_which_only_the_pin_is_left_stays(released: tuple[Consumer, set[str]]) -> None:
    consumer, mine = released
    tags = [name for name in consumer.published() if name.startswith("refs/tags/")]
    forget(consumer, *tags, "refs/mlops/log/diagnosis")
    consumer.git("update-ref", "-d", "refs/mlops/releases/diagnosis/v1.0.0")  # the remote has it still
    consumer.ok("gc", "--keep", "0s")
    assert runs(consumer) == mine


def lose_a_tag(consumer: Consumer) -> None:
    forget(consumer, "refs/tags/diagnosis@v1.0.0")


def lose_the_last_tag(consumer: Consumer) -> None:
    forget(consumer, "refs/tags/diagnosis#staging#1")


def lose_the_remote(consumer: Consumer) -> None:
    consumer.origin.rename(consumer.origin.with_name("gone.git"))


def spoil_a_pin(consumer: Consumer) -> None:
    """Pin what is no run: a release may have been meant."""
    consumer.git("push", "--quiet", "origin", "HEAD:refs/mlops/releases/diagnosis/v9.0.0")


UNKNOWN: dict[str, tuple[Callable[[Consumer], None], str]] = {
    "a hole in the chain": (lose_a_tag, "registry-incomplete"),
    "a truncated chain": (lose_the_last_tag, "registry-incomplete"),
    "no remote in reach": (lose_the_remote, "remote-unreachable"),
    "a pin that is no run": (spoil_a_pin, "store-corrupt"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_nothing_is_removed_when_what_is_released_cannot_be_known(
    released: tuple[Consumer, set[str]], name: str
) -> None:
    consumer, _ = released
    add_run(consumer, "old", days=100, push=True)
    spoil, id = UNKNOWN[name]
    spoil(consumer)
    before = runs(consumer)
    assert problem(consumer, "--keep", "0s", code=3) == id
    assert runs(consumer) == before


def test_a_run_that_is_pushed_again_meanwhile_stays(gated: Consumer) -> None:
    """Given an old run, when another clone makes it anew just before the push, then the push loses, and the new run stays."""
    add_run(gated, "key", days=100, push=True)
    pushes: list[str] = []

    def meanwhile(write: str) -> None:
        if write.startswith("push") and not pushes:
            pushes.append(write)
            like = git_in(gated.origin)("rev-parse", f"{RUNS}/key^{{tree}}")
            fresh = git_in(gated.root)("commit-tree", "-m", "anew", like)
            gated.git("push", "--quiet", "--force", "origin", f"{fresh}:{RUNS}/key")

    with contextlib.chdir(gated.root):
        assert run_command_line(["gc"], observe=meanwhile, wait=lambda _: None) == 0
    assert pushes
    assert "key" in published(gated)
    assert "key" not in runs(gated)  # here it was the old one


def test_a_duration_that_is_none_is_refused(gated: Consumer) -> None:
    assert problem(gated, "--keep", "soon", code=2) == "gc-keep"


def test_objects_that_nothing_needs_go_when_they_are_old_too(kept: tuple[Consumer, Path]) -> None:
    consumer, folder = kept
    consumer.ok("release")
    mine = {path for path in folder.rglob("*") if path.is_file()}

    def add(content: bytes, suffix: str = "", *, old: bool) -> Path:
        sha256 = digest_bytes(content)
        path = folder / "sha256" / sha256[:2] / f"{sha256}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if old:
            os.utime(path, (0, 0))
        return path

    abandoned, young = add(b"abandoned", old=True), add(b"young", old=False)
    killed = add(b"killed", ".0a1b2c_d.part", old=True)
    foreign = folder / "sha256" / "README"
    foreign.write_text("not ours\n")
    for path in (*mine, foreign):
        os.utime(path, (0, 0))
    said = consumer.answer("gc", "--dry-run")["record"]["objects"]
    assert said["kept"] == {"released or deployed": len(mine), "younger than 90d": 1}
    assert said["removed"] == sorted(str(path.relative_to(folder)) for path in (abandoned, killed))
    assert said["size"] == len(b"abandonedkilled")
    assert abandoned.exists()
    # another run takes it up again between the plan and the removal
    with contextlib.chdir(consumer.root):
        assert (
            run_command_line(["gc"], observe=lambda write: os.utime(abandoned) if abandoned.name in write else None)
            == 0
        )
    assert {path for path in folder.rglob("*") if path.is_file()} == {*mine, young, abandoned, foreign}


def test_an_object_that_a_run_needs_stays_as_long_as_the_run(kept: tuple[Consumer, Path]) -> None:
    consumer, folder = kept
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    assert consumer.answer("gc")["record"]["objects"]["kept"] == {"needed by a run that is kept": 5}
    assert "5 objects removed" in consumer.ok("gc", "--keep", "0s")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
