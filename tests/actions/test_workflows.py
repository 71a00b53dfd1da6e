"""The other reusable workflows, called as a consumer calls them."""

from __future__ import annotations

import json

import pytest

from tests.support.act import Runner
from tests.support.consumer import Consumer, edit

CALLER = """\
name: caller
on: [push, workflow_dispatch]
permissions: {{}}
jobs:
  it:
    uses: mlops-ci/mlops-ci/.github/workflows/{name}.yml@v1
    permissions: {{contents: write, pull-requests: write, checks: write, actions: write, deployments: write, id-token: write, attestations: write}}
    with: {inputs}
"""


def calling(consumer: Consumer, name: str, **inputs: object) -> str:
    path = consumer.root / ".github" / "workflows" / "caller.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CALLER.format(name=name, inputs=json.dumps(inputs)))
    return path.name


def test_promote_deploys_and_rolls_back(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    consumer.ok("deploy", "diagnosis", "--env", "staging")
    name = calling(consumer, "promote", model="diagnosis@v1.0.0", environment="prod")
    run = runner.run(consumer.root, name, "workflow_dispatch")
    assert run.code == 0, run.text
    assert "refs/tags/diagnosis#prod#2" in consumer.published()
    name = calling(consumer, "promote", model="diagnosis", environment="prod", rollback=True)
    refused = runner.run(consumer.root, name, "workflow_dispatch")
    (found,) = refused.job("promote").annotations
    assert (refused.code, found.message.splitlines()[0]) == (1, "the input 'reason' is missing")


def test_audit_finds_a_tag_that_somebody_wrote_by_hand(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    name = calling(consumer, "audit", since=consumer.git("rev-parse", "diagnosis@v1.0.0"))
    sound = runner.run(consumer.root, name)
    assert sound.code == 0, sound.text
    consumer.git("tag", "-a", "diagnosis@v2.0.0", "-m", "by hand")
    consumer.git("push", "--quiet", "origin", "diagnosis@v2.0.0")
    run = runner.run(consumer.root, name)
    assert run.code == 1, run.text
    assert any("diagnosis@v2.0.0" in found.message for found in run.job("audit").annotations)


def test_gc_deletes_runs_that_were_not_released(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    consumer.git("push", "--quiet", "origin", "refs/mlops/runs/*:refs/mlops/runs/*")
    released = {name for name in consumer.published() if name.startswith("refs/mlops/runs/")}
    old = "refs/mlops/runs/diagnosis/" + "0" * 32
    consumer.git("push", "--quiet", "origin", f"{consumer.git('commit-tree', 'HEAD^{tree}', '-m', 'old')}:{old}")
    run = runner.run(consumer.root, calling(consumer, "gc", keep="0s"))
    assert run.code == 0, run.text
    assert run.job("gc").outputs["gc.run"]["removed"] == "1"
    assert {name for name in consumer.published() if name.startswith("refs/mlops/runs/")} == released


def test_attest_is_given_the_files_that_a_release_names(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    name = calling(consumer, "attest", versions=json.dumps(["diagnosis@v1.0.0"]))
    run = runner.run(consumer.root, name)
    assert run.code == 0, run.text
    job = run.job("attest", version="diagnosis@v1.0.0")
    assert set(job.steps.values()) == {"success"}
    assert "model.skops" in job.log


@pytest.mark.slow
def test_what_nobody_has_judged_is_judged_released_and_deployed(runner: Runner, consumer: Consumer) -> None:
    edit(consumer, "models/diagnosis.yaml", "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    name = calling(consumer, "release", **{"deploy-to": "staging"})
    consumer.commit()
    consumer.git("push", "--quiet")
    run = runner.run(consumer.root, name, "push", payload={"before": consumer.git("rev-parse", "HEAD^")})
    assert run.code == 0, run.text
    assert {"refs/tags/diagnosis@v1.0.0", "refs/tags/diagnosis#staging#1"} <= set(consumer.published())
    again = runner.run(consumer.root, name, "push", payload={"before": consumer.git("rev-parse", "HEAD^")})
    assert again.code == 0, again.text
    assert {job.id for job in again.jobs if job.result != "none"} == {"affected", "passed"}
