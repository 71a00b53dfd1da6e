"""Why git is asked and not GitPython: each reason in the table, shown on real repositories. One that is no longer true fails here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import git as gitpython
import gitdb
import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, RefUpdate
from mlops_ci.repository.gitpython import RefReader, read_ref, read_symbolic_target
from mlops_ci.repository.plain_git import PLAIN_GIT_REASONS
from tests.support.git_calls import git_in

World = tuple[Repository, Path, pytest.MonkeyPatch]


@pytest.fixture
def world(repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return repo, tmp_path, monkeypatch


@pytest.fixture(autouse=True)
def gitpython_has_git(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """GitPython as others have it, which runs git; ours cannot."""
    monkeypatch.setattr(gitpython.Git, "GIT_PYTHON_GIT_EXECUTABLE", "git")
    yield
    gitdb.util.mman.collect()


def other_repository(folder: Path, *options: str) -> Repository:
    folder.mkdir()
    run = git_in(folder)
    run("init", "--quiet", *options)
    (folder / "README").write_text("hello\n")
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    found = git.find_repository(folder)
    assert found is not None
    return found


def show_discovery(world: World) -> None:
    repo, _, monkeypatch = world
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(EnvironmentProblem, match="belongs to another user"):
        git.find_repository(repo.root)
    with gitpython.Repo(repo.root) as opened:
        assert opened.head.reference.name == "main"


def show_configuration(world: World) -> None:
    repo, folder, monkeypatch = world
    (folder / "more").write_text("[mlops]\n included = yes\n")
    run = git_in(repo.root)
    run("config", "includeIf.hasconfig:remote.*.url:https://example.org/**.path", str(folder / "more"))
    run("config", "remote.origin.url", "https://example.org/a.git")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "mlops.given")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "yes")
    assert (repo.config_value("mlops.included"), repo.config_value("mlops.given")) == ("yes", "yes")
    with gitpython.Repo(repo.root) as opened, pytest.raises(RecursionError):
        opened.config_reader().get_value("mlops", "included")
    assert repo.current_branch() == "main"  # our reader of refs follows no includes
    run("config", "--unset", "includeIf.hasconfig:remote.*.url:https://example.org/**.path")
    with gitpython.Repo(repo.root) as opened:
        assert not opened.config_reader().has_section("mlops")


def show_remotes(world: World) -> None:
    repo, _, _ = world
    run = git_in(repo.root)
    run("config", "--global", "remote.upstream.url", "https://example.org/b.git")
    run("config", "--global", "url.https://mirror.example.org/.insteadOf", "https://example.org/")
    run("config", "remote.origin.url", "https://example.org/a.git")
    assert set(repo.remotes()) == {"origin", "upstream"}
    assert repo.effective_url("origin") == "https://mirror.example.org/a.git"
    assert repo.remote_url("origin") == "https://example.org/a.git"
    with gitpython.Repo(repo.root) as opened:
        assert [remote.name for remote in opened.remotes] == ["origin"]
        assert opened.remotes[0].config_reader.get("url") == "https://example.org/a.git"


def show_transfer(world: World) -> None:
    repo, folder, _ = world
    git_in(repo.root)("clone", "--quiet", "--bare", ".", str(folder / "origin.git"))
    git_in(repo.root)("remote", "add", "origin", str(folder / "origin.git"))
    hook = repo.common_dir / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\necho ran >> '{folder / 'ran'}'\n")
    hook.chmod(0o755)
    assert repo.fetch("origin", "+refs/heads/*:refs/remotes/origin/*").state == "done"
    assert not (folder / "ran").exists()
    git_in(repo.root)("update-ref", "-d", "refs/remotes/origin/main")
    (folder / "ran").unlink()
    with gitpython.Repo(repo.root) as opened:
        opened.remote("origin").fetch("+refs/heads/*:refs/remotes/origin/*")
    assert (folder / "ran").exists()


def show_objects(world: World) -> None:
    repo, folder, _ = world
    other = other_repository(folder / "sha256", "--object-format=sha256")
    oid = other.resolve("HEAD^{tree}")
    assert oid is not None
    assert len(oid) == 64
    assert other.read_blob("HEAD:README") == b"hello\n"
    with gitpython.Repo(other.root) as opened:
        with pytest.raises(ValueError, match="Failed to parse header"):
            opened.git.get_object_header(oid)
        with pytest.raises(ValueError, match="Failed to parse reference"):
            _ = opened.head.commit
    with pytest.warns(match="security and performance"):
        gitpython.Repo(repo.root, odbt=gitdb.GitDB).close()


def show_revisions(world: World) -> None:
    repo, _, _ = world
    assert repo.resolve("HEAD@{1.day.ago}") == repo.head()
    with (
        gitpython.Repo(repo.root) as opened,
        pytest.raises(NotImplementedError),
    ):
        opened.rev_parse("HEAD@{1.day.ago}")


def show_history(world: World) -> None:
    repo, _, _ = world
    head = repo.head()
    assert head is not None
    assert list(repo.reachable_commits([head])) == [head]
    with RefReader(repo.root) as opened, pytest.raises(gitpython.GitCommandNotFound):
        next(opened.iter_commits(head))


def show_listing(world: World) -> None:
    repo, _, _ = world
    for verb in (("show",), ("history",), ("--version",)):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "mlops_ci", *verb],
            cwd=repo.root,
            check=True,
            capture_output=True,
            text=True,
        )
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "mlops_ci" in imported
        assert not imported & {"git", "gitdb", "mlops_ci.repository.gitpython"}


def show_reftable(world: World) -> None:
    repo, folder, _ = world
    (repo.common_dir / "reftable").mkdir()
    assert read_symbolic_target(repo, "HEAD") is None
    try:
        other = other_repository(folder / "reftable", "--ref-format=reftable")
    except subprocess.CalledProcessError:
        return  # a git that knows no reftables refuses repositories that have them
    assert other.current_branch() == "main"
    assert read_ref(other, "refs/heads/main") is None
    with gitpython.Repo(other.root) as opened, pytest.raises(ValueError, match=r"does not exist|Invalid"):
        gitpython.SymbolicReference.dereference_recursive(opened, "refs/heads/main")


def show_sha256(world: World) -> None:
    _, folder, _ = world
    other = other_repository(folder / "sha256", "--object-format=sha256")
    assert read_ref(other, "HEAD") is None
    assert other.head() == git_in(other.root)("rev-parse", "HEAD")


def show_absence(world: World) -> None:
    repo, _, _ = world
    (repo.common_dir / "refs" / "heads" / "torn").write_text("no id\n")
    assert repo.resolve("refs/heads/none") is None
    with pytest.raises(EnvironmentProblem):
        repo.resolve("refs/heads/torn")
    with gitpython.Repo(repo.root) as opened:
        for name in ("none", "torn"):
            with pytest.raises(ValueError, match="refs/heads"):
                gitpython.SymbolicReference.dereference_recursive(opened, f"refs/heads/{name}")


def show_writes(world: World) -> None:
    repo, _, _ = world
    first = repo.head()
    run = git_in(repo.root)
    run("commit", "--quiet", "--allow-empty", "-m", "second")
    second = run("rev-parse", "HEAD")
    assert first is not None
    assert not repo.update_refs(
        [RefUpdate("refs/heads/main", first, ZERO_OID), RefUpdate("refs/heads/x", first, ZERO_OID)]
    )
    assert (run("rev-parse", "main"), repo.resolve("refs/heads/x")) == (second, None)
    with gitpython.Repo(repo.root) as opened:
        gitpython.Head(opened, "refs/heads/main").set_object(opened.commit(first))
    assert run("rev-parse", "main") == first


DEMONSTRATIONS: dict[str, Callable[[World], None]] = {
    name.removeprefix("show_"): one for name, one in list(globals().items()) if name.startswith("show_")
}


# GitPython's own: what it began to read when it failed complains once more when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("operation", DEMONSTRATIONS)
def test_each_reason_for_git_itself_is_true(operation: str, world: World) -> None:
    DEMONSTRATIONS[operation](world)


def test_each_reason_is_shown() -> None:
    assert DEMONSTRATIONS.keys() == PLAIN_GIT_REASONS.keys()
