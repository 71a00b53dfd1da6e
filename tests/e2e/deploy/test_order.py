"""A version goes through the environments in their order, and a new one in the middle holds up nothing that passed before."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.core.records.events import Assignment
from tests.e2e.deploy.test_lifecycle import refused, state_of, world_of_versions
from tests.support.consumer import Consumer, copy_of, edit
from tests.support.versions import released

__all__ = ["world_of_versions"]
CANARY = """apiVersion: mlops-ci/v1
kind: Deployment
metadata: {name: diagnosis-canary}
spec: {model: diagnosis, environment: canary, target: {type: kubernetes, namespace: canary}}
"""
PROD = ("deploy", "diagnosis@3.0.0", "--env", "prod")


@pytest.fixture
def with_canary(world_of_versions: Consumer, tmp_path: Path) -> Consumer:
    """Versions 1.0.0 and 2.0.0 in prod, 3.0.0 in staging; then an environment between the two."""
    made = copy_of(world_of_versions, tmp_path)
    released(made, "3.0.0", "c" * 64)
    made.ok("deploy", "diagnosis", "--env", "staging")
    made.git("pull", "--quiet", "--rebase")
    edit(made, "mlops.yaml", "[staging, prod]", "[staging, canary, prod]")
    made.root.joinpath("canary.yaml").write_text(CANARY)
    made.commit("A canary")
    made.git("push", "--quiet")
    return made


def test_what_was_released_before_the_new_environment_goes_on(with_canary: Consumer) -> None:
    assert with_canary.answer(*PROD)["record"]["state"] == "assigned"
    assert with_canary.answer("rollback", "diagnosis", "--env", "prod", "--reason", "r")["record"]["version"] == "2.0.0"


def test_what_is_released_after_it_must_pass_it_or_go_round_it_for_a_reason(with_canary: Consumer) -> None:
    released(with_canary, "4.0.0", "d" * 64)
    argv = ("deploy", "diagnosis@4.0.0", "--env", "prod")
    assert refused(with_canary, *argv)["message"].endswith("never deployed to 'canary', which comes before 'prod'")
    assert refused(with_canary, *argv, "--skip", "canary", code=2)["id"] == "reason-missing"
    given = (*argv, "--skip", "canary", "--reason", "its cluster is down")
    assert "never deployed to 'staging'" in refused(with_canary, *given)["message"]
    with_canary.ok("deploy", "diagnosis@4.0.0", "--env", "staging")
    assert with_canary.answer(*given)["record"]["skipped"] == ["canary"]
    record = state_of(with_canary).events[-1].record
    assert isinstance(record, Assignment)
    assert (record.skipped, record.reason) == (("canary",), "its cluster is down")


def test_only_an_earlier_environment_can_be_skipped(with_canary: Consumer) -> None:
    argv = ("deploy", "diagnosis@3.0.0", "--env", "canary", "--reason", "r", "--skip")
    assert refused(with_canary, *argv, "prod", code=2)["id"] == "skip-needless"
    assert refused(with_canary, *argv, "canari", code=2)["id"] == "environment-unknown"
    # one that the version has been in is no exception, and is not recorded as one
    assert with_canary.answer(*argv, "staging")["record"]["skipped"] == []


def test_a_request_is_finished_by_the_command_it_names(with_canary: Consumer) -> None:
    released(with_canary, "4.0.0", "d" * 64)
    with_canary.ok("deploy", "diagnosis@4.0.0", "--env", "staging")
    edit(with_canary, "mlops.yaml", "spec:\n", "spec:\n  delivery: pull-request\n")
    asked = with_canary.answer("deploy", "diagnosis@4.0.0", "--env", "prod", "--skip", "canary", "--reason", "down")[
        "record"
    ]
    assert asked["followUpCommand"] == "mlops-ci deploy diagnosis@4.0.0 --env prod --skip canary --reason down"
