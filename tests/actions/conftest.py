"""A consumer of another owner, the toolkit as GitHub hands it out, and a runner that runs the one's workflows with the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.act import PLACE, Runner
from tests.support.consumer import Consumer, copy_of
from tests.support.git_calls import git_in
from tests.support.toolkit import actions, export

URL = "https://github.com/acme/models"
STEPS = """\
on: push
permissions: {{}}
jobs:
  job:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {{fetch-depth: 0, persist-credentials: false}}
{steps}
"""


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("toolkit"))


@pytest.fixture
def consumer(world_of_gated: Consumer, tmp_path: Path) -> Consumer:
    """A repository whose model has passed the gate, with a bare origin; nothing is released.

    The origin is called as on GitHub, which is where a runner has the repository's name from (acme/models). Where it is, only
    this user's git knows, and the steps' own.
    """
    made = copy_of(world_of_gated, tmp_path)
    made.git("remote", "set-url", "origin", URL)
    made.git("config", "--global", f"url.{made.origin}.insteadOf", URL)
    return made


@pytest.fixture
def installing(toolkit: Path, consumer: Consumer, tmp_path: Path) -> Runner:
    """A runner on which the Actions install the toolkit, as they do on GitHub's."""
    (tmp_path / "act").mkdir()
    there = {"COUNT": "1", "KEY_0": f"url.{consumer.origin}.insteadOf", "VALUE_0": URL}
    env = {f"GIT_CONFIG_{name}": value for name, value in there.items()}
    return Runner(actions(toolkit), tmp_path / "act", env)


@pytest.fixture(scope="session")
def actions_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("actions"), "actions", ".github")


@pytest.fixture
def runner(installing: Runner, actions_only: Path) -> Runner:
    """A runner that has the toolkit ready, which saves each test the installation."""
    ready = {**installing.env, "MLOPS_CI_BIN": str(PLACE / "mlops-ci")}
    return replace(installing, actions=actions(actions_only), env=ready)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of acme's with nothing in it but a place for workflows."""
    folder = tmp_path_factory.mktemp("bare")
    git = git_in(folder)
    git("init", "--quiet")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--allow-empty", "-m", "start")
    git("remote", "add", "origin", "https://github.com/acme/models")
    (folder / ".github" / "workflows").mkdir(parents=True)
    return folder


def workflow(consumer: Consumer, steps: str) -> str:
    """Add a workflow with one job of these steps (YAML, list items), and return its file's name."""
    path = consumer.root / ".github" / "workflows" / "test.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    indented = "".join(f"      {line}\n" if line else "\n" for line in steps.strip().splitlines())
    path.write_text(STEPS.format(steps=indented.rstrip()))
    return path.name
