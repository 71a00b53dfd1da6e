"""Approvals: who may give them, which count, and what a deployment waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.registry.statement import parse_statement
from tests.support.keys import Keys
from tests.support.signed_world import ONE, PROJECT, SIGNED, TWO, World, make

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
    statement = parse_statement(world.git("cat-file", "tag", tag).partition("\n\n")[2])
    assert statement is not None
    assert statement["predicate"]["approvalsRequired"] == 2
    # those of one second are in the order of their refs
    assert {(one["kind"], one["actor"], one["ref"]["name"]) for one in statement["predicate"]["approvals"]} == {
        ("signature", "ada@example.org", first["ref"]),
        ("signature", "bob@example.org", second["ref"]),
    }
    assert {one["ref"]["oid"] for one in statement["predicate"]["approvals"]} == {
        world.published()[first["ref"]],
        world.published()[second["ref"]],
    }


def test_an_approval_is_given_once(world: World) -> None:
    world.become("ada")
    assert world.run(*APPROVE)["record"]["state"] == "approved"
    before = world.published()
    assert world.run(*APPROVE)["record"]["state"] == "unchanged"
    assert world.published() == before


def test_a_dry_run_approves_nothing(world: World) -> None:
    world.become("ada")
    before = world.published()
    world.run(*APPROVE, "--dry-run")
    assert world.published() == before


@pytest.mark.parametrize(
    ("who", "key", "why"),
    [
        ("carol", "", "an author of a release cannot approve it"),
        ("ada", "carol", "an author of a release cannot approve it"),
        ("carol", "ada", "an author of a release cannot approve it"),
    ],
    ids=["as herself", "under another name", "with a borrowed key"],
)
def test_authors_do_not_approve_their_own(world: World, who: str, key: str, why: str) -> None:
    world.become(who, key)
    id, text = world.said(*APPROVE, code=1)
    assert id == "approval-void"
    assert text.endswith(why)


def test_a_co_author_is_an_author(world: World) -> None:
    world.git("commit", "--quiet", "--allow-empty", "-m", "more\n\nCo-authored-by: Ada L <ADA@example.org>")
    world.git("push", "--quiet", "origin", "HEAD:main")
    world.release("1.1.0")
    world.log("delay@v1.0.0", "delay@v1.1.0")
    world.become("ada")
    assert world.said("approve", "delay@1.1.0", "--env", "prod", code=1)[0] == "approval-void"


def test_whoever_deploys_does_not_approve(world: World) -> None:
    world.demand(ONE)
    world.become("ada")
    world.run(*APPROVE)
    assert world.said(*DEPLOY, code=1) == (
        "approvals-missing",
        "delay@v1.0.0 needs 1 approval for 'prod' and has 0 (nobody); ada@example.org does not count: the person who deploys a version cannot approve it",
    )
    world.become("bob", "ada")
    assert world.said(*DEPLOY, code=1)[0] == "approvals-missing"


def test_a_rollback_counts_what_was_approved_then_also_by_who_goes_back(world: World) -> None:
    world.demand(ONE)
    world.git("commit", "--quiet", "--allow-empty", "--author", "Carol <carol@example.org>", "-m", "next")
    world.git("push", "--quiet", "origin", "HEAD:main")
    world.release("2.0.0")
    world.log("delay@v1.0.0", "delay@v2.0.0")
    for version in ("1.0.0", "2.0.0"):
        world.become("ada")
        world.run("approve", f"delay@{version}", "--env", "prod")
        world.become("bob")
        world.run("deploy", f"delay@{version}", "--env", "prod")
    world.become("ada")
    assert world.run("rollback", "delay", "--env", "prod", "--reason", "slow")["record"]["version"] == "1.0.0"


def test_replayed_unsigned_and_strange_approvals_do_not_count(world: World) -> None:
    """Each lies where an approval of this version would, and is one of something else, or nobody's."""
    world.demand(ONE)
    world.become("ada")
    ref = world.run(*APPROVE)["record"]["ref"]
    folder = ref.rpartition("/")[0]
    text = world.git("for-each-ref", "--format=%(contents)", ref).partition("-----BEGIN")[0]
    oid = world.published()["refs/tags/delay@v1.0.0"]
    lies = {
        "1" * 16: world.write(f"{folder}/{'1' * 16}", text, None, name="ada"),
        "2" * 16: world.write(f"{folder}/{'2' * 16}", text, "eve", name="eve"),
        "3" * 16: world.write(f"{folder}/{'3' * 16}", text.replace(oid, "f" * 40), "bob", name="bob"),
        "4" * 16: world.write(
            f"{folder}/{'4' * 16}", text.replace('"environment":"prod"', '"environment":"dev"'), "bob", name="bob"
        ),
        "5" * 16: world.write(f"{folder}/{'5' * 16}", text.replace("delay@v1.0.0", "delay@v1.1.0"), "bob", name="bob"),
        "6" * 16: world.write(f"{folder}/{'6' * 16}", "looks good\n", "bob", name="bob"),
    }
    assert len(set(lies.values())) == 6
    world.git("push", "--quiet", "origin", f":{ref}")
    world.git("update-ref", "-d", ref)
    world.become("dora")
    id, said = world.said(*DEPLOY, code=1)
    assert id == "approvals-missing"
    assert sorted(said.split("; ")[1:]) == [
        "ada@example.org does not count: the tag is not signed",
        "bob@example.org does not count: it is an approval for 'dev', not for 'prod'",
        f"bob@example.org does not count: it is an approval of delay@v1.0.0 ({'f' * 10}), not of this release",
        f"bob@example.org does not count: it is an approval of delay@v1.1.0 ({oid[:10]}), not of this release",
        "bob@example.org does not count: the tag has no valid approval statement",
        "eve@example.org does not count: its signer is not in the file of allowed signers",
    ]


def test_the_policy_of_the_branch_counts_not_that_of_the_work_tree(world: World) -> None:
    world.demand(PROJECT, push=False)
    world.become("dora")
    assert world.said(*DEPLOY, code=1)[0] == "approvals-missing"


def test_an_approval_needs_a_version_signing_and_a_key(world: World) -> None:
    world.become("ada", None)
    assert world.said("approve", "delay", "--env", "prod", code=2)[0] == "version-missing"
    assert world.said(*APPROVE, code=3)[0] == "signing-key-missing"
    world.demand(PROJECT)
    world.become("ada")
    assert world.said(*APPROVE, code=1)[0] == "signing-dropped"
    world.release(signer=None)
    assert world.said(*APPROVE, code=1)[0] == "approval-unsigned"


def test_a_policy_that_cannot_be_read_lets_nothing_through(world: World) -> None:
    world.become("ada")
    signers = ".mlops/allowed_signers"
    world.git("rm", "--quiet", "--cached", signers)
    world.git("commit", "--quiet", "-m", "lost")
    world.git("push", "--quiet", "origin", "HEAD:main")
    assert world.said(*DEPLOY, code=1)[0] == "policy-missing"
    world.demand(SIGNED.replace("ssh", "pgp"))
    (world.repo.root / "mlops.yaml").write_text(SIGNED)
    assert world.said(*DEPLOY, code=1)[0] == "policy-missing"
