"""One repository with three projects meets the reusable workflows: each is judged by itself, and none is in another's way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.actions.conftest import URL
from tests.actions.test_gate_workflow import called
from tests.actions.test_pull_requests import github, judged
from tests.actions.test_workflows import calling
from tests.support.act import Run, Runner
from tests.support.consumer import Consumer, copy_of, home_of_ada
from tests.support.git_calls import git_in
from tests.support.github.fake import Fake

__all__ = ["github"]  # the fixture
TEAMS = {"team-a": "churn", "team-b": "fraud", "team-c": "price"}
RIGHTS = "permissions: {contents: write, pull-requests: write, checks: write}"
CALLS = {
    "a": "{working-directory: team-a}",
    "b": "{working-directory: team-b, models: fraud}",
    "again": "{working-directory: team-a, models: churn, train-minutes: 30}",
}


@pytest.fixture(scope="session")
def world_of_three(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """Three projects in folders of one repository, each the template `minimal` with names of its own, and one caller of the gate."""
    with home_of_ada(tmp_path_factory):
        place = tmp_path_factory.mktemp("three")
        git_in(place)("init", "--quiet", "--bare", "origin.git")
        git_in(place)("clone", "--quiet", "origin.git", "clone")
        made = Consumer(place / "clone", place / "origin.git")
        for folder, model in TEAMS.items():
            files = world_of_gated.git("ls-files", "-z").split("\0")
            for name in filter(None, files):
                text = (world_of_gated.root / name).read_bytes()
                for old, new in (("diagnosis", model), ("patients", f"{model}-patients")):
                    if name.endswith(".yaml"):
                        text = re.sub(rf"\b{old}(?!\.csv)\b".encode(), new.encode(), text)
                if name == "mlops.yaml":
                    text = re.sub(rb"metadata: \{name: [a-z-]+\}", f"metadata: {{name: {folder}}}".encode(), text)
                target = made.root / folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text)
        called(made)
        made.commit("start")
        made.git("push", "--quiet", "--set-upstream", "origin", "main")
    return made


@pytest.fixture
def consumer(world_of_three: Consumer, tmp_path: Path) -> Consumer:
    made = copy_of(world_of_three, tmp_path)
    made.git("remote", "set-url", "origin", URL)
    made.git("config", "--global", f"url.{made.origin}.insteadOf", URL)
    return made


def change(consumer: Consumer, *folders: str) -> None:
    """Commit a change of the model of these projects, on a branch of its own."""
    consumer.git("switch", "--quiet", "--create", "change")
    for folder in folders:
        (spec,) = (consumer.root / folder / "models").glob("*.yaml")
        spec.write_text(spec.read_text().replace("{max_iter: 1000}", "{max_iter: 1000, C: 0.5}"))
    (consumer.root / "README.md").write_text("a change\n")
    consumer.commit("Change")


def ended(run: Run) -> list[tuple[str, str]]:
    """Each job that ran, by id, with how it ended."""
    return sorted((job.id, job.result) for job in run.jobs if job.result != "none")


def subject(check: Mapping[str, Any]) -> str:
    """What a check's name says that it is about. The workflow before it is the caller's on GitHub, and for act the called one's."""
    found = re.fullmatch(r"mlops-ci: [a-z -]+ \((.*)\)", check["name"])
    assert found is not None, check["name"]
    return found[1]


PROJECT = [("judge", "success"), ("keep", "success"), ("train", "success")]
AROUND = [("affected", "success"), ("verdict", "success")]


def test_a_change_of_no_project_has_one_job_and_passes(runner: Runner, consumer: Consumer, github: Fake) -> None:
    change(consumer)
    run = judged(runner, consumer, github)
    assert (run.code, ended(run)) == (0, [("affected", "success")]), run.text
    assert json.loads(run.job("affected").outputs["projects"]["folders"]) == list(TEAMS)
    assert not any(github.state.comments.values())
    assert github.state.checks == []


def test_a_change_of_one_project_is_judged_there_and_nowhere_else(
    runner: Runner, consumer: Consumer, github: Fake
) -> None:
    change(consumer, "team-b")
    run = judged(runner, consumer, github)
    assert (run.code, ended(run)) == (0, sorted([*PROJECT, *AROUND])), run.text
    assert run.job("affected").outputs["projects"]["jobs"] == "5" == str(len(ended(run)))
    assert [subject(check) for check in github.state.checks] == ["team-b"]
    (comment,) = github.state.comments[7]
    assert "gate: pass (team-b)" in comment["body"]
    assert "mlops-ci gate -C team-b fraud" in comment["body"]


@pytest.mark.slow
def test_two_projects_of_one_change_have_their_own_verdicts_comments_and_checks(
    runner: Runner, consumer: Consumer, github: Fake
) -> None:
    """Given a change that is good for one project and bad for another, when it is judged twice, then each has one comment."""
    change(consumer, "team-a")
    (spec,) = (consumer.root / "team-c" / "models").glob("*.yaml")
    spec.write_text(spec.read_text().replace("{max_iter: 1000}", "{max_iter: 1000, C: 0.000001}"))
    consumer.commit("Worse")
    for _ in range(2):
        run = judged(runner, consumer, github)
        verdicts = {job.outputs["gate.run"]["verdict"] for job in run.jobs if job.id == "judge"}
        assert (run.code, verdicts) == (1, {"pass", "fail"}), run.text
        assert [job.result for job in run.jobs if job.id == "keep"] == ["success", "success"]
    said = sorted(
        re.findall(r"mlops-ci gate: (\w+) \(([a-z-]+)\)", "".join(c["body"] for c in github.state.comments[7]))
    )
    assert said == [("fail", "team-c"), ("pass", "team-a")]
    checks = {(subject(check), check["conclusion"]) for check in github.state.checks}
    assert checks == {("team-a", "success"), ("team-c", "failure")}
    kept = {name.split("/")[3] for name in consumer.published() if name.startswith("refs/mlops/runs/")}
    assert kept == {"churn", "price"}


@pytest.mark.slow
def test_the_gate_is_called_three_times_in_one_run_and_twice_for_the_same_model(
    runner: Runner, consumer: Consumer, github: Fake, tmp_path: Path
) -> None:
    """Given artifacts whose names are taken for the whole run, then no call uploads to, or judges, what another one has."""
    each = [f"  {job}:\n    uses: mlops-ci/mlops-ci/.github/workflows/gate.yml@v1\n" for job in CALLS]
    body = "".join(f"{one}    {RIGHTS}\n    with: {given}\n" for one, given in zip(each, CALLS.values(), strict=True))
    path = consumer.root / ".github" / "workflows" / "gate.yml"
    path.write_text(f"name: gate\non: pull_request\npermissions: {{}}\njobs:\n{body}")
    consumer.commit("Call it three times")
    consumer.git("push", "--quiet", "origin", "main")
    change(consumer, "team-a", "team-b")
    (tmp_path / "shared").mkdir()
    run = judged(runner, consumer, github, env={"ARTIFACTS": str(tmp_path / "shared")})
    assert run.code == 0, run.text
    uploaded = sorted(re.sub("[0-9a-f]{12}", "KEY", place.name) for place in (tmp_path / "shared").iterdir())
    twice = ["mlops-ci-gate-KEY-team-a", "mlops-ci-run-KEY-team-a-churn"]
    once = ["mlops-ci-gate-KEY-team-b", "mlops-ci-run-KEY-team-b-fraud"]
    assert uploaded == sorted([*twice, *twice, *once])
    subjects = sorted(subject(check) for check in github.state.checks)
    assert subjects == ["team-a", "team-a, churn", "team-b, fraud"]
    assert len(github.state.comments[7]) == 3


@pytest.mark.slow
def test_a_push_releases_and_deploys_the_projects_that_it_affects_and_a_model_says_where_it_is_promoted(
    runner: Runner, consumer: Consumer
) -> None:
    for folder in ("team-a", "team-b"):
        (spec,) = (consumer.root / folder / "models").glob("*.yaml")
        spec.write_text(spec.read_text().replace("{max_iter: 1000}", "{max_iter: 1000, C: 0.5}"))
    name = calling(consumer, "release", deploy=True)
    consumer.commit("Better")
    for folder in ("team-a", "team-b"):
        consumer.ok("gate", "-C", folder)
    consumer.git("push", "--quiet")
    run = runner.run(consumer.root, name, "push", payload={"before": consumer.git("rev-parse", "HEAD^")})
    assert run.code == 0, run.text
    tags = {name.removeprefix("refs/tags/") for name in consumer.published() if name.startswith("refs/tags/")}
    assert tags == {"churn@v1.0.0", "churn#staging#1", "fraud@v1.0.0", "fraud#staging#1"}
    name = calling(consumer, "promote", model="fraud@v1.0.0", environment="prod")
    run = runner.run(consumer.root, name, "workflow_dispatch")
    assert run.code == 0, run.text
    assert "refs/tags/fraud#prod#2" in consumer.published()
