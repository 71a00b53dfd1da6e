"""A command that has something to tell GitHub: its answer, verdict and exit code are the same whether GitHub listens or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_ci.cli.main import run_command_line
from mlops_ci.cli.session import open_session
from mlops_ci.cli.verbs import find_verb
from mlops_ci.commands import validate
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.errors import Exit, HostProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.integrations.github.connection import connect_notifier, connect_reader
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from tests.support.github.fake import Fake
from tests.support.github.kinds import KINDS
from tests.support.github.server import SHA
from tests.support.places import ROOT

REPORT = ValidateReport((), {})
# a release with a file is one announcement, with three requests; so is a deployment, with two
ONE_OF_EACH = tuple(kind.one for name, kind in KINDS.items() if name not in ("status", "release", "release's end"))


@pytest.fixture
def in_job(fake: Fake, monkeypatch: pytest.MonkeyPatch, repo: Repository) -> Path:
    """A folder for a command in a pull request's job, whose step wants one of each announcement made."""
    said: Mapping[str, str] = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": fake.url,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY": "ada/flights",
        "GITHUB_RUN_ID": "1",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": SHA,
        "GITHUB_TOKEN": "ghs_fake\n",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    (repo.root / "mlops.yaml").touch()
    return repo.root


def wants(monkeypatch: pytest.MonkeyPatch, code: Exit) -> None:
    """Let `validate` end with an exit code and a plan of announcements."""

    def step(context: Context, **_: Any) -> Outcome[Any]:
        assert context.github is not None
        return Outcome(REPORT, plan=Plan(ONE_OF_EACH), exit_code_override=code)

    monkeypatch.setattr(validate, "validate", step)


def answered(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    code = run_command_line(["validate", "--format", "json", "-C", str(folder)], wait=lambda _: None)
    return code, json.loads(capsys.readouterr().out)["diagnostics"]


@pytest.mark.parametrize("code", [Exit.OK, Exit.FINDINGS, Exit.USAGE])
@pytest.mark.parametrize(
    "trouble", ["none", "forbidden", "not-found", "invalid", "limited-long", "trouble", "dropped", "text"]
)
def test_the_exit_code_is_the_steps_whether_github_listens_or_not(
    trouble: str,
    code: Exit,
    in_job: Path,
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wants(monkeypatch, code)
    if trouble != "none":
        fake.next(trouble, times=200)
    exit_code, diagnostics = answered(in_job, capsys)
    assert exit_code == code
    assert [one["severity"] for one in diagnostics] == ["warning"] * (0 if trouble == "none" else len(ONE_OF_EACH))
    assert all(kind.told(fake.state) == (trouble == "none") for kind in KINDS.values())


def test_without_a_token_nothing_is_asked_and_each_is_a_warning(
    in_job: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " ")
    monkeypatch.setattr(validate, "validate", lambda _: Outcome(REPORT, plan=Plan(ONE_OF_EACH)))
    code, diagnostics = answered(in_job, capsys)
    assert code == Exit.OK
    assert {one["id"] for one in diagnostics} == {"host-not-told"}
    assert fake.requests == []


def test_nobody_is_told_before_the_plan_is_applied(in_job: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    wants(monkeypatch, Exit.OK)
    with open_session(find_verb("validate"), str(in_job), lambda _: None, quiet=True) as session:
        session.sync_and_call(validate.validate, {})
    assert fake.requests == []


def test_the_author_of_comments_can_be_named(job: CiJob, fake: Fake) -> None:
    tell = connect_notifier({"GITHUB_TOKEN": "ghs_app", "MLOPS_CI_COMMENT_AUTHOR": "our-app[bot]"}, job, lambda _: None)
    assert tell is not None
    for _ in range(2):
        assert tell(KINDS["comment"].one) is None
    assert [line for line in fake.requests if line.startswith("POST")] == ["POST /repos/ada/flights/issues/7/comments"]


def test_reading_is_there_for_who_has_a_token_and_a_job(job: CiJob, fake: Fake) -> None:
    fake.state.settings["/rulesets"] = []
    read = connect_reader({"GITHUB_TOKEN": "ghs_fake"}, job, lambda _: None)
    assert read is not None
    assert read("/rulesets") == []
    assert connect_reader({}, job, lambda _: None) is None
    assert connect_reader({"GITHUB_TOKEN": "ghs_fake"}, None, lambda _: None) is None
    assert connect_notifier({}, job, lambda _: None) is None


def test_what_is_read_in_vain_is_a_problem_of_the_environment(job: CiJob) -> None:
    read = connect_reader({"GITHUB_TOKEN": "wrong"}, replace(job, fork=True), lambda _: None)
    assert read is not None
    with pytest.raises(HostProblem) as caught:
        read("")
    assert (caught.value.status, caught.value.exit_code) == (401, Exit.ENVIRONMENT)


def test_who_has_nothing_to_tell_does_not_wait_for_the_client() -> None:
    script = "import sys, mlops_ci.cli.session; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_fake_serves_other_processes() -> None:
    command = [sys.executable, "-m", "tests.support.github", "--token", "t=me[bot]", "--reads", "r=me[bot]"]
    root = ROOT
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        with closing(httpx.Client(base_url=url, trust_env=False)) as there:
            there.post("/_pulls", json={"number": 7, "sha": SHA, "branch": "change", "fork": "eve/flights"})
            there.post("/_tags", json=["delay@v1.0.0"])
            there.post("/_workflows", json=["deploy.yml"])
            there.post("/_settings", json={"/rulesets": []})
            there.post("/_next", json={"name": "trouble", "times": 1, "matching": "POST .*"})
            here = CiJob("ada/flights", url, "", "push", "", SHA, "https://example.org")
            tell = connect_notifier({"GITHUB_TOKEN": "t"}, here, lambda _: None)
            assert tell is not None
            assert tell(KINDS["comment"].one) is None
            no = connect_notifier({"GITHUB_TOKEN": "r"}, here, lambda _: None)
            assert no is not None
            assert no(KINDS["check"].one) is not None
            state = there.get("/_state").json()
        running.stdin.close()
        assert running.wait(timeout=30) == 0
    assert [one["user"]["login"] for one in state["comments"]["7"]] == ["me[bot]"]
    assert (state["tags"], state["workflows"], state["violations"]) == (["delay@v1.0.0"], ["deploy.yml"], [])
