"""Approvals: who may give them, which count, and what a deployment waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.statement import statement_in
from tests.signing.conftest import Keys
from tests.signing.world import TWO, World, make

APPROVE = ("approve", "delay@1.0.0", "--env", "prod")
DEPLOY = ("deploy", "delay@1.0.0", "--env", "prod")


@pytest.fixture
def world(tmp_path: Path, keys: Keys) -> World:
    """A signed release of Carol's whose policy asks for two approvals in prod; nobody has a name yet."""
    return make(tmp_path / "world", keys, TWO)


def test_two_others_approve_and_a_fourth_deploys(world: World) -> None:
    before = {name for name in world.published() if name.startswith("refs/tags/")}
    world.become("ada")
    first = world.run(*APPROVE, "--reason", "it is good\n# and tested")["record"]
    assert (first["state"], first["signer"], first["approvals"], first["required"]) == (
        "approved",
        "ada@example.org",
        1,
        2,
    )
    world.become("dora")
    id, text = world.said(*DEPLOY, code=1)
    assert (id, text) == ("approvals-missing", "delay@v1.0.0 needs 2 approvals for 'prod' and has 1 (ada@example.org)")
    world.become("bob")
    second = world.run(*APPROVE)["record"]
    assert second["approvals"] == 2
    assert {name for name in world.published() if name.startswith("refs/tags/")} == before
    world.become("dora")
    assert world.run(*DEPLOY)["record"]["number"] == 1
    tag = world.published()["refs/tags/delay#prod#1"]
    assert world.verified(tag) == 'Good "git" signature for dora@example.org'
    statement = statement_in(world.git("cat-file", "tag", tag))
    assert statement is not None
    assert statement["predicate"]["approvalsRequired"] == 2
    assert [(one["kind"], one["actor"], one["ref"]["name"]) for one in statement["predicate"]["approvals"]] == [
        ("signature", "ada@example.org", first["ref"]),
        ("signature", "bob@example.org", second["ref"]),
    ]
    assert {one["ref"]["oid"] for one in statement["predicate"]["approvals"]} == {
        world.published()[first["ref"]],
        world.published()[second["ref"]],
    }
