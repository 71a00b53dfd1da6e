"""Rollbacks, end to end: back to where a model has been, and not again to what was rolled back from."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.e2e.release.conftest import MODEL, deployed, edit, merged
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in


def test_a_rollback_puts_the_version_and_its_manifests_back(candidate: Consumer) -> None:
    first = candidate.git("show", "origin/main:deploy/prod/diagnosis/release.yaml")
    deployed(candidate)
    assert candidate.answer("show")["record"]["models"][0]["environments"] == {"staging": "1.1.0", "prod": "1.1.0"}
    candidate.ok("rollback", "diagnosis", "--env", "prod", "--reason", "alarms at night")
    assert candidate.answer("show")["record"]["models"][0]["environments"] == {"staging": "1.1.0", "prod": "1.0.0"}
    assert candidate.git("show", "origin/main:deploy/prod/diagnosis/release.yaml") == first
    newest = candidate.answer("history")["record"]["events"][0]
    assert (newest["event"], newest["version"], newest["reason"]) == ("rollback", "1.0.0", "alarms at night")
    assert [event["tag"] for event in candidate.answer("history")["record"]["events"]][:2] == [
        "diagnosis#prod#5",
        "diagnosis#prod#4",
    ]


def test_the_model_that_was_rolled_back_from_is_not_released_again(
    two: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a rollback, when the same model comes again, then the gate warns, and a release needs force and a reason."""
    two.ok("rollback", "diagnosis", "--env", "prod", "--reason", "alarms at night")
    found = two.answer("release", code=1)["diagnostics"][0]
    assert (found["id"], "alarms at night" in found["message"]) == ("model-abandoned", True)
    two.git("pull", "--quiet", "--rebase")
    monkeypatch.setattr(
        "mlops_ci.evaluation.candidates.candidate.TRAIN_FORMAT", 99
    )  # another run of the very same model
    warned = two.answer("gate")["diagnostics"][-1]
    assert (warned["id"], warned["severity"], warned["location"]["path"]) == ("model-abandoned", "warning", str(MODEL))
    assert two.answer("release", code=1)["diagnostics"][0] == {
        **found,
        "help": "release or deploy another model; or use this one anyway and give a reason: mlops-ci release diagnosis --force --reason TEXT",
    }
    assert two.answer("release", "--force", code=2)["diagnostics"][0]["id"] == "reason-missing"
    two.ok("release", "--force", "--reason", "the alarms were false")
    event = statement_of(two, "diagnosis@v1.1.1")["event"]
    assert (event["reason"], event["overrides"]["name"]) == ("the alarms were false", "diagnosis#prod#5")
    two.ok("deploy", "diagnosis", "--env", "staging")


def statement_of(consumer: Consumer, tag: str) -> dict[str, Any]:
    """Give the predicate of the statement that a tag at the origin carries."""
    found: dict[str, Any] = json.loads(git_in(consumer.origin)("cat-file", "tag", tag).splitlines()[-1])["predicate"]
    return found


def test_a_rollback_with_nowhere_to_go_says_so(gated: Consumer) -> None:
    deployed(gated)
    answer = gated.answer("rollback", "diagnosis", "--env", "prod", "--reason", "x", code=1)
    assert answer["diagnostics"][0]["id"] == "rollback-nowhere"


def test_a_second_rollback_goes_further_back_and_never_forward(two: Consumer) -> None:
    back = ("rollback", "diagnosis", "--env", "prod", "--reason", "worse")
    two.ok(*back)
    found = two.answer(*back, code=1)["diagnostics"][0]
    assert (found["id"], "nothing ran in 'prod' before v1.0.0" in found["message"]) == ("rollback-nowhere", True)
    two.ok(*back, "--version", "1.1.0")


def test_a_rollback_goes_only_where_the_model_has_been_and_says_why(gated: Consumer) -> None:
    gated.ok("release")
    there = ("rollback", "diagnosis", "--env", "prod", "--version", "1.0.0", "--reason")
    assert gated.answer(*there, "back", code=1)["diagnostics"][0]["id"] == "rollback-nowhere"
    assert gated.answer(*there, " ", code=2)["diagnostics"][0]["id"] == "reason-missing"


def test_a_rollback_by_request_is_finished_by_the_command_it_names(candidate: Consumer) -> None:
    edit(candidate, "mlops.yaml", "spec:\n", "spec:\n  delivery: pull-request\n")
    candidate.commit("Deliver by request")
    candidate.git("push", "--quiet")
    candidate.ok("release") if candidate.run("release").returncode else None
    for environment in ("staging", "prod"):
        asked = candidate.answer("deploy", "diagnosis", "--env", environment)["record"]
        merged(candidate, asked["branch"])
        candidate.ok(*shlex.split(asked["followUpCommand"])[1:])
    asked = candidate.answer("rollback", "diagnosis", "--env", "prod", "--reason", "it's worse")["record"]
    assert asked["state"] == "requested"
    merged(candidate, asked["branch"])
    candidate.ok(*shlex.split(asked["followUpCommand"])[1:])
    newest = candidate.answer("history")["record"]["events"][0]
    assert (newest["event"], newest["version"], newest["reason"]) == ("rollback", "1.0.0", "it's worse")
