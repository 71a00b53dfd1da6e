"""Answers of git: what was found, what is not there, what was refused, and what could not be asked are four things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID
from tests.support.git_calls import git_in

NOWHERE = "f" * 40


def corrupt_object(repo: Repository, oid: str) -> None:
    file = repo.common_dir / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(b"garbage")


def head_of(repo: Repository) -> str:
    head = repo.head()
    assert head is not None
    return head


ABSENT: list[tuple[str, Callable[[Repository], object], object]] = [
    ("a ref", lambda repo: repo.resolve("refs/heads/none"), None),
    ("a commit by its id", lambda repo: repo.resolve(f"{NOWHERE}^{{commit}}"), None),
    ("a path of a commit", lambda repo: repo.resolve("HEAD:none"), None),
    ("a symbolic ref", lambda repo: repo.symbolic_target("refs/remotes/origin/HEAD"), None),
    ("a setting", lambda repo: repo.config_value("no.such"), None),
    ("settings", lambda repo: repo.config_values("no.such"), ()),
    ("settings by pattern", lambda repo: repo.config_matching("^no[.]"), {}),
    ("a folder", lambda repo: repo.list_files("HEAD", "none"), {}),
    ("a folder that is a file", lambda repo: repo.list_files("HEAD", "README"), {}),
    ("a blob", lambda repo: repo.read_blob("HEAD:none"), None),
    ("a blob that is a tree", lambda repo: repo.read_blob("HEAD^{tree}"), None),
    ("an object", lambda repo: next(repo.read_objects([NOWHERE])), None),
    ("an object's type", lambda repo: repo.object_type(NOWHERE), None),
    ("a commit on a branch", lambda repo: repo.contains_commit("refs/heads/none", "HEAD"), False),
    ("the refs that have a commit", lambda repo: repo.refs_containing(NOWHERE, "refs/"), ()),
    ("a bundle", lambda repo: repo.unbundle(repo.root / "README"), None),
    ("remotes", lambda repo: repo.default_remote(), None),
]


@pytest.mark.parametrize(("ask", "expected"), [row[1:] for row in ABSENT], ids=[row[0] for row in ABSENT])
def test_what_is_not_there_is_an_answer(
    repo: Repository, ask: Callable[[Repository], object], expected: object
) -> None:
    assert ask(repo) == expected


UNREADABLE: list[tuple[str, Callable[[Repository], object]]] = [
    ("a commit", lambda repo: repo.resolve("HEAD^{commit}")),
    ("a commit's files", lambda repo: repo.list_files("HEAD")),
    ("a file", lambda repo: repo.read_blob("HEAD:README")),
    ("a commit as a file", lambda repo: repo.read_blob(git_in(repo.root)("rev-parse", "HEAD"))),
    ("objects", lambda repo: list(repo.read_objects(["HEAD", "HEAD:README"]))),
    ("objects' sizes", lambda repo: repo.read_object_infos(["HEAD"])),
    ("a branch's history", lambda repo: repo.contains_commit("HEAD", "HEAD~1")),
]


@pytest.mark.parametrize("ask", [row[1] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_what_is_damaged_is_no_answer(repo: Repository, ask: Callable[[Repository], object]) -> None:
    """Given a commit whose object is damaged, when it is asked about, then git's failure is told and not taken for absence."""
    git_in(repo.root)("commit", "--quiet", "--allow-empty", "-m", "second")
    corrupt_object(repo, head_of(repo))
    with pytest.raises(EnvironmentProblem) as caught:
        ask(repo)
    assert caught.value.diagnostics[0].id == "git-failed"


def test_who_reports_on_damage_is_given_the_rest(repo: Repository) -> None:
    oid = repo.write_blob(b"damaged soon")
    corrupt_object(repo, oid)
    names = ["HEAD:README", oid, NOWHERE, "HEAD:README"]
    assert list(repo.read_objects(names, or_corrupt=True)) == [b"hello\n", None, None, b"hello\n"]
    assert [one and one.type for one in repo.read_object_infos(names, or_corrupt=True)] == ["blob", None, None, "blob"]


def test_a_ref_whose_file_is_damaged_is_no_absent_ref(repo: Repository) -> None:
    (repo.common_dir / "refs" / "heads" / "torn").write_text("")
    with pytest.raises(EnvironmentProblem, match="torn"):
        repo.resolve("refs/heads/torn")


def test_a_configuration_that_cannot_be_read_is_not_an_empty_one(repo: Repository) -> None:
    config = repo.common_dir / "config"
    config.write_text(f"{config.read_text()}[broken\n")
    for ask in (lambda: repo.config_value("a.b"), repo.identity, repo.remotes, lambda: git.find_repository(repo.root)):
        with pytest.raises(EnvironmentProblem, match="bad config"):
            ask()


def test_a_file_with_a_line_break_in_its_name_is_refused_and_not_missed(repo: Repository) -> None:
    with pytest.raises(EnvironmentProblem, match="line break"):
        repo.read_blob("HEAD:a\nb")


def test_a_remote_that_has_nothing_is_not_one_that_is_gone(clone: Repository, tmp_path: Path) -> None:
    assert clone.list_remote_refs("origin", "refs/heads/*").state == "found"
    assert clone.list_remote_refs("origin", "refs/none/*").state == "absent"
    assert clone.remote_ref_names("origin", "refs/none/*") == frozenset()
    assert clone.fetch("origin", "refs/none:refs/none").state == "absent"
    assert clone.fetch("origin", "refs/heads/main:refs/heads/copy").state == "done"
    (tmp_path / "origin.git").rename(tmp_path / "gone.git")
    assert clone.list_remote_refs("origin", "refs/heads/*").state == "unreachable"
    assert clone.fetch("origin", "refs/none:refs/none").state == "unreachable"
    with pytest.raises(EnvironmentProblem, match="does not appear to be a git repository") as caught:
        clone.remote_ref_names("origin", "refs/none/*")
    assert caught.value.diagnostics[0].id == "remote-unreachable"


def test_a_remote_that_refuses_us_is_not_one_that_is_gone(
    clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a remote over SSH that does not let us in, when it is asked, then it says so and nothing is taken for absent."""
    door = tmp_path / "ssh"
    door.write_text("#!/bin/sh\necho 'git@example.org: Permission denied (publickey).' >&2\nexit 255\n")
    door.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(door))
    git_in(clone.root)("remote", "set-url", "origin", "ssh://git@example.org/a.git")
    assert clone.list_remote_refs("origin", "refs/heads/*").state == "refused"
    assert clone.fetch("origin", "refs/heads/main").state == "refused"
    assert clone.ask_default_branch("origin").state == "refused"
    with pytest.raises(EnvironmentProblem, match=r"denies access: git@example.org: Permission denied \(publickey\)"):
        clone.remote_ref_oids("origin", "refs/heads/*")


def test_the_default_branch_is_what_the_remote_says(clone: Repository, tmp_path: Path) -> None:
    """Given a clone that remembers `main`, when the remote names another branch or none, then the clone's memory is no answer."""
    origin = git_in(tmp_path / "origin.git")
    assert clone.ask_default_branch("origin").name == "main"
    origin("branch", "--move", "main", "trunk")
    assert clone.symbolic_target("refs/remotes/origin/HEAD") == "refs/remotes/origin/main"
    assert clone.ask_default_branch("origin").name == "trunk"
    origin("update-ref", "--no-deref", "HEAD", head_of(clone))
    assert (clone.ask_default_branch("origin").state, clone.ask_default_branch("origin").name) == ("absent", None)
    origin("symbolic-ref", "HEAD", "refs/heads/unborn")
    assert (clone.ask_default_branch("origin").state, clone.ask_default_branch("origin").name) == ("absent", None)


def test_refs_that_moved_here_and_there_are_named(clone: Repository, repo: Repository, tmp_path: Path) -> None:
    mine = clone.write_blob(b"mine")
    clone.run("update-ref", "refs/tags/one", mine, ZERO_OID)
    git_in(repo.root)("push", "--quiet", str(tmp_path / "origin.git"), "HEAD:refs/tags/one")
    answer = clone.fetch("origin", "refs/tags/*:refs/tags/*")
    assert (answer.state, answer.rejected_refs) == ("rejected", ("one",))
