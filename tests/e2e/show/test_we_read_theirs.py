"""A repository whose registry GTO's own command made: `show` and `history` say what GTO says, its peculiarities included."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.peers import Peers, ours

COMMITS = ("c1", "c2", "c3", "c4", "c5")

# each story is one artifact's, so that all of them fit into one repository
STORIES: dict[str, list[tuple[str, ...]]] = {
    "churn": [
        ("register", "churn", "c1"),
        ("assign", "churn", "c1", "--stage", "prod"),
        ("register", "churn", "c2", "--bump-major"),
        ("assign", "churn", "--version", "v1.0.0", "--stage", "prod"),
    ],
    "an assignment taken back uncovers the one before it": [
        ("assign", "back", "c1", "--stage", "prod"),
        ("assign", "back", "c2", "--stage", "prod"),
        ("deprecate", "back", "v0.0.2", "prod"),
    ],
    "so does a version taken back": [
        ("assign", "gone", "c1", "--stage", "prod"),
        ("assign", "gone", "c2", "--stage", "prod"),
        ("assign", "gone", "c2", "--stage", "dev"),
        ("deprecate", "gone", "v0.0.2"),
    ],
    "a version that is registered again has its stages again": [
        ("assign", "again", "c1", "--stage", "prod"),
        ("deprecate", "again", "v0.0.1"),
        ("register", "again", "c1", "--version", "v0.0.1", "--force", "--simple", "false"),
    ],
    "the highest version counts, whatever came last": [
        ("register", "high", "c1", "--version", "v2.0.0-rc.9"),
        ("register", "high", "c2", "--version", "v2.0.0-rc.10"),
        ("register", "high", "c3", "--version", "v1.9.9+linux.1"),
        ("register", "high", "c4", "--version", "v2.0.0-rc.alpha"),
    ],
    "counters may be left out or added": [
        ("register", "simple", "c1", "--simple", "false"),
        ("assign", "simple", "c1", "--stage", "prod", "--simple", "true"),
        ("assign", "simple", "c1", "--stage", "dev"),
        ("deprecate", "simple", "v0.0.1", "prod", "--simple", "true"),
    ],
    "a rollback by force": [
        ("assign", "force", "c1", "--stage", "prod"),
        ("assign", "force", "c2", "--stage", "prod"),
        ("assign", "force", "c1", "--stage", "prod", "--force"),
    ],
    "a stage without a version": [("assign", "bare", "c3", "--stage", "prod", "--skip-registration")],
    "an artifact without a version left": [("register", "empty", "c1"), ("deprecate", "empty", "v0.0.1")],
    "a deprecated artifact is not shown": [("register", "old", "c1"), ("deprecate", "old")],
    "unless something happens to it later": [
        ("assign", "late", "c1", "--stage", "prod"),
        ("deprecate", "late", "--simple", "true"),
        ("register", "late", "c2"),
    ],
    "an artifact of a folder": [
        ("register", "services/api.v2:ranker", "c1"),
        ("assign", "services/api.v2:ranker", "c1", "--stage", "prod"),
    ],
    "names and stages with slashes": [
        ("register", "team/a_b-c", "c1"),
        ("assign", "team/a_b-c", "c1", "--stage", "prod/eu_1"),
        ("register", "team", "c2"),
    ],
}


@pytest.fixture
def theirs(tmp_path: Path) -> Consumer:
    """A repository with five commits and no mlops.yaml."""
    run = git_in(tmp_path)
    run("init", "--quiet")
    for name in COMMITS:
        run("commit", "--quiet", "--allow-empty", "-m", name)
        run("branch", name)
    return Consumer(tmp_path, tmp_path)


def test_every_kind_of_event_means_to_us_what_it_means_to_gto(theirs: Consumer, peers: Peers) -> None:
    commands = [command for story in STORIES.values() for command in story]
    answers, wanted, _ = peers.ask(theirs.root, commands)
    for command, (code, said) in zip(commands, answers, strict=True):
        assert code == 0, f"{command}: {said}"
    found = ours(theirs)
    assert len(found.events) == len(theirs.git("tag").split())
    assert found.events == wanted.events
    assert found.models == wanted.models
    assert found.models["back"] == ("0.0.2", {"prod": "0.0.1"})
    assert "old" not in found.models
    theirs.ok("show")
    theirs.ok("history")


@pytest.mark.parametrize("seed", [1])
def test_whatever_gto_does_we_agree_with_it(theirs: Consumer, peers: Peers, seed: int) -> None:
    """Given commands at random, of which gto refuses some, when both tools read what came of them, then they agree."""
    dice = random.Random(seed)  # noqa: S311 - a test's own dice

    def command() -> tuple[str, ...]:
        name, commit = dice.choice(("a", "b/c", "d:e")), dice.choice(COMMITS)
        stage, version = dice.choice(("dev", "prod")), f"v0.0.{dice.randint(1, 4)}"
        simple = ("--simple", dice.choice(("true", "false", "false")))
        return dice.choice(
            (
                ("register", name, commit, *simple, "--force"),
                ("assign", name, commit, "--stage", stage, *simple, "--force"),
                ("assign", name, commit, "--stage", stage, *simple, "--skip-registration"),
                ("assign", name, commit, "--stage", stage),
                ("deprecate", name, version, stage, *simple),
                ("deprecate", name, version, *simple),
                ("deprecate", name, *simple) if dice.random() < 0.3 else ("register", name, commit, "--bump-minor"),
                ("deprecate", name, version, "--delete") if dice.random() < 0.3 else ("register", name, commit),
            )
        )

    answers, wanted, _ = peers.ask(theirs.root, [command() for _ in range(60)])
    assert sum(code == 0 for code, _ in answers) > 20
    found = ours(theirs)
    assert found.events == wanted.events
    assert found.models == wanted.models
