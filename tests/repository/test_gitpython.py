"""GitPython gives git's own answers where it is used, starts nothing, and is not led elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import git as gitpython
import pytest

from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.repository.gitpython import RefReader, read_ref, read_symbolic_target
from tests.support.git_calls import git_in


def pack(repo: Repository, _: Path) -> Repository:
    git_in(repo.root)("pack-refs", "--all")
    return repo


def detach(repo: Repository, _: Path) -> Repository:
    git_in(repo.root)("checkout", "--quiet", "--detach")
    return repo


def link(repo: Repository, folder: Path) -> Repository:
    git_in(repo.root)("worktree", "add", "--quiet", str(folder / "linked"))
    git_in(folder / "linked")("commit", "--quiet", "--allow-empty", "-m", "there")
    return found_in(folder / "linked")


def mirror(repo: Repository, folder: Path) -> Repository:
    git_in(repo.root)("clone", "--quiet", "--mirror", ".", str(folder / "mirror.git"))
    return found_in(folder / "mirror.git")


def clone_of(repo: Repository, folder: Path) -> Repository:
    git_in(repo.root)("clone", "--quiet", ".", str(folder / "clone"))
    return found_in(folder / "clone")


def unborn(_: Repository, folder: Path) -> Repository:
    (folder / "unborn").mkdir()
    return git.create_repository(folder / "unborn")


def found_in(folder: Path) -> Repository:
    found = git.find_repository(folder)
    assert found is not None
    return found


def as_git_says(repo: Repository, *args: str) -> str | None:
    answer = repo.run(*args, check=False)
    return answer.text if answer.status == 0 else None


NAMES = (
    "HEAD",
    "refs/heads/main",
    "refs/heads/linked",
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/tags/a",
)
SHAPES: tuple[Callable[[Repository, Path], Repository], ...] = (pack, detach, link, mirror, clone_of, unborn)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_refs_are_those_that_git_reads(
    repo: Repository, tmp_path: Path, shape: Callable[[Repository, Path], Repository]
) -> None:
    git_in(repo.root)("tag", "-a", "-m", "a", "a")
    shaped = shape(repo, tmp_path)
    for name in NAMES:
        said = as_git_says(shaped, "rev-parse", "--verify", "--quiet", name)
        assert shaped.resolve(name) == said
        assert read_ref(shaped, name) in (said, None)
        leads_to = as_git_says(shaped, "symbolic-ref", "--quiet", name)
        assert shaped.symbolic_target(name) == leads_to
        assert read_symbolic_target(shaped, name) in (leads_to, None)


def test_what_is_checked_out_is_read_without_git(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    head = git_in(repo.root)("rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (repo.current_branch(), repo.head(), repo.resolve("refs/heads/main")) == ("main", head, head)


def test_variables_of_an_outer_git_lead_nowhere(
    repo: Repository, clone: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a hook's variables that name another repository, when refs are read, then they are those of our own."""
    git_in(repo.root)("commit", "--quiet", "--allow-empty", "-m", "second")
    head = git_in(repo.root)("rev-parse", "HEAD")
    for name, value in (
        ("GIT_DIR", clone.git_dir),
        ("GIT_COMMON_DIR", clone.common_dir),
        ("GIT_OBJECT_DIRECTORY", clone.common_dir / "objects"),
        ("GIT_WORK_TREE", clone.root),
        ("GIT_PYTHON_GIT_EXECUTABLE", "/bin/true"),
    ):
        monkeypatch.setenv(name, str(value))
    before = dict(os.environ)
    assert (read_ref(repo, "HEAD"), read_symbolic_target(repo, "HEAD")) == (head, "refs/heads/main")
    assert dict(os.environ) == before


def test_importing_it_starts_nothing(tmp_path: Path) -> None:
    """Given a `git` that leaves a trace, when GitPython is imported as this package does, then there is no trace."""
    (tmp_path / "git").write_text("#!/bin/sh\ntouch trace\n")
    (tmp_path / "git").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for code, traced in (("import mlops_ci.repository.gitpython", False), ("import git", True)):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=not traced, capture_output=True)
        assert (tmp_path / "trace").exists() == traced


def test_it_can_start_nothing(repo: Repository, tmp_path: Path) -> None:
    """Given a remote that is a command, and hooks, when GitPython is asked to work on them, then it finds no git to run."""
    with RefReader(repo.root) as reader:
        remote = gitpython.Remote(reader, "origin")
        for attempt in (
            reader.git.version,
            lambda: reader.git.fetch(f"ext::touch {tmp_path / 'ran'}"),
            lambda: remote.fetch("main"),
            lambda: reader.is_dirty(),
            lambda: reader.head.commit,
        ):
            with pytest.raises(gitpython.GitCommandNotFound):
                attempt()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../secret", "refs/../../secret", "/etc/hostname", "refs/heads/../../../secret"])
def test_a_name_does_not_lead_out_of_the_repository(repo: Repository, tmp_path: Path, name: str) -> None:
    for place in (tmp_path / "secret", repo.root / "secret", repo.git_dir / "secret"):
        place.write_text("f" * 40)
    assert read_ref(repo, name) is None
    assert read_symbolic_target(repo, name) is None


def test_an_included_file_is_not_read(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("[core]\n bare = not a boolean\n[broken\n")
    with (repo.common_dir / "config").open("a") as config:
        config.write(f"[include]\n path = {tmp_path / 'more'}\n")
    assert read_symbolic_target(repo, "HEAD") == "refs/heads/main"
