"""In a CI job, releases and deployments are also told to the git host: a page with a model card, a deployment, an event, a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.registry.statement import parse_statement
from tests.support.consumer import Consumer, edit
from tests.support.github.fake import Fake

TOKEN = "ghs_fake"  # noqa: S105 - one that the fake knows


@pytest.fixture
def in_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands believe that they run in a job about the default branch."""
    for name, value in {"ACTIONS": "true", "REPOSITORY": "ada/flights", "ACTOR": "ada", "EVENT_NAME": "push"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)


def told(plan: list[str]) -> list[str]:
    """What a plan does after its push."""
    return plan[[line.startswith("push") for line in plan].index(True) + 1 :]


def statement_of(consumer: Consumer) -> dict[str, Any]:
    """What the release's tag says."""
    consumer.git("fetch", "--quiet", "--tags", "origin")
    found = parse_statement(consumer.git("cat-file", "tag", "diagnosis@v1.0.0").partition("\n\n")[2])
    assert found is not None
    return dict(found)


def test_outside_a_job_nobody_is_told(gated: Consumer) -> None:
    assert told(gated.answer("release", "--dry-run")["plan"]) == []


@pytest.mark.usefixtures("in_a_job")
def test_a_release_gets_its_page_and_starts_what_waits_for_it(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a job with a token, when it releases, then the host has a page with the card; and again, then nothing is doubled."""
    plan = gated.answer("release", "--dry-run")["plan"]
    assert told(plan) == ["release  diagnosis@v1.0.0 on the host", "dispatch mlops-ci-released"]
    with Fake() as host:
        monkeypatch.setenv("GITHUB_API_URL", host.url)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        host.state.tags.add("diagnosis@v1.0.0")
        gated.ok("release")
        assert gated.answer("release", "--dry-run")["plan"] == ["release  diagnosis@v1.0.0 on the host"]
        gated.ok("release")
        assert not host.violations
        (page,) = host.state.releases
        assert page["tag_name"] == "diagnosis@v1.0.0"
        assert "Whether a tumour is malignant, from measurements of its cell nuclei." in page["body"]
        assert "| algorithm | sklearn.linear_model.LogisticRegression(max_iter=1000), seed 7 |" in page["body"]
        (files,) = host.state.assets.values()
        assert [(file["name"], json.loads(file["label"])) for file in files] == [("evidence.json", statement_of(gated))]
        assert page["draft"] is False
        (sent,) = host.state.dispatches
        assert sent["client_payload"] == {"model": "diagnosis", "version": "1.0.0", "tag": "diagnosis@v1.0.0"}


@pytest.mark.usefixtures("in_a_job")
def test_a_host_that_cannot_be_told_changes_nothing_of_the_release(gated: Consumer) -> None:
    answer = gated.answer("release")
    assert {found["id"] for found in answer["diagnostics"]} == {"host-not-told"}
    assert "refs/tags/diagnosis@v1.0.0" in gated.published()


@pytest.mark.usefixtures("in_a_job")
def test_a_deployment_and_a_rollback_are_recorded_and_start_what_waits_for_them(
    gated: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.ok("release")
    plan = gated.answer("deploy", "diagnosis", "--env", "staging", "--dry-run")["plan"]
    assert told(plan) == ["deployed diagnosis@v1.0.0 to staging, on the host", "dispatch mlops-ci-deployed"]
    with Fake() as host:
        monkeypatch.setenv("GITHUB_API_URL", host.url)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        host.state.tags.add("diagnosis@v1.0.0")
        gated.ok("deploy", "diagnosis", "--env", "staging", "--reason", "first\n@everyone")
        gated.ok("retire", "diagnosis", "--env", "staging", "--reason", "by mistake")
        gated.ok("rollback", "diagnosis", "--env", "staging", "--reason", "it was none")
        assert not host.violations
        assert host.state.artifacts == {}  # who does not ask for it needs no permission for it
        monkeypatch.setenv("MLOPS_CI_RECORD_ARTIFACTS", "true")
        gated.ok("deploy", "diagnosis", "--env", "prod")
        assert not host.violations
        (file,) = (one for one in statement_of(gated)["subject"] if one["name"].endswith(".skops"))
        (artifact,) = host.state.artifacts.values()
        assert (artifact["name"], artifact["digest"]) == (file["name"], f"sha256:{file['digest']['sha256']}")
        assert (artifact["deployment_name"], artifact["logical_environment"]) == ("prod-diagnosis", "prod")
        there, back, _ = host.state.deployments
        assert (there["ref"], there["environment"], there["task"]) == ("diagnosis@v1.0.0", "staging", "deploy")
        assert (back["ref"], back["environment"], back["task"]) == ("diagnosis@v1.0.0", "staging", "rollback")
        facts = {"model": "diagnosis", "version": "1.0.0", "environment": "staging"}
        assert [sent["client_payload"] for sent in host.state.dispatches] == [
            {**facts, "tag": "diagnosis#staging#1"},
            {**facts, "tag": "diagnosis#staging#3"},
            {**facts, "environment": "prod", "tag": "diagnosis#prod#4"},
        ]


@pytest.mark.usefixtures("in_a_job")
def test_manifests_that_travel_by_pull_request_ask_for_it(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given delivery by pull request, then the request is asked for after the push of its branch; and again where it waits."""
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  delivery: pull-request\n")
    gated.commit("Deliver by pull request")
    gated.git("push", "--quiet")
    gated.ok("release")
    deploy = ("deploy", "diagnosis", "--env", "staging", "--reason", "fixes #1, says @everyone")
    wanted = "request  mlops-ci/staging-diagnosis-1 -> main"
    assert told(gated.answer(*deploy, "--dry-run")["plan"]) == [wanted]
    monkeypatch.setenv("MLOPS_CI_GATE_WORKFLOW", "mlops-gate.yml")
    started = "start    mlops-gate.yml on mlops-ci/staging-diagnosis-1"
    assert told(gated.answer(*deploy, "--dry-run")["plan"]) == [wanted, started]
    with Fake() as host:
        host.state.workflows.add("mlops-gate.yml")
        monkeypatch.setenv("GITHUB_API_URL", host.url)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        gated.ok(*deploy)
        assert gated.answer(*deploy, "--dry-run")["plan"] == [wanted]
        gated.ok(*deploy)
        assert not host.violations
        (pull,) = host.state.pulls
        assert pull["title"] == "Deploy diagnosis v1.0.0 in staging"
        shown = gated.answer("show", "--pending")
        assert shown["record"]["pending"] == [
            {"title": pull["title"], "branch": "mlops-ci/staging-diagnosis-1", "number": 1, "url": pull["html_url"]}
        ]
        monkeypatch.delenv("GITHUB_TOKEN")
        shown = gated.answer("show", "--pending")
        assert shown["record"]["pending"] == [{"title": pull["title"], "branch": "mlops-ci/staging-diagnosis-1"}]
        assert [one["id"] for one in shown["diagnostics"]] == ["pending-not-asked"]
        assert gated.answer("show")["record"]["pending"] == []
        assert [run["ref"] for run in host.state.runs] == ["mlops-ci/staging-diagnosis-1"], "once, with the branch"
        assert pull["body"].startswith(
            "fixes `#1`, says `@everyone`\n\nAfter the merge, this command writes the assignment:\n\n"
        )


@pytest.mark.usefixtures("in_a_job")
def test_a_gate_in_one_job_tells_the_pull_request_itself(
    gated: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a pull request, when one job does it all, then it comments; a fork's token could not, and is not asked to."""
    for owner, lines in (("ada", ["comment", "check"]), ("eve", [])):
        head = {"sha": "a" * 40, "repo": {"full_name": f"{owner}/flights"}}
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7, "head": head, "base": {}}}))
        for name, value in {"EVENT_NAME": "pull_request", "EVENT_PATH": str(tmp_path / "event.json")}.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        plan = gated.answer("gate", "--dry-run")["plan"]
        assert [line.split()[0] for line in plan if line.split()[0] in ("comment", "check")] == lines
