"""Every Action in a consumer's job: what it answers, what it shows, and what it leaves for the steps after it."""

from __future__ import annotations

import json

import pytest

from tests.actions.conftest import workflow
from tests.support.act import Runner
from tests.support.consumer import Consumer, edit

MODEL = "models/diagnosis.yaml"


def published(consumer: Consumer) -> None:
    consumer.commit()
    consumer.git("push", "--quiet")


def test_a_broken_spec_is_red_and_shown_at_its_line_in_the_repository(runner: Runner, consumer: Consumer) -> None:
    """Given a project in a folder of the repository, then the annotations have the path from the repository's top."""
    edit(consumer, MODEL, "metric: auc, min", "metric: auccc, min")
    (consumer.root / "ml").mkdir()
    for name in ("mlops.yaml", "data", "models", "deploy"):
        (consumer.root / name).rename(consumer.root / "ml" / name)
    steps = """
- {id: validate, continue-on-error: true, uses: mlops-ci/mlops-ci/actions/validate@v1, with: {working-directory: ml}}
- {id: check, uses: mlops-ci/mlops-ci/actions/check@v1, with: {working-directory: ml}}
"""
    run = runner.run(consumer.root, workflow(consumer, steps))
    job = run.job("job")
    assert (run.code, job.result, job.outputs["validate.run"]["exit-code"]) == (1, "failure", "2"), run.text
    line = (consumer.root / "ml" / MODEL).read_text().splitlines().index("      - {metric: auccc, min: 0.93}") + 1
    place = {"file": f"ml/{MODEL}", "line": str(line), "col": "18", "endColumn": "23", "title": "gate-metric-unknown"}
    assert [found.at for found in job.annotations] == [place, place]


def test_each_step_tells_the_steps_after_it(runner: Runner, consumer: Consumer) -> None:
    steps = """
- {id: check, uses: mlops-ci/mlops-ci/actions/check@v1, with: {datasets: patients}}
- {id: train, uses: mlops-ci/mlops-ci/actions/train@v1, with: {models: '["diagnosis"]', explain: true}}
- {id: compare, uses: mlops-ci/mlops-ci/actions/compare@v1, with: {models: "diagnosis,\\n"}}
- run: cp "$RECORD" "$ARTIFACTS" && cat "$RECORD"
  env: {RECORD: "${{ steps.compare.outputs.record }}"}
- {id: gate, uses: mlops-ci/mlops-ci/actions/gate@v1}
- run: echo "after $VERDICT"
  env: {VERDICT: "${{ steps.gate.outputs.verdict }}"}
"""
    run = runner.run(consumer.root, workflow(consumer, steps))
    job = run.job("job")
    assert run.code == 0, run.text
    assert {job.outputs[f"{step}.run"]["exit-code"] for step in ("check", "train", "compare")} == {"0"}
    said = json.loads(next(line for line in job.log.splitlines() if line.startswith('{"diagnostics"')))
    assert said["verb"] == "compare"
    told = job.outputs["gate.run"]
    assert (told["exit-code"], told["verdict"], told["passed"], told["fits"]) == ("0", "pass", '["diagnosis"]', "0")
    assert "after pass" in job.log
    assert "diagnosis" in job.summary


def test_a_model_that_is_not_good_enough_fails_the_step_and_says_so(runner: Runner, consumer: Consumer) -> None:
    edit(consumer, MODEL, "{metric: auc, min: 0.93}", "{metric: auc, min: 0.9999}")
    published(consumer)  # the rules that count are those of the branch
    steps = """
- {id: gate, continue-on-error: true, uses: mlops-ci/mlops-ci/actions/gate@v1}
- run: echo "after $VERDICT $CODE"
  env: {VERDICT: "${{ steps.gate.outputs.verdict }}", CODE: "${{ steps.gate.outputs.exit-code }}"}
"""
    run = runner.run(consumer.root, workflow(consumer, steps))
    job = run.job("job")
    assert "after fail 1" in job.log, run.text
    assert job.steps["gate.run"] == "failure"
    assert [found.level for found in job.annotations] == ["error"]


def test_a_verdict_that_is_open_is_green_or_red_as_the_branch_wants_it(runner: Runner, consumer: Consumer) -> None:
    edit(consumer, MODEL, "{metric: auc, min: 0.93}", "{metric: auc, min: 0.97}")
    published(consumer)
    name = workflow(consumer, "- {id: gate, uses: mlops-ci/mlops-ci/actions/gate@v1}")
    neutral = runner.run(consumer.root, name)
    assert (neutral.code, neutral.job("job").outputs["gate.run"]["verdict"]) == (0, "inconclusive"), neutral.text
    edit(consumer, MODEL, "  gate:\n", "  gate:\n    onInconclusive: fail\n")
    published(consumer)
    strict = runner.run(consumer.root, name)
    assert (strict.code, strict.job("job").outputs["gate.run"]["verdict"]) == (1, "inconclusive"), strict.text


@pytest.mark.slow
def test_a_version_is_released_deployed_taken_back_audited_and_made_again(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    consumer.ok("deploy", "diagnosis", "--env", "staging")
    consumer.git("pull", "--quiet", "--rebase")
    edit(consumer, MODEL, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    published(consumer)
    steps = """
- {uses: mlops-ci/mlops-ci/actions/gate@v1}
- {id: release, uses: mlops-ci/mlops-ci/actions/release@v1, with: {models: diagnosis}}
- id: deploy
  uses: mlops-ci/mlops-ci/actions/deploy@v1
  with: {model: diagnosis, env: staging}
- id: rollback
  uses: mlops-ci/mlops-ci/actions/rollback@v1
  with: {model: diagnosis, env: staging, reason: "--force"}
- {id: audit, uses: mlops-ci/mlops-ci/actions/audit@v1}
- {id: reproduce, uses: mlops-ci/mlops-ci/actions/reproduce@v1, with: {model: diagnosis@v1.1.0}}
"""
    run = runner.run(consumer.root, workflow(consumer, steps))
    told = run.job("job").outputs
    assert run.code == 0, run.text
    assert json.loads(told["release.run"]["released"]) == ["diagnosis@v1.1.0"]
    assert (told["deploy.run"]["state"], told["deploy.run"]["version"]) == ("assigned", "1.1.0")
    assert (told["rollback.run"]["state"], told["rollback.run"]["version"]) == ("assigned", "1.0.0")
    consumer.git("fetch", "--quiet", "--tags", "origin")
    events = consumer.answer("history")["record"]["events"]
    assert (events[0]["tag"], events[0]["reason"]) == ("diagnosis#staging#3", "--force")


def test_an_audit_fetches_what_a_checkout_lacks(runner: Runner, consumer: Consumer) -> None:
    consumer.ok("release")
    for ref in consumer.git("for-each-ref", "--format=%(refname)", "refs/mlops").split():
        consumer.git("update-ref", "-d", ref)
    assert consumer.run("audit").returncode == 3  # nobody's machine fetches by itself
    run = runner.run(consumer.root, workflow(consumer, "- uses: mlops-ci/mlops-ci/actions/audit@v1"))
    assert run.code == 0, run.text
    name = workflow(consumer, "- {id: it, uses: mlops-ci/mlops-ci/actions/audit@v1}")
    gone = runner.run(consumer.root, name, env={"GIT_CONFIG_VALUE_0": "https://github.com/another"})
    assert gone.job("job").outputs["it.run"]["exit-code"] == "3", gone.text


def test_an_input_is_text_and_a_required_one_is_not_left_out(runner: Runner, consumer: Consumer) -> None:
    """Given an input that is a command, when a step has it, then the command does not run; `setup` puts ours on the PATH."""
    title = '"; touch "$ARTIFACTS/pwned"; echo $(id)\n::error::pwned'
    steps = """
- uses: mlops-ci/mlops-ci/actions/setup@v1
- run: mlops-ci --version
- id: hostile
  continue-on-error: true
  uses: mlops-ci/mlops-ci/actions/rollback@v1
  with: {model: "${{ github.event.title }}", env: staging, reason: "${{ github.event.title }}"}
- run: if [[ -e "$ARTIFACTS/pwned" ]]; then echo 'it was obeyed'; else echo 'it was not'; fi
- {id: missing, uses: mlops-ci/mlops-ci/actions/deploy@v1, with: {model: diagnosis}}
"""
    run = runner.run(consumer.root, workflow(consumer, steps), payload={"title": title})
    job = run.job("job")
    assert "mlops-ci 0.1.0" in job.log, run.text
    assert "it was not" in job.log, run.text
    assert job.outputs["hostile.run"]["exit-code"] in ("1", "2")
    assert job.outputs["missing.run"]["exit-code"] == "2", run.text
    hostile, missing = job.annotations
    assert (hostile.level, missing.at["title"]) == ("error", "action-input")
    assert missing.message.splitlines()[0] == "the input 'env' is missing"
