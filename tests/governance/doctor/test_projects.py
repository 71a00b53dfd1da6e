"""Several projects in one repository: which of them no workflow gates, and whose owners another line of CODEOWNERS takes away."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlops_ci.governance.doctor.gate_calls import find_gate_calls
from tests.governance.doctor.conftest import GATE
from tests.governance.doctor.test_local import commit, row
from tests.support.consumer import Consumer
from tests.support.shop import HEAD, model

GATED, OWNED = "every project is gated", "each project has its own owners"
CALL = "mlops-ci/mlops-ci/.github/workflows/gate.yml@v1"


def called(**given: Any) -> Any:
    return {"jobs": {"gate": {"uses": CALL, **given}}}


def stepped(**step: Any) -> Any:
    return {"jobs": {"gate": {"steps": [step]}}}


MATRIX = {"strategy": {"matrix": {"team": ["team-a", "team-b"]}}, "with": {"working-directory": "${{ matrix.team }}"}}
LEGS = {
    "strategy": {"matrix": {"include": [{"team": "team-a"}, {"team": "team-c"}]}},
    "with": {"working-directory": "${{ matrix.team }}"},
}
OBJECTS = {
    "strategy": {"matrix": {"project": [{"folder": "team-b"}]}},
    "with": {"working-directory": "${{ matrix.project.folder }}"},
}
LATER = {
    "strategy": {"matrix": {"team": "${{ fromJSON(needs.find.outputs.teams) }}"}},
    "with": {"working-directory": "${{ matrix.team }}"},
}


@pytest.mark.parametrize(
    ("data", "evaluates"),
    [
        (called(), True),
        (called(**{"with": {"working-directory": "."}}), True),
        (called(**{"with": {"working-directory": "team-b"}}), True),
        (called(**{"with": {"working-directory": "./team-b/"}}), True),
        (called(**{"with": {"working-directory": "team-a"}}), False),
        (called(**{"with": {"working-directory": "team"}}), False),
        (called(**MATRIX), True),
        (called(**LEGS), False),
        (called(**OBJECTS), True),
        (called(**LATER), None),
        (called(**{"with": {"working-directory": "${{ vars.FOLDER }}"}}), None),
        (stepped(uses="mlops-ci/mlops-ci/actions/gate@v1"), False),  # the Action evaluates the project of one folder
        (stepped(uses="mlops-ci/mlops-ci/actions/gate@v1", **{"with": {"working-directory": "team-b"}}), True),
        (stepped(run="mlops-ci gate -C team-b"), True),
        (stepped(run="mlops-ci gate", **{"working-directory": "team-b"}), True),
        (stepped(run="mlops-ci -q gate"), False),
        (stepped(run='mlops-ci gate -C "$TEAM"'), None),
        (stepped(run="cd team-b && mlops-ci gate"), None),
        (stepped(run="nox -s gate 'unclosed"), None),
        ({"defaults": {"run": {"working-directory": "team-b"}}, **stepped(run="nox -s gate")}, True),
        (called(**{"if": False}), False),
        (called(**{"if": "${{ !cancelled() }}"}), True),
        (called(**{"if": "github.actor == 'ann'"}), None),
        (called(**{"with": {"models": "churn"}}), False),
        (called(**{"with": {"models": ""}}), True),
        (called(**{"with": {"models": "${{ inputs.models }}"}}), None),
        (called(**{"with": {"models": "churn", "working-directory": "${{ vars.FOLDER }}"}}), False),
        (stepped(run="mlops-ci gate -C team-b", **{"if": "github.actor == 'ann'"}), None),
        (stepped(run="mlops-ci gate churn -C team-b"), False),
        (stepped(run="nox -s gate -- churn", **{"working-directory": "team-b"}), False),
        (stepped(run="mlops-ci gate 2>&1 | tee log", **{"working-directory": "team-b"}), True),
        (stepped(run="echo gate"), "no call"),
        ({"jobs": {"gate": {"steps": "x", "with": 3}}}, "no call"),
        ("text", "no call"),
    ],
    ids=str,
)
def test_a_call_says_which_projects_it_evaluates(data: Any, evaluates: object) -> None:
    found = [call.evaluates("team-b") for call in find_gate_calls(data)]
    assert found == ([] if evaluates == "no call" else [evaluates])


def workflow(**given: Any) -> str:
    document = yaml.safe_load(GATE)
    on = document.pop(True)  # YAML 1.1
    document["jobs"]["gate"].update(given)
    return yaml.safe_dump({"on": on, **document})


@pytest.fixture
def teams(local: Consumer) -> Consumer:
    """The folder of the second of two projects, in a repository whose only workflow gates all of them."""
    local.git("rm", "--quiet", "-r", "mlops.yaml", "specs")
    files = {f"team-{one}/mlops.yaml": HEAD.format(kind="Project", name=f"team-{one}") + "spec: {}\n" for one in "ab"}
    commit(local, files)
    return Consumer(local.root / "team-b", local.origin)


@pytest.mark.parametrize(
    ("given", "state", "evidence"),
    [
        ({}, "ok", "the folders are team-a, team-b"),
        ({"with": {"working-directory": "team-a"}}, "advisory", "gates pull requests for team-b"),
        ({"with": {"working-directory": "${{ vars.TEAM }}"}}, "unknown", "known only when it runs: team-a, team-b"),
        ({"with": {"models": "churn"}}, "advisory", "gates pull requests for team-a, team-b"),
        ({"if": False}, "advisory", "gates pull requests for team-a, team-b"),
        ({"if": "github.actor == 'ann'"}, "unknown", "known only when it runs: team-a, team-b"),
    ],
)
def test_a_project_that_no_workflow_gates_is_named(
    local: Consumer, teams: Consumer, given: dict[str, Any], state: str, evidence: str
) -> None:
    """Given two projects, when the only gate is called for the first, then doctor does not say that all is well."""
    commit(local, {".github/workflows/gate.yml": workflow(**given)})
    found = row(teams, GATED)
    assert found[0] == state
    assert evidence in found[1]


@pytest.mark.parametrize(
    ("filters", "state", "why"),
    [
        ("{branches: [main]}", "ok", ""),
        ("{branches: ['**', '!release/**']}", "ok", ""),
        ("{branches: [release]}", "advisory", "`branches`: release, which leaves out pull requests into main"),
        ("{branches: ['**', '!main']}", "advisory", "`branches`: **, !main, which leaves out pull requests into main"),
        ("{branches-ignore: ['m*']}", "advisory", "`branches-ignore`: m*, which leaves out"),
        ("{branches: ['mai?n']}", "unknown", "a pattern that is not understood: mai?n"),
        ("{types: [labeled]}", "advisory", "`types` without opened, synchronize"),
        ("{types: [opened, synchronize, labeled]}", "ok", ""),
        ("{paths: ['team-a/**']}", "unknown", "`paths`"),
    ],
)
def test_a_gate_that_leaves_out_pull_requests_into_the_branch_gates_no_project(
    local: Consumer, teams: Consumer, filters: str, state: str, why: str
) -> None:
    """Given a gate with filters, then the projects are gated only if every pull request into the default branch starts it."""
    text = GATE.replace("  pull_request:\n", f"  pull_request: {filters}\n")
    assert text != GATE
    commit(local, {".github/workflows/gate.yml": text})
    assert row(teams, GATED)[0] == state
    always = row(teams, ".github/workflows/gate.yml: the gate runs for every change")
    assert always[0] == ("ok" if state == "ok" else "advisory")
    assert why in always[1]


def test_a_gate_that_runs_for_no_pull_request_gates_no_project(local: Consumer, teams: Consumer) -> None:
    commit(local, {".github/workflows/gate.yml": workflow().replace("pull_request:", "push:")})
    assert row(teams, GATED)[0] == "advisory"


@pytest.mark.parametrize(
    ("lines", "state", "evidence"),
    [
        ("/team-a/ @acme/a\n* @acme/all", "advisory", "line 2 makes @acme/all the owner of team-a/mlops.yaml, after line 1 named @acme/a"),
        ("* @acme/all\n/team-a/ @acme/a", "advisory", "has no line for team-b"),
        ("* @acme/all\n/team-a/ @acme/a\n/team-b/ @acme/b", "ok", "team-a, team-b"),
        ("* @acme/all\n/team-a/ @acme/a\n/team-b/*.yaml", "advisory", "has no line for team-b"),  # nobody
        ("/team-a/ @acme/a\n/team-b/ @acme/b\n*.yaml @acme/a", "advisory", "line 3 makes @acme/a the owner of team-b/mlops.yaml"),
    ],
)  # fmt: skip
def test_owners_of_another_team_are_named(
    local: Consumer, teams: Consumer, lines: str, state: str, evidence: str
) -> None:
    commit(local, {".github/CODEOWNERS": lines + "\n"})
    rows = [one for one in teams.answer("doctor")["record"]["rows"] if one["what"] == OWNED]
    assert state in {one["state"] for one in rows}
    assert any(evidence in one["evidence"] for one in rows), rows


def test_a_project_at_the_top_is_gated_and_shares_its_owners_with_nobody(local: Consumer) -> None:
    rows = {one["what"]: one["state"] for one in local.answer("doctor")["record"]["rows"]}
    assert rows[GATED] == "ok"
    assert OWNED not in rows


def test_what_a_pull_request_costs_is_said_in_jobs(local: Consumer) -> None:
    """Given two models, then a change of both has two trainings, and one job each to find, judge, store and give the verdict."""
    counts = "1 for a change of no model, 5 of one model, 6 of all models of this project"
    assert row(local, "jobs of a pull request")[1].startswith(counts)
    code = model("cancel", "flights", "entrypoint: code.py:build")
    commit(local, {"specs/cancel.yaml": code, "code.py": "def build():\n    return None\n"})
    counts = "1 for a change of no model, 7 of one model, 8 of all models of this project"
    assert row(local, "jobs of a pull request")[1].startswith(counts)
