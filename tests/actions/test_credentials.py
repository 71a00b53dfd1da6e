"""The job's token reaches git for the job's own server, by the environment alone: against a real git server that wants it."""

from __future__ import annotations

import json

import pytest

from mlops_ci.integrations.github.credentials import git_token_variables
from tests.actions.conftest import workflow
from tests.support.act import Runner
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.smart_http import basic, serving

TOKEN = "ghs_" + "x1Y2" * 9


def in_a_job(monkeypatch: pytest.MonkeyPatch, server: str, token: str = TOKEN) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_TOKEN": token,
        "GITHUB_SERVER_URL": server,
        "GITHUB_REPOSITORY": "acme/models",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def served(consumer: Consumer) -> Consumer:
    """The consumer, whose origin may be pushed to over HTTP by whoever is named."""
    git_in(consumer.origin)("config", "http.receivepack", "true")
    return consumer


def test_a_release_is_pushed_with_the_token_and_without_one_is_not(
    served: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(served.origin.parent, TOKEN) as server:
        served.git("remote", "set-url", "origin", f"{server.url}/origin.git")
        assert served.answer("release", code=3)["diagnostics"][0]["id"] == "remote-refused"
        in_a_job(monkeypatch, server.url)
        served.ok("release")
    assert "refs/tags/diagnosis@v1.0.0" in served.published()
    assert set(server.seen) == {None, basic(TOKEN)}
    config = (served.root / ".git" / "config").read_text()
    assert TOKEN not in config
    assert basic(TOKEN) not in config


def test_what_a_checkout_left_in_the_configuration_is_replaced(
    served: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of these headers are refused; and what else the environment says to git still holds."""
    with serving(served.origin.parent, TOKEN) as server:
        served.git("config", f"http.{server.url}/.extraheader", f"AUTHORIZATION: {basic('an older one')}")
        served.git("remote", "set-url", "origin", "https://the.server/origin.git")
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{server.url}/.insteadOf")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://the.server/")
        in_a_job(monkeypatch, server.url)
        served.ok("release")
    assert set(server.seen) == {basic(TOKEN)}


def test_no_other_server_gets_it_not_even_where_the_own_one_sends_git_there(
    served: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(served.origin.parent, None) as other,
        serving(served.origin.parent, TOKEN, elsewhere=other.url) as server,
    ):
        in_a_job(monkeypatch, server.url)
        served.git("remote", "set-url", "origin", f"{other.url}/origin.git")
        served.ok("release")
        assert set(other.seen) == {None}
        other.seen.clear()
        served.git("remote", "set-url", "origin", f"{server.url}/origin.git")
        assert served.run("deploy", "diagnosis", "--env", "staging").returncode == 3
        assert (set(server.seen), other.seen) == ({basic(TOKEN)}, [])


@pytest.mark.parametrize(
    "missing",
    [
        {"GITHUB_ACTIONS": "false"},
        {"GITHUB_TOKEN": " "},
        {"GITHUB_SERVER_URL": ""},
        {"GITHUB_SERVER_URL": "https://github.com\nhttps://e.org"},
        {"GITHUB_SERVER_URL": "ssh://github.com"},
        {"GIT_CONFIG_COUNT": "x"},
    ],
)
def test_nothing_is_lent_where_it_is_not_known_to_whom(missing: dict[str, str]) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": TOKEN, "GITHUB_SERVER_URL": "https://github.com"}
    assert git_token_variables(environ)
    assert git_token_variables({**environ, **missing}) == {}


@pytest.mark.slow
def test_neither_a_log_nor_a_file_nor_a_candidate_sees_the_token(runner: Runner, served: Consumer) -> None:
    """Given a private repository and no credentials left by the checkout, when a job gates and releases, then it can."""
    with serving(served.origin.parent, TOKEN) as server:
        steps = """
- {id: gate, uses: mlops-ci/mlops-ci/actions/gate@v1}
- {id: release, uses: mlops-ci/mlops-ci/actions/release@v1}
- run: |
    if grep -rqF "ghs_x1Y2""x1Y2" . ; then echo 'it was kept'; else echo 'it was not'; fi
"""
        env = {"GIT_CONFIG_KEY_0": f"url.{server.url}/origin.git.insteadOf", "GITHUB_SERVER_URL": server.url}
        run = runner.run(served.root, workflow(served, steps), secrets={"GITHUB_TOKEN": TOKEN}, env=env)
    job = run.job("job")
    assert run.code == 0, run.text
    assert json.loads(job.outputs["release.run"]["released"]) == ["diagnosis@v1.0.0"]
    assert set(server.seen) == {basic(TOKEN)}
    assert "it was not" in job.log
    assert TOKEN not in run.text
    assert basic(TOKEN).split()[1] not in run.text
