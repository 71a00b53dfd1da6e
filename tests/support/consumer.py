"""A project that has been through the gate once; each test works on a copy of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.cli.main import run_command_line
from tests.support.git_calls import git_in
from tests.support.output_schemas import schema_faults


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Consumer:
    """A consumer's clone at `root` and the bare origin it pushes to."""

    root: Path
    origin: Path

    def run(self, *args: str) -> Done:
        """Run a command line here, in this process: its imports are paid for once. Other tests run real processes."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command_line(args, wait=lambda _: None)
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *args: str) -> str:
        """Run, insist on exit 0, and give what was printed."""
        done = self.run(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answer(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Run with --format json, insist on the exit code, and give the answer."""
        done = self.run(*args, "--format", "json")
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert schema_faults(found, args) == []
        return found

    def git(self, *args: str) -> str:
        return git_in(self.root)(*args)

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def published(self) -> dict[str, str]:
        """Every ref of the origin, by name."""
        listing = git_in(self.origin)("for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in listing.splitlines())


def make_consumer(root: Path, template: str) -> Consumer:
    """Make a repository from a template, pushed to a bare origin."""
    root.mkdir()
    git_in(root)("init", "--quiet", "--bare", "origin.git")
    git_in(root)("clone", "--quiet", "origin.git", "clone")
    consumer = Consumer(root / "clone", root / "origin.git")
    consumer.ok("init", ".", "--template", template)
    consumer.commit("start")
    consumer.git("push", "--quiet", "--set-upstream", "origin", "main")
    return consumer


def copy_of(made: Consumer, folder: Path) -> Consumer:
    """Copy a consumer with its origin, so that a test can do to both what it likes."""
    shutil.copytree(made.origin.parent, folder / "world", symlinks=True)
    consumer = Consumer(folder / "world" / made.root.name, folder / "world" / made.origin.name)
    consumer.git("remote", "set-url", "origin", str(consumer.origin))
    return consumer


@contextlib.contextmanager
def home_of_ada(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give what is made once for all tests the same git configuration that each test has."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n"
    )
    before = os.environ.get("HOME", "")
    os.environ["HOME"] = str(home)
    try:
        yield
    finally:
        os.environ["HOME"] = before


@pytest.fixture(scope="session")
def world_of_gated(tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = make_consumer(tmp_path_factory.mktemp("gated") / "minimal", "minimal")
        made.ok("gate")
    return made


@pytest.fixture
def gated(world_of_gated: Consumer, tmp_path: Path) -> Consumer:
    """The template `minimal`, committed, pushed and through the gate; nothing is released."""
    return copy_of(world_of_gated, tmp_path)


def edit(consumer: Consumer, path: str, old: str, new: str) -> None:
    text = (consumer.root / path).read_text()
    assert old in text
    (consumer.root / path).write_text(text.replace(old, new, 1))


def keep_at(consumer: Consumer, url: str, limit: int = 0) -> None:
    """Move the store, commit and push; the runs that the fixture made are forgotten, so that new ones go there."""
    edit(consumer, "mlops.yaml", "spec:\n", f"spec:\n  store: {url}\n  storeLimitMb: {limit}\n")
    consumer.commit("Keep large files elsewhere")
    consumer.git("push", "--quiet")
    for ref in consumer.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split():
        consumer.git("update-ref", "-d", ref)


@pytest.fixture(scope="session")
def world_of_kept(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Consumer, Path]:
    folder = tmp_path_factory.mktemp("kept")
    made = copy_of(world_of_gated, folder)
    made.git("config", "user.name", "Ada Lovelace")
    made.git("config", "user.email", "ada@example.org")
    keep_at(made, f"file://{folder}/store")
    made.ok("gate")
    shutil.copytree(folder / "store", folder / "as-gated")
    return made, folder / "store"


@pytest.fixture
def kept(world_of_kept: tuple[Consumer, Path], tmp_path: Path) -> tuple[Consumer, Path]:
    """A project through the gate, its model's files in a folder of their own; and that folder."""
    made, folder = world_of_kept
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "as-gated", folder)
    return copy_of(made, tmp_path), folder
