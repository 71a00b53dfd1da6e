"""`ci projects`: which projects a repository has, and what a change affects in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.results.impact import AffectedItem, AffectedReport, ProjectImpact, ProjectsReport
from mlops_ci.integrations.github.action_outputs import action_outputs
from tests.support.consumer import Consumer
from tests.support.shop import FILES, HEAD, change, make, model


def renamed(team: str) -> dict[str, str]:
    """A project in a folder, with names of its own: one dataset, one model."""
    head = HEAD.format(kind="Project", name=f"shop-{team}") + "spec: {environments: [dev, live]}\n"
    flights = FILES["specs/flights.yaml"].replace("name: flights", f"name: flights-{team}")
    delay = model(f"delay-{team}", f"flights-{team}")
    files = {
        "mlops.yaml": head,
        "specs/flights.yaml": flights,
        "specs/delay.yaml": delay,
        "data/flights/1.csv": "id,x,y\n1,1,0\n",
    }
    return {f"{team}/{path}": text for path, text in files.items()}


@pytest.fixture
def teams(tmp_path: Path) -> Consumer:
    consumer = make(tmp_path, {**renamed("a"), **renamed("b"), "README.md": "x\n"})
    assert not (consumer.root / "mlops.yaml").exists()
    return consumer


def projects(consumer: Consumer, *args: str) -> dict[str, list[str]]:
    """The affected models of each project, by its folder."""
    found: dict[str, Any] = consumer.answer("ci", "projects", *args)["record"]
    return {one["folder"]: [item["name"] for item in one["impact"]["models"]] for one in found["projects"]}


def test_each_project_says_what_the_change_affects_in_it(teams: Consumer) -> None:
    assert projects(teams) == {"a": [], "b": []}
    change(teams, {"README.md": "y\n"})
    assert projects(teams) == {"a": [], "b": []}
    change(teams, {"b/data/flights/1.csv": "id,x,y\n1,2,0\n"})
    assert projects(teams) == {"a": [], "b": ["delay-b"]}
    change(teams, {"requirements.txt": "x==1\n"})  # above both
    assert projects(teams) == {"a": ["delay-a"], "b": ["delay-b"]}


def test_the_folder_that_it_is_started_in_says_which_projects_are_meant(teams: Consumer) -> None:
    change(teams, {"deep/er/.keep": ""})
    assert list(projects(teams, "-C", "a/specs")) == ["a"]
    assert list(projects(teams, "-C", "b")) == ["b"]
    problem = teams.answer("ci", "projects", "-C", "deep", code=2)["diagnostics"][0]
    assert problem["id"] == "project-not-found"


def test_a_named_model_says_whose_it_is(teams: Consumer) -> None:
    assert projects(teams, "delay-b@v1.2.0") == {"a": [], "b": ["delay-b"]}
    problem = teams.answer("ci", "projects", "dely-b", code=2)["diagnostics"][0]
    assert (problem["id"], problem["help"]) == ("model-unknown", "did you mean 'delay-b'?")


def test_an_invalid_project_is_never_taken_for_one_that_nothing_affects(teams: Consumer) -> None:
    """Given a change of one project, when the specs of another are invalid, then the line is named by its path in the repository."""
    text = (teams.root / "b/specs/delay.yaml").read_text()
    change(teams, {"b/specs/delay.yaml": text.replace("target:", "tarjet:"), "a/data/flights/1.csv": "id,x,y\n1,2,0\n"})
    found = teams.answer("ci", "projects", code=2)["diagnostics"]
    assert {one["location"]["path"] for one in found if one["severity"] == "error"} == {"b/specs/delay.yaml"}


def test_a_project_inside_of_another_is_part_of_it(teams: Consumer) -> None:
    top = HEAD.format(kind="Project", name="top") + "spec: {}\n"
    change(teams, {"c/mlops.yaml": top, "c/README.md": "x"})
    assert list(projects(teams)) == ["a", "b", "c"]
    change(teams, {"c/mlops.yaml": None, "c/d/mlops.yaml": top})
    assert list(projects(teams)) == ["a", "b", "c/d"]


def test_a_file_of_packages_is_the_projects_own_or_else_the_repositorys(teams: Consumer) -> None:
    change(teams, {"a/needs.txt": "x==1\n", "needs.txt": "y==1\n"})
    found = teams.answer("ci", "projects", "--requirements-file", "needs.txt")["record"]["projects"]
    assert {one["folder"]: one["requirements"] for one in found} == {"a": "a/needs.txt", "b": "needs.txt"}
    change(teams, {"needs.txt": None})
    found = teams.answer("ci", "projects", "--requirements-file", "needs.txt")["record"]["projects"]
    assert {one["folder"]: one["requirements"] for one in found} == {"a": "a/needs.txt", "b": ""}
    problem = teams.answer("ci", "projects", "--requirements-file", "nees.txt", code=2)["diagnostics"][0]
    assert problem["id"] == "projects-requirements"


def test_a_key_is_of_one_call_and_of_one_project(teams: Consumer) -> None:
    def keys(*args: str) -> list[str]:
        return [one["key"] for one in teams.answer("ci", "projects", *args)["record"]["projects"]]

    first, again, other = keys("--call", "a"), keys("--call", "a"), keys("--call", "b")
    assert first == again
    assert len({*first, *other}) == 4
    assert [key.partition("-")[2] for key in first] == ["shop-a", "shop-b"]


def impact(*models: str) -> AffectedReport:
    return AffectedReport(tuple(AffectedItem(name, ("x",)) for name in models), (), (), 3)


def test_the_matrix_has_the_projects_that_are_affected_and_what_their_jobs_need() -> None:
    first = ProjectImpact("shop-a", "a", "dev", "", "k-shop-a", impact())
    second = ProjectImpact("shop-b", "b", "live", "b/needs.txt", "k-shop-b", impact("x", "y"))
    outputs = action_outputs(ProjectsReport((first, second)))
    assert {name: outputs[name] for name in ("any", "count", "jobs")} == {"any": "true", "count": "1", "jobs": "6"}
    assert json.loads(outputs["folders"]) == ["a", "b"]
    (entry,) = json.loads(outputs["projects"])
    assert entry == {
        "name": "shop-b", "folder": "b", "environment": "live", "requirements": "b/needs.txt", "key": "k-shop-b",
        "models": '["x", "y"]', "matrix": '["x", "y"]', "custom": "[]",
    }  # fmt: skip
    assert action_outputs(ProjectsReport((first,)))["jobs"] == "1"


def test_more_projects_than_a_matrix_holds_are_refused(teams: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_ci.commands.ci.projects.MATRIX_LIMIT", 1)
    change(teams, {"requirements.txt": "x==1\n"})
    assert teams.answer("ci", "projects", code=2)["diagnostics"][0]["id"] == "projects-many"
