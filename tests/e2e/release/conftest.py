"""A version in both environments, and candidates after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.consumer import Consumer, copy_of, home_of_ada

MODEL = Path("models/diagnosis.yaml")


def edit(consumer: Consumer, path: Path | str, old: str, new: str) -> None:
    text = (consumer.root / path).read_text()
    assert old in text
    (consumer.root / path).write_text(text.replace(old, new))


def deployed(consumer: Consumer) -> None:
    """Release what is gated, and deploy it to both environments."""
    consumer.ok("release")
    consumer.ok("deploy", "diagnosis", "--env", "staging")
    consumer.ok("deploy", "diagnosis", "--env", "prod")
    consumer.git("pull", "--quiet", "--rebase")


def retrained(consumer: Consumer) -> None:
    """Make another candidate: the same interface, another parameter."""
    edit(consumer, MODEL, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    consumer.commit("Regularise more")
    consumer.git("push", "--quiet")
    consumer.ok("gate")


def merged(consumer: Consumer, branch: str) -> None:
    """Somebody merges a branch at the origin."""
    consumer.git("fetch", "--quiet")
    consumer.git("pull", "--quiet", "--rebase", "origin", branch)
    consumer.git("push", "--quiet", "origin", "HEAD:main")


@pytest.fixture(scope="session")
def world_of_candidate(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("candidate"))
        deployed(made)
        retrained(made)
    return made


@pytest.fixture(scope="session")
def world_of_two(world_of_candidate: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_candidate, tmp_path_factory.mktemp("two"))
        deployed(made)
    return made


@pytest.fixture
def candidate(world_of_candidate: Consumer, tmp_path: Path) -> Consumer:
    """A version in both environments, and another candidate that has passed the gate."""
    return copy_of(world_of_candidate, tmp_path)


@pytest.fixture
def two(world_of_two: Consumer, tmp_path: Path) -> Consumer:
    """Two versions that have been deployed to both environments, one after the other."""
    return copy_of(world_of_two, tmp_path)
