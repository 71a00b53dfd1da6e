"""Who runs a command: whom GitHub says in a job, and git's own identity elsewhere."""

from __future__ import annotations

import pytest

from mlops_ci.core.records.base import Provenance
from mlops_ci.integrations.github.actor import read_actor, read_provenance
from mlops_ci.repository.git_values import Person

JOB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "ada",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/ml",
    "GITHUB_RUN_ID": "7",
    "GITHUB_WORKFLOW_REF": "acme/ml/.github/workflows/gate.yml@refs/heads/main",
}


def test_a_job_acts_for_whoever_started_it() -> None:
    assert read_actor(JOB) == Person("ada", "ada@users.noreply.github.com")
    provenance = read_provenance(JOB, Person("Bob", "b@example.org"), "mlops-ci 1")
    assert provenance == Provenance(
        "ada", "mlops-ci 1", workflow=JOB["GITHUB_WORKFLOW_REF"], run_url="https://github.com/acme/ml/actions/runs/7"
    )


@pytest.mark.parametrize("missing", ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"])
def test_a_run_that_the_job_does_not_know_has_no_url(missing: str) -> None:
    assert read_provenance({**JOB, missing: ""}, None, "t").run_url is None


def test_outside_of_a_job_its_variables_say_nothing() -> None:
    environ = {**JOB, "GITHUB_ACTIONS": "false"}
    assert read_actor(environ) is None
    assert read_provenance(environ, Person("Bob", "b@example.org"), "t") == Provenance("Bob", "t")
    assert read_provenance(environ, None, "t") == Provenance("unknown", "t")


def test_a_job_without_an_actor_acts_for_nobody() -> None:
    assert read_actor({"GITHUB_ACTIONS": "true"}) is None
    assert read_provenance({"GITHUB_ACTIONS": "true"}, None, "t").actor == "unknown"
