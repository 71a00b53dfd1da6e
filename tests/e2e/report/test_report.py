"""`report` in a job: a gate's answer goes to the pull request that it is about, and a forged one goes nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer, edit
from tests.support.github.fake import Fake

HEAD = "c" * 40
TOKEN = "ghs_fake"  # noqa: S105 - one that the fake knows
MODEL = "models/diagnosis.yaml"


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Set a job's environment, with an event's payload."""

    def enter(event: str, payload: dict[str, Any], **given: str) -> None:
        (tmp_path / "event.json").write_text(json.dumps(payload))
        (tmp_path / "temp").mkdir(exist_ok=True)
        values = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "ada/flights",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_WORKFLOW": "gate",
            "GITHUB_RUN_ID": "17",
            "GITHUB_SHA": "e" * 40,
            "RUNNER_TEMP": str(tmp_path / "temp"),
            **given,
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return enter


def pull(number: int = 12) -> dict[str, Any]:
    return {"pull_request": {"number": number, "head": {"sha": HEAD, "repo": {"full_name": "ada/flights"}}}}


AFTER = {"workflow_run": {"head_sha": HEAD, "head_repository": {"full_name": "eve/flights"}}}


def test_a_gates_answer_becomes_a_comment_and_a_check(gated: Consumer, job: Any, tmp_path: Path) -> None:
    """Given the file that the gate wrote in a job of a pull request, then the plan has the comment and the check of its head."""
    job("pull_request", pull())
    edit(gated, "data/patients.yaml", "{type: row-count, min: 500}", "{type: row-count, min: 50000}")
    assert gated.run("gate", "--format", "github").returncode == 1
    file = tmp_path / "temp" / "mlops-ci" / "gate.json"
    answer = gated.answer("ci", "report", str(file), "--dry-run")
    assert answer["plan"] == [
        "comment  on pull request #12",
        f"check    mlops-ci: gate (clone): failure on {HEAD[:10]}",
    ]
    assert answer["record"] == {
        "results": [{"verdict": "fail", "check": "mlops-ci: gate (clone)"}],
        "commit": HEAD,
        "pull": 12,
        "untrusted": False,
        "runUrl": "https://github.com/ada/flights/actions/runs/17",
    }
    shown = gated.ok("ci", "report", str(file), "--dry-run")
    assert f"fail: reported as a check run of {HEAD[:10]} (mlops-ci: gate (clone)) and on pull request #12" in shown


@pytest.mark.parametrize(
    ("event", "payload"), [("merge_group", {}), ("push", {}), ("schedule", {})], ids=["merge_group", "push", "schedule"]
)
def test_without_a_pull_request_there_is_a_check_alone(
    gated: Consumer, job: Any, tmp_path: Path, event: str, payload: dict[str, Any]
) -> None:
    (tmp_path / "gate.json").write_text(gated.ok("gate", "--format", "json"))
    job(event, payload)
    answer = gated.answer("ci", "report", str(tmp_path / "gate.json"), "--dry-run")
    assert answer["plan"] == ["check    mlops-ci: gate (clone): success on eeeeeeeeee"]


def test_a_forks_answer_is_told_where_github_says_and_called_untrusted(
    gated: Consumer, job: Any, tmp_path: Path
) -> None:
    """Given two open pull requests, when a run of one's head commit ends, then that one gets the comment, once."""
    (tmp_path / "gate.json").write_text(gated.ok("gate", "--format", "json"))
    with Fake() as host:
        host.state.open_pull(7, HEAD, fork="eve/flights")
        host.state.open_pull(8, "f" * 40, fork="eve/flights")
        job("workflow_run", AFTER, GITHUB_API_URL=host.url, GITHUB_TOKEN=TOKEN, GITHUB_WORKFLOW="comment")
        for _ in range(2):
            assert gated.answer("ci", "report", str(tmp_path / "gate.json"))["record"]["pull"] == 7
        assert not host.violations
        (comment,) = host.state.comments[7]
        assert comment["body"].startswith("<!-- mlops-ci: gate/comment/clone -->\n## ")
        assert "This is the result of an untrusted run of a fork" in comment["body"]
        assert not host.state.comments[8]
        assert {check["name"] for check in host.state.checks} == {"mlops-ci: comment (clone) (untrusted run)"}
        assert {check["conclusion"] for check in host.state.checks} == {"neutral"}


@pytest.mark.parametrize(("open_", "why"), [((), "no open pull request"), ((7, 8), "the head of 2 open pull requests")])
def test_none_or_several_pull_requests_get_nothing(
    gated: Consumer, job: Any, tmp_path: Path, open_: tuple[int, ...], why: str
) -> None:
    (tmp_path / "gate.json").write_text(gated.ok("gate", "--format", "json"))
    with Fake() as host:
        for number in open_:
            host.state.open_pull(number, HEAD, branch=f"change-{number}", fork="eve/flights")
        job("workflow_run", AFTER, GITHUB_API_URL=host.url, GITHUB_TOKEN=TOKEN)
        (found,) = gated.answer("ci", "report", str(tmp_path / "gate.json"), code=1)["diagnostics"]
        assert found["id"] == "report-pull-unknown"
        assert why in found["message"]
        assert not host.state.checks
        assert not any(host.state.comments.values())


def test_without_a_token_nobody_says_which_pull_request_it_is(gated: Consumer, job: Any, tmp_path: Path) -> None:
    (tmp_path / "gate.json").write_text(gated.ok("gate", "--format", "json"))
    job("workflow_run", AFTER)
    (found,) = gated.answer("ci", "report", str(tmp_path / "gate.json"), code=3)["diagnostics"]
    assert found["id"] == "report-pull-unknown"


def test_a_forged_verdict_is_told_to_nobody(gated: Consumer, job: Any, tmp_path: Path) -> None:
    """Given an answer that passes while a requirement of it fails, then nothing is told, and the place is named."""
    said = gated.answer("gate")
    said["record"]["models"][0]["comparison"]["requirements"][0]["verdict"] = "fail"
    (tmp_path / "gate.json").write_text(json.dumps(said))
    with Fake() as host:
        host.state.open_pull(7, HEAD, fork="eve/flights")
        job("workflow_run", AFTER, GITHUB_API_URL=host.url, GITHUB_TOKEN=TOKEN)
        (found,) = gated.answer("ci", "report", str(tmp_path / "gate.json"), code=2)["diagnostics"]
        assert found["id"] == "report-invalid"
        assert (
            "models[0].comparison.verdict: pass, and the results of the requirements give the verdict fail"
            in found["message"]
        )
        assert not host.requests


def test_what_the_gate_found_wrong_with_specs_is_told(gated: Consumer, job: Any, tmp_path: Path) -> None:
    job("pull_request", pull())
    edit(gated, MODEL, "metric: auc, min: 0.93", "metric: auccc, min: 0.93")
    assert gated.run("gate", "--format", "github").returncode == 2
    answer = gated.answer("ci", "report", str(tmp_path / "temp" / "mlops-ci" / "gate.json"), "--dry-run")
    assert answer["plan"][1] == f"check    mlops-ci: gate: failure on {HEAD[:10]}"
    assert answer["record"]["results"] == [{"check": "mlops-ci: gate"}]


def test_outside_a_job_there_is_nobody_to_tell(gated: Consumer, job: Any) -> None:
    assert gated.answer("ci", "report", "gate.json", code=2)["diagnostics"][0]["id"] == "report-outside-job"
    job("workflow_run", {"workflow_run": {"head_sha": "main"}})
    assert gated.answer("ci", "report", "gate.json", code=2)["diagnostics"][0]["id"] == "report-outside-job"


def artifact(folder: Path, name: str, content: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "gate.json").write_text(content)


def test_each_project_of_a_forks_run_has_its_own_comment_and_check(gated: Consumer, job: Any, tmp_path: Path) -> None:
    """Given the artifacts of three projects, one of which an error stopped, then nothing is said of one over another."""
    said = gated.answer("gate")
    places, key = tmp_path / "judged", "0123456789ab"
    for name in ("a", "b"):
        said["record"]["project"]["name"] = name
        artifact(places, f"mlops-ci-gate-{key}-{name}", json.dumps(said))
    error = {"id": "spec-value", "severity": "error", "message": "unknown field"}
    stopped = {"verb": "gate", "exitCode": 2, "diagnostics": [error], "format": 1}
    artifact(places, f"mlops-ci-gate-{key}-c", json.dumps(stopped))
    artifact(places, "another", "no result of ours")
    with Fake() as host:
        host.state.open_pull(7, HEAD, fork="eve/flights")
        job("workflow_run", AFTER, GITHUB_API_URL=host.url, GITHUB_TOKEN=TOKEN, GITHUB_WORKFLOW="comment")
        for _ in range(2):
            gated.ok("ci", "report", str(places))
        marks = sorted(one["body"].splitlines()[0] for one in host.state.comments[7])
        assert marks == [f"<!-- mlops-ci: gate/comment/{one} -->" for one in ("a", "b", f"c/{key}")]
        checks = {
            (check["name"].partition("mlops-ci: comment ")[2], check["conclusion"]) for check in host.state.checks
        }
        assert checks == {
            ("(a) (untrusted run)", "neutral"),
            ("(b) (untrusted run)", "neutral"),
            (f"(c, {key}) (untrusted run)", "failure"),
        }


def test_a_run_without_a_result_is_told_to_nobody_and_one_with_too_many_neither(
    gated: Consumer, job: Any, tmp_path: Path
) -> None:
    (tmp_path / "judged").mkdir()
    with Fake() as host:
        job("workflow_run", AFTER, GITHUB_API_URL=host.url, GITHUB_TOKEN=TOKEN)
        assert "the change affects no model" in gated.ok("ci", "report", str(tmp_path / "judged"))
        for number in range(65):
            artifact(tmp_path / "judged", f"mlops-ci-gate-{number}", "{}")
        (found,) = gated.answer("ci", "report", str(tmp_path / "judged"), code=1)["diagnostics"]
        assert found["id"] == "report-many"
        assert not host.requests
