"""The reusable workflow that judges a change, run job by job; and its verdict under every way in which the others may end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_ci.core.results.impact import GateJobs, total_gate_jobs
from tests.support.act import Run, Runner
from tests.support.consumer import Consumer, edit
from tests.support.workflow_files import WORKFLOWS, jobs

MODEL = "models/diagnosis.yaml"
CALLER = """\
name: gate
on:
  pull_request:
  merge_group:
  push:
  schedule: [{cron: "0 4 * * 1"}]
  workflow_dispatch:
  repository_dispatch:
permissions: {}
jobs:
  gate:
    uses: mlops-ci/mlops-ci/.github/workflows/gate.yml@v1
    permissions: {contents: write, pull-requests: write, checks: write}
"""


def called(consumer: Consumer) -> str:
    path = consumer.root / ".github" / "workflows" / "gate.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CALLER)
    return path.name


def pull_request(consumer: Consumer, *, owner: str = "acme") -> dict[str, Any]:
    """The event of a change on the branch that is checked out, as GitHub sends it, as far as it is read."""
    base = {"ref": "main", "sha": consumer.git("rev-parse", "origin/main"), "repo": {"full_name": "acme/models"}}
    head = {"ref": "change", "sha": consumer.git("rev-parse", "HEAD"), "repo": {"full_name": f"{owner}/models"}}
    pull = {"number": 7, "head": head, "base": base, "user": {"login": "ada"}, "title": "A change"}
    return {"action": "synchronize", "number": 7, "pull_request": pull, "repository": {"full_name": "acme/models"}}


def changed(consumer: Consumer, old: str, new: str) -> None:
    """Commit a change of the model's spec on a branch of its own, with the workflow on both."""
    name = called(consumer)
    consumer.commit(f"Add {name}")
    consumer.git("push", "--quiet", "origin", "main")
    consumer.git("switch", "--quiet", "--create", "change")
    edit(consumer, MODEL, old, new)
    consumer.commit("Change")


def of(run: Run, job: str) -> str:
    """How a job of the called workflows ended; `none` where it did not run.

    Where a job of gate-project.yml fails, act ends before the verdict of gate.yml, which GitHub runs: it is rehearsed below.
    """
    return next((one.result for one in run.jobs if one.id == job), "none")


def test_a_change_that_touches_no_model_is_green_and_nothing_is_trained(runner: Runner, consumer: Consumer) -> None:
    called(consumer)
    consumer.commit()
    consumer.git("push", "--quiet", "origin", "main")
    consumer.git("switch", "--quiet", "--create", "change")
    (consumer.root / "README.md").write_text("another text\n")
    consumer.commit()
    run = runner.run(consumer.root, "gate.yml", "pull_request", payload=pull_request(consumer))
    assert run.code == 0, run.text
    assert [(job.id, job.result) for job in run.jobs if job.result != "none"] == [("affected", "success")], run.text
    assert run.job("affected").outputs["projects"]["jobs"] == "1"


def test_a_broken_spec_is_red_at_its_line(runner: Runner, consumer: Consumer) -> None:
    changed(consumer, "metric: auc, min", "metric: auccc, min")
    run = runner.run(consumer.root, "gate.yml", "pull_request", payload=pull_request(consumer))
    assert (run.code, of(run, "affected"), of(run, "verdict")) == (1, "failure", "failure"), run.text
    found = run.job("affected").annotations[0]
    assert (found.at["file"], found.at["title"]) == (MODEL, "gate-metric-unknown")


@pytest.mark.slow
def test_a_fork_is_judged_and_keeps_nothing(runner: Runner, consumer: Consumer) -> None:
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    before = consumer.published()
    run = runner.run(consumer.root, "gate.yml", "pull_request", payload=pull_request(consumer, owner="eve"))
    assert (run.code, of(run, "judge"), of(run, "keep"), of(run, "verdict")) == (0, "success", "none", "success"), (
        run.text
    )
    assert consumer.published() == before


@dataclass(frozen=True)
class Ends:
    """How the jobs before the verdict end, and what the first says."""

    affected: str = "success"
    project: str = "success"
    any: str = "true"


def rehearsed(ends: Ends) -> str:
    """A workflow with the verdict of gate.yml, after jobs that end as they are told."""
    told = {"affected": {"any": ends.any}}
    made: dict[str, Any] = {"verdict": dict(jobs(WORKFLOWS["gate.yml"])["verdict"])}
    made["verdict"]["runs-on"] = "ubuntu-latest"
    del made["verdict"]["cache-mode"]  # which act does not know
    for job in made["verdict"]["needs"]:
        outputs: Mapping[str, str] = told.get(job, {})
        lines = [f"echo '{name}={value}' >> $GITHUB_OUTPUT" for name, value in outputs.items() if value]
        ending = "exit 1" if getattr(ends, job) == "failure" else "exit 0"
        made[job] = {
            "runs-on": "ubuntu-latest",
            "if": getattr(ends, job) != "skipped",
            "outputs": {name: f"${{{{ steps.it.outputs.{name} }}}}" for name in outputs},
            "steps": [{"id": "it", "run": "\n".join([*lines, ending])}],
        }
    return yaml.safe_dump({"on": "pull_request", "jobs": made}, sort_keys=False)


GOOD, NOTHING = Ends(), Ends(any="false", project="skipped")


@pytest.mark.parametrize(
    ("ends", "result"),
    [
        (GOOD, "success"),
        (
            NOTHING,
            "none",
        ),  # skipped, which GitHub counts as passed: a first job that succeeded says that there is nothing
        (replace(GOOD, affected="failure"), "failure"),
        (replace(NOTHING, affected="failure"), "failure"),
        (replace(NOTHING, affected="skipped"), "failure"),
        (replace(NOTHING, any=""), "failure"),  # said nothing
        (replace(GOOD, any="false"), "failure"),  # says that there was nothing to do, and something was done
        (replace(GOOD, project="failure"), "failure"),
        (replace(GOOD, project="skipped"), "failure"),
        (replace(NOTHING, project="failure"), "failure"),
    ],
    ids=str,
)
def test_the_verdict_is_green_only_where_all_has_happened_that_had_to(
    ends: Ends, result: str, tmp_path: Path, bare: Path
) -> None:
    (bare / ".github" / "workflows" / "test.yml").write_text(rehearsed(ends))
    run = Runner({}, tmp_path).run(bare, "test.yml", "pull_request", payload={"pull_request": {"number": 7}})
    assert of(run, "verdict") == result, run.text


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, 0),
        ({"EXIT_CODE": "1"}, 1),
        ({"EXIT_CODE": ""}, 1),  # the step did not get so far
        ({"RECORD_DIGEST": ""}, 1),  # nothing that the next job could store
        ({"TRAIN": "failure"}, 1),
        ({"TRAIN": "skipped"}, 1),
        ({"PREDICT": "failure"}, 1),
        ({"PREDICT": "skipped"}, 1),
    ],
    ids=str,
)
def test_the_judge_succeeds_only_with_an_answer_that_lets_the_change_pass(said: Mapping[str, str], code: int) -> None:
    """The verdict of gate.yml asks no more than whether a job failed: no job may end well that has not done its part."""
    judge = jobs(WORKFLOWS["gate-project.yml"])["judge"]
    step = judge["steps"][-1]
    assert step["if"] == "${{ !cancelled() }}" == judge["if"]
    env = {"EXIT_CODE": "0", "RECORD_DIGEST": "d" * 64, "TRAIN": "success", "PREDICT": "success"}
    assert set(step["env"]) == set(env)
    assert step["env"]["PREDICT"] == "${{ inputs.custom == '[]' && 'success' || needs.predict.result }}"
    done = subprocess.run(
        ["bash", "-euc", step["run"]], env={**env, **said}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout


def test_the_jobs_that_a_change_costs_are_those_of_the_workflows() -> None:
    project = jobs(WORKFLOWS["gate-project.yml"])
    assert [one.name for one in fields(GateJobs)] == list(project)
    assert {name for name, job in project.items() if "strategy" in job} == {"train", "predict"}  # one for each model
    assert [name for name, job in jobs(WORKFLOWS["gate.yml"]).items() if "uses" not in job] == ["affected", "verdict"]
    assert total_gate_jobs([]) == 1
    assert total_gate_jobs([GateJobs.of(1, 0)]) == 5
    assert total_gate_jobs([GateJobs.of(2, 1), GateJobs.of(1, 0)]) == 1 + (2 + 1 + 1 + 2) + 3 + 1
