"""The reusable workflow that judges a change, run job by job; and its verdict under every way in which the others may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    """How a job of the called workflow ended; `none` where it did not run."""
    return next((one.result for one in run.jobs if one.id == job), "none")


def test_a_change_that_touches_no_model_is_green_and_nothing_is_trained(runner: Runner, consumer: Consumer) -> None:
    called(consumer)
    consumer.commit()
    consumer.git("push", "--quiet", "origin", "main")
    consumer.git("switch", "--quiet", "--create", "change")
    (consumer.root / "README.md").write_text("another text\n")
    consumer.commit()
    run = runner.run(consumer.root, "gate.yml", "pull_request", payload=pull_request(consumer))
    assert (run.code, of(run, "train"), of(run, "judge"), of(run, "verdict")) == (0, "none", "none", "success"), (
        run.text
    )


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
    """How the jobs before the verdict end, and what two of them say."""

    affected: str = "success"
    train: str = "success"
    features: str = "skipped"
    predict: str = "skipped"
    judge: str = "success"
    keep: str = "success"
    any: str = "true"
    custom: str = "[]"
    code: str = "0"
    owner: str = "acme"


def rehearsed(ends: Ends) -> str:
    """A workflow with the verdict of gate.yml, after jobs that end as they are told."""
    told = {"affected": {"any": ends.any, "custom": ends.custom}, "judge": {"exit-code": ends.code}}
    made: dict[str, Any] = {"verdict": dict(jobs(WORKFLOWS["gate.yml"])["verdict"])}
    made["verdict"]["runs-on"] = "ubuntu-latest"
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


GOOD, NOTHING = Ends(), Ends(any="false", train="skipped", judge="skipped", keep="skipped")
CUSTOM = Ends(custom='["a"]', features="success", predict="success")


@pytest.mark.parametrize(
    ("ends", "green"),
    [
        (GOOD, True),
        (NOTHING, True),
        (CUSTOM, True),
        (replace(GOOD, keep="skipped", owner="eve"), True),
        (replace(GOOD, affected="failure"), False),
        (replace(NOTHING, affected="failure"), False),
        (replace(NOTHING, any=""), False),  # said nothing
        (replace(GOOD, any="false"), False),  # says that there was nothing to do, and something was done
        (replace(GOOD, train="failure"), False),
        (replace(GOOD, train="skipped"), False),
        (replace(CUSTOM, features="failure", predict="skipped"), False),
        (replace(CUSTOM, predict="failure"), False),
        (replace(CUSTOM, custom=""), True),  # both have run
        (replace(GOOD, custom=""), False),
        (replace(GOOD, judge="failure"), False),
        (replace(GOOD, judge="skipped", keep="skipped"), False),
        (replace(GOOD, code="1"), False),
        (replace(GOOD, code=""), False),
        (replace(GOOD, keep="failure"), False),
        (replace(GOOD, keep="skipped"), False),
    ],
    ids=str,
)
def test_the_verdict_is_green_only_where_all_has_happened_that_had_to(
    ends: Ends, green: bool, tmp_path: Path, bare: Path
) -> None:
    (bare / ".github" / "workflows" / "test.yml").write_text(rehearsed(ends))
    pull = {"head": {"repo": {"full_name": f"{ends.owner}/models"}}, "user": {"login": "ada"}}
    run = Runner({}, tmp_path).run(bare, "test.yml", "pull_request", payload={"pull_request": pull})
    assert (run.job("verdict").result == "success") is green, run.text
