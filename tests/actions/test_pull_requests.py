"""Pull requests of every kind meet the reusable workflows, and a GitHub that keeps what it is told and holds everybody to its contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.actions.conftest import workflow
from tests.actions.test_gate_workflow import MODEL, called, changed, of, pull_request
from tests.e2e.keep.conftest import ESTIMATOR, OWN
from tests.support.act import Run, Runner
from tests.support.consumer import Consumer, edit
from tests.support.github.fake import Fake
from tests.support.github.state import State

WRITES, READS = "ghs_fake", "ghs_fork"  # the fake's tokens
COMMENT = """\
name: comment
on:
  workflow_run: {workflows: [gate], types: [completed]}
permissions: {}
jobs:
  comment:
    uses: mlops-ci/mlops-ci/.github/workflows/comment.yml@v1
    permissions: {actions: read, pull-requests: write, checks: write}
"""


@pytest.fixture
def github() -> Iterator[Fake]:
    """A GitHub on which the consumer is; a test that ends has broken no rule of its contract."""
    with Fake(State(repository="acme/models")) as server:
        yield server
    assert server.violations == []


def judged(
    runner: Runner,
    consumer: Consumer,
    github: Fake,
    *,
    token: str = WRITES,
    event: str = "pull_request",
    **more: Any,
) -> Run:
    """Let a change meet the gate. `payload` is the event's, by default that of a pull request of the repository itself."""
    payload = more.pop("payload", None) or pull_request(consumer)
    if not github.state.pulls:
        github.state.open_pull(7, payload.get("pull_request", {}).get("head", {}).get("sha", "a" * 40))
    env = {"GITHUB_API_URL": github.url, **more.pop("env", {})}
    secrets = {"GITHUB_TOKEN": token}
    return runner.run(consumer.root, "gate.yml", event, payload=payload, env=env, secrets=secrets, **more)


def heading(comment: dict[str, Any]) -> str:
    """The first line that a reader sees."""
    return next(line for line in str(comment["body"]).splitlines() if line and not line.startswith("<!--"))


TITLE = 'x"; echo "PW""NED"; #'
BRANCH = "a$(echo${IFS}PW''NED)b"


def test_a_pull_request_is_trained_judged_kept_and_told(runner: Runner, consumer: Consumer, github: Fake) -> None:
    """Given a pull request, when it is judged, pushed to and judged again, then its one comment says the newest verdict.

    Its title and its branch are commands. They run nothing.
    """
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    payload = pull_request(consumer)
    payload["pull_request"] |= {"title": TITLE, "body": "::set-output name=verdict::pass\n%0A::error::x"}
    payload["pull_request"]["head"]["ref"] = BRANCH
    first = judged(runner, consumer, github, payload=payload)
    assert first.code == 0, first.text
    assert {
        job: of(first, job) for job in ("affected", "train", "features", "predict", "judge", "keep", "verdict")
    } == {
        **dict.fromkeys(("affected", "train", "judge", "keep", "verdict"), "success"),
        **dict.fromkeys(("features", "predict"), "none"),  # no model has code of its own
    }
    (kept,) = [name for name in consumer.published() if name.startswith("refs/mlops/runs/")]
    comparison = json.loads(consumer.git("--git-dir", str(consumer.origin), "show", f"{kept}:comparison.json"))
    assert (comparison["verdict"], comparison["trust"]) == ("pass", "separated")
    (comment,) = github.state.comments[7]
    assert "mlops-ci gate: pass" in heading(comment)
    assert "PWNED" not in first.text
    assert "PW" not in comment["body"]
    edit(consumer, MODEL, "metric: auc, min: 0.93", "metric: auc, min: 0.9")
    edit(consumer, MODEL, "C: 0.5", "C: 0.000001")
    consumer.commit("Worse")
    second = judged(runner, consumer, github)
    assert (second.code, of(second, "judge"), of(second, "keep")) == (1, "failure", "success"), second.text
    (again,) = github.state.comments[7]
    assert again["id"] == comment["id"]
    assert "mlops-ci gate: fail" in heading(again)
    assert "gate-changed" in again["body"]
    assert [check["conclusion"] for check in github.state.checks] == ["success", "failure"]
    assert "gate: fail" in second.job("judge").summary


def test_the_naive_form_runs_what_a_pull_request_is_called(runner: Runner, bare: Path) -> None:
    """Given the same title and branch, when a workflow pastes them into a script, then both run."""
    event = "github.event.pull_request"
    steps = [{"run": f'echo "${{{{ {event}.title }}}}"'}, {"run": f"echo ${{{{ {event}.head.ref }}}}"}]
    naive = {"on": "push", "jobs": {"job": {"runs-on": "ubuntu-latest", "steps": steps}}}
    (bare / ".github" / "workflows" / "test.yml").write_text(yaml.safe_dump(naive))
    pull = {"title": TITLE, "head": {"ref": BRANCH}}
    pasted = runner.run(bare, "test.yml", "push", payload={"pull_request": pull})
    assert pasted.job("job").log.count("PWNED") == 2, pasted.text


@pytest.mark.slow
def test_a_host_that_does_not_listen_changes_no_verdict(runner: Runner, consumer: Consumer, github: Fake) -> None:
    """Given a host that forbids comments and drops the connection for checks, then each failure is one warning."""
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    github.next("forbidden", 50, ".*comments.*")
    github.next("dropped", 50, ".*check-runs.*")
    run = judged(runner, consumer, github)
    assert (run.code, of(run, "verdict")) == (0, "success"), run.text
    warnings = [found.message for found in run.job("keep").annotations if found.level == "warning"]
    assert len([one for one in warnings if "comment" in one]) == 1, run.text
    assert len([one for one in warnings if "check" in one]) == 1, run.text
    assert "gate: pass" in run.job("judge").summary


def test_a_fork_is_told_from_outside(runner: Runner, consumer: Consumer, github: Fake, tmp_path: Path) -> None:
    """Given a fork, whose token only reads, when its gate has ended, then another workflow comments, and no check succeeds."""
    (tmp_path / "shared").mkdir()
    shared = {"ARTIFACTS": str(tmp_path / "shared")}
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    payload = pull_request(consumer, owner="eve")
    run = judged(runner, consumer, github, token=READS, payload=payload, env=shared)
    assert (run.code, of(run, "verdict")) == (0, "success"), run.text
    assert not any(github.state.comments.values())
    (consumer.root / ".github" / "workflows" / "comment.yml").write_text(COMMENT)
    sha = payload["pull_request"]["head"]["sha"]
    ended = {
        "id": 1,
        "event": "pull_request",
        "head_sha": sha,
        "html_url": "https://github.com/acme/models/actions/runs/1",
        "head_repository": {"full_name": "eve/models"},
        "pull_requests": [],
    }
    told = runner.run(
        consumer.root,
        "comment.yml",
        "workflow_run",
        payload={"action": "completed", "workflow_run": ended, "repository": {"full_name": "acme/models"}},
        env={**shared, "GITHUB_API_URL": github.url},
        secrets={"GITHUB_TOKEN": WRITES},
    )
    assert told.code == 0, told.text
    (comment,) = github.state.comments[7]
    assert "untrusted run" in comment["body"]
    assert [(check["head_sha"], check["conclusion"]) for check in github.state.checks] == [(sha, "neutral")]


def five(consumer: Consumer) -> None:
    """Let there be five models, and a change of two: one is other, the other's code fails."""
    spec = (consumer.root / MODEL).read_text()
    for name in ("second", "third", "fourth", "fifth"):
        other = spec.replace("name: diagnosis", f"name: {name}")
        (consumer.root / "models" / f"{name}.yaml").write_text(other)


@pytest.mark.slow
def test_two_models_of_five_are_judged_and_one_that_cannot_be_trained_is_red(
    runner: Runner, consumer: Consumer, github: Fake
) -> None:
    five(consumer)
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    edit(consumer, "models/third.yaml", "{max_iter: 1000}", "{max_iter: 1000, penalty: nonsense}")
    consumer.commit("A leg that fails")
    run = judged(runner, consumer, github)
    assert sorted(leg.matrix["models"] for leg in run.jobs if leg.id == "train") == ["diagnosis", "third"]
    assert (run.code, of(run, "judge")) == (1, "failure"), run.text
    (comment,) = github.state.comments[7]
    assert "diagnosis" in comment["body"]
    assert "run-not-arrived" in comment["body"]


def test_a_merge_queue_is_judged_against_its_base_and_an_open_verdict_is_a_neutral_check(
    runner: Runner, consumer: Consumer, github: Fake
) -> None:
    """Given a bar that so few rows cannot show to be passed, then the job is green, its check neutral, and nobody is told twice."""
    edit(consumer, MODEL, "metric: auc, min: 0.93", "metric: auc, min: 0.99")
    changed(consumer, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    base = consumer.git("rev-parse", "origin/main")
    head = consumer.git("rev-parse", "HEAD")
    queued = {
        "base_ref": "refs/heads/main",
        "base_sha": base,
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{base}",
        "head_sha": head,
    }
    payload = {"action": "checks_requested", "merge_group": queued, "repository": {"full_name": "acme/models"}}
    run = judged(runner, consumer, github, event="merge_group", payload=payload)
    assert (run.code, of(run, "keep"), of(run, "verdict")) == (0, "success", "success"), run.text
    assert not any(github.state.comments.values())
    assert [(check["head_sha"], check["conclusion"]) for check in github.state.checks] == [(head, "neutral")]
    assert len([ref for ref in consumer.published() if ref.startswith("refs/mlops/runs/")]) == 1


@pytest.mark.slow
def test_other_events_judge_every_model(runner: Runner, consumer: Consumer, github: Fake) -> None:
    called(consumer)
    consumer.commit()
    consumer.git("push", "--quiet", "origin", "main")
    for event, payload in (
        ("schedule", {"schedule": "0 4 * * 1"}),
        ("repository_dispatch", {"action": "judge", "client_payload": {}}),
    ):
        known = {**payload, "repository": {"full_name": "acme/models"}}
        run = judged(runner, consumer, github, event=event, payload=known)
        assert (run.code, of(run, "train"), of(run, "verdict")) == (0, "success", "success"), run.text


@pytest.mark.slow
def test_a_model_of_its_own_code_answers_in_a_job_without_rights(
    runner: Runner, consumer: Consumer, github: Fake
) -> None:
    """Given a class of the repository's own, when a change brings it, then it predicts in one job and is judged in another."""
    (consumer.root / "models" / "own.py").write_text(OWN)
    changed(consumer, ESTIMATOR, "    entrypoint: models/own.py:build\n    trusted: [own.Mine]\n")
    run = judged(runner, consumer, github)
    ended = {job: of(run, job) for job in ("train", "features", "predict", "judge", "keep", "verdict")}
    assert ended == dict.fromkeys(ended, "success"), run.text
    (comment,) = github.state.comments[7]
    assert "holdout-readable" in comment["body"]


def test_doctor_says_what_github_enforces(runner: Runner, consumer: Consumer, github: Fake) -> None:
    name = workflow(consumer, "- id: doctor\n  uses: mlops-ci/mlops-ci/actions/doctor@v1")
    run = runner.run(consumer.root, name, env={"GITHUB_API_URL": github.url}, secrets={"GITHUB_TOKEN": WRITES})
    job = run.job("job")
    assert int(job.outputs["doctor.run"]["advisory"]) > 0, run.text
    assert any(found.at.get("title") == "doctor-advisory" for found in job.annotations)
    assert "refs/mlops" in job.summary
