"""An event that does not verify is never in force, one rogue push stops no rollback, and a signed event sets it aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.events import Assignment
from mlops_ci.registry.state import read_registry
from mlops_ci.registry.statement import encode_assignment
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository.git_values import Person, tag_content
from tests.support.keys import Keys
from tests.support.signed_world import OPTIONAL, PROJECT, SIGNED, World, make

DEPLOY = ("deploy", "delay", "--env", "prod")
ROGUE = "delay#prod#2"
SET_ASIDE = ("retire", "delay", "--set-aside", ROGUE, "--reason", "Eve was here")


@pytest.fixture
def world(tmp_path: Path, keys: Keys) -> World:
    """Ada deployed the release, and Eve, who may push and has no key, wrote another assignment behind hers."""
    world = make(tmp_path / "world", keys, SIGNED)
    world.become("ada")
    world.run(*DEPLOY)
    push_rogue(world, 2)
    return world


def push_rogue(world: World, number: int, model: str = "delay", **changes: object) -> None:
    """Write an unsigned assignment, tag and log entry, by plain git."""
    state = read_registry(world.repo, None).model(model)
    last = next(event.record for event in reversed(state.events) if isinstance(event.record, Assignment))
    assert state.last_event is not None
    record = replace(last, number=number, previous=state.last_event.ref, reason="Eve was here", **changes)  # type: ignore[arg-type]  # a test's own names
    name, eve = f"{model}#{last.environment}#{number}", Person("Eve", "eve@example.org")
    text = format_tag_message("title", "sentence", encode_assignment(record))
    oid = world.repo.store_tag(tag_content(name, state.last_event.commit, text, eve, state.latest_event_date + 1))
    files = {"record.json": canonical_json(encode(record)).encode(), "tag": f"{oid} {name}\n".encode()}
    tree = world.repo.write_tree({path: world.repo.write_blob(data) for path, data in files.items()})
    entry = world.repo.write_commit(tree, (str(state.log),), name, eve, 1_800_000_000)
    world.git("update-ref", f"refs/tags/{name}", oid)
    world.git("update-ref", f"refs/mlops/log/{model}", entry)
    world.git("push", "--quiet", "origin", f"refs/tags/{name}", f"refs/mlops/log/{model}")
    world.repo.forget_refs()


def demand(world: World, project: str) -> None:
    """Have the branch ask for something else, on top of what was deployed."""
    world.git("pull", "--quiet", "--rebase", "origin", "main")
    world.demand(project)


def ids(answer: dict[str, object], severity: str) -> set[str]:
    found = answer["diagnostics"]
    assert isinstance(found, list)
    return {item["id"] for item in found if item["severity"] == severity}


def test_queries_say_so_and_do_not_count_it(world: World) -> None:
    shown = world.run("show", "delay")
    assert ids(shown, "warning") == {"event-unverified"}
    assert [row["tag"]["name"] for row in shown["record"]["running"]] == ["delay#prod#1"]
    events = {row["tag"]: row["inForce"] for row in world.run("history")["record"]["events"]}
    assert events == {"delay@v1.0.0": True, "delay#prod#1": True, ROGUE: False}


def test_verbs_that_build_on_events_stop_at_it(world: World) -> None:
    before = world.published()
    for command in (DEPLOY, ("approve", "delay@1.0.0", "--env", "prod"), ("retire", "delay@1.0.0", "--reason", "x")):
        id, message = world.said(*command, code=1)
        assert id == "event-unverified"
        assert f"{ROGUE} is not in force" in message
    assert world.published() == before


def test_it_stops_no_retirement_and_no_rollback(world: World) -> None:
    gone = world.run("retire", "delay", "--env", "prod", "--reason", "out")
    assert (gone["record"]["tags"], ids(gone, "warning")) == (["delay#prod!#3"], {"event-unverified"})
    back = world.run("rollback", "delay", "--env", "prod", "--version", "1.0.0", "--reason", "back")
    assert (back["record"]["number"], ids(back, "warning")) == (4, {"event-unverified"})
    assert "audit-signature-missing" in ids(
        world.run("audit", code=1), "error"
    )  # signed events vouch for nothing before them


def test_a_signer_sets_it_aside_and_work_goes_on(world: World) -> None:
    done = world.run(*SET_ASIDE)
    assert (done["record"]["tags"], done["diagnostics"]) == (["delay@set-aside#3"], [])
    assert world.verified(world.published()["refs/tags/delay@set-aside#3"]).startswith('Good "git" signature for ada')
    assert world.run(*SET_ASIDE)["record"]["state"] == "unchanged"
    assert world.run(*DEPLOY)["diagnostics"] == []
    audited = world.run("audit", code=1)  # the released run of this world holds no model
    about = [item for item in audited["diagnostics"] if item.get("about") == f"refs/tags/{ROGUE}"]
    assert "audit-event-set-aside" in {item["id"] for item in about}
    assert {item["severity"] for item in about} == {"warning"}


def test_without_a_key_nothing_is_set_aside(world: World) -> None:
    demand(world, OPTIONAL)
    world.become("ada", None)
    assert world.said(*SET_ASIDE, code=3)[0] == "signing-key-missing"


def test_an_honest_event_cannot_be_set_aside(world: World) -> None:
    assert world.said("retire", "delay", "--set-aside", "delay#prod#1", "--reason", "x", code=1)[0] == "set-aside-valid"
    assert world.said("retire", "delay", "--set-aside", "delay#prod#9", "--reason", "x", code=2)[0] == "event-unknown"
    both = ("retire", "delay", "--env", "prod", "--set-aside", ROGUE, "--reason", "x")
    assert world.said(*both, code=2)[0] == "options-conflict"


def test_a_branch_that_lost_its_signing_stops_what_writes(world: World) -> None:
    demand(world, PROJECT)
    rollback = ("rollback", "delay", "--env", "prod", "--version", "1.0.0", "--reason", "x")
    for command in (DEPLOY, rollback, SET_ASIDE):
        assert world.said(*command, code=1)[0] == "signing-dropped"
    demand(world, SIGNED)
    assert world.run(*SET_ASIDE)["record"]["state"] == "retired"


def test_signatures_that_became_optional_are_told_at_what_lacks_one(world: World) -> None:
    world.run(*SET_ASIDE)
    demand(world, OPTIONAL)
    world.become("ada", None)
    world.run("retire", "delay", "--env", "prod", "--reason", "x")
    found = [item for item in world.run("audit", code=1)["diagnostics"] if item["id"] == "audit-policy-weakened"]
    assert [(item["severity"], item["about"]) for item in found] == [("warning", "refs/tags/delay#prod!#4")]


def test_a_forged_number_does_not_use_up_the_numbers(world: World) -> None:
    push_rogue(world, 999_999_999)
    assert world.run("retire", "delay", "--env", "prod", "--reason", "x")["record"]["tags"] == ["delay#prod!#3"]


def test_an_event_that_names_another_project_takes_the_model_from_nobody(tmp_path: Path, keys: Keys) -> None:
    """Given Eve's unsigned event that names another project, then it is one more that does not verify: it can be set aside."""
    world = make(tmp_path / "world", keys, SIGNED)
    world.become("ada")
    world.run(*DEPLOY)
    push_rogue(world, 2, project=ProjectRef("other", "other"))
    for command in (("show",), ("show", "delay")):
        shown = world.run(*command)
        assert ids(shown, "warning") == {"event-unverified"}
        assert [row["model"] for row in shown["record"]["models"]] == ["delay"]
        assert shown["record"]["others"] == []
    assert world.said(*DEPLOY, code=1)[0] == "event-unverified"
    back = world.run("retire", "delay", "--env", "prod", "--reason", "out")
    assert (back["record"]["tags"], ids(back, "warning")) == (["delay#prod!#3"], {"event-unverified"})
    world.run(*SET_ASIDE)
    assert world.run(*DEPLOY)["diagnostics"] == []
    assert world.run("history", "delay")["record"]["events"][0]["tag"] == "delay#prod#5"
