"""What every test stands on: git without the developer's own configuration, and small repositories."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.training.library_imports import LIBRARIES, import_libraries
from tests.support.git_calls import git_in

pytest_plugins = [
    "tests.support.consumer",
    "tests.support.clinic",  # after what it imports, whose assertions pytest rewrites
    "tests.support.github.server",
    "tests.support.keys",
    "tests.support.objects",
    "tests.support.peers",
]

# a worker of pytest meets all of them sooner or later; one file alone may need none, and then SciPy just comes first
import_libraries(LIBRARIES if "PYTEST_XDIST_WORKER" in os.environ else LIBRARIES[:1])
gc.set_threshold(50_000)  # as the program does: commands run in this process, too

# two workers of pytest share the cores: with a pool of threads in each of their children, a fit of 0.4 s takes 8 s
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

# machines differ in speed, and real engines stand behind many properties
# elsewhere each run tries other examples; a change is judged by the same ones as the change before it
settings.register_profile("shared", max_examples=40, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the machine's git configuration nor the variables of an outer git, nox or CI job reach a test."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n[gc]\n auto = 0\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("GITHUB_ACTIONS", "GITHUB_ACTOR", "GITHUB_TOKEN", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with one commit and no remote."""
    folder = tmp_path / "repo"
    folder.mkdir()
    run = git_in(folder)
    run("init", "--quiet")
    (folder / "README").write_text("hello\n")
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    found = git.find_repository(folder)
    assert found is not None
    return found


@pytest.fixture
def clone(repo: Repository, tmp_path: Path) -> Repository:
    """A clone of `repo` by way of a bare origin at `tmp_path/origin.git`."""
    origin = tmp_path / "origin.git"
    git_in(repo.root)("clone", "--quiet", "--bare", ".", str(origin))
    git_in(tmp_path)("clone", "--quiet", str(origin), "clone")
    found = git.find_repository(tmp_path / "clone")
    assert found is not None
    return found
