"""A GitHub of one's own for each test, which fails on whatever GitHub's description does not allow; and a job that talks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from mlops_ci.core.ci_job import CiJob
from mlops_ci.integrations.github.client import GitHubClient, RequestLimits
from tests.github.fake import Fake

SHA = "a" * 40
_TLS = httpx.create_ssl_context()
Clients = Callable[..., GitHubClient]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The server. Pull request 7 is open; a tag and a workflow are there."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: _TLS)  # which nothing here needs, and takes long
    with Fake() as server:
        server.state.open_pull(7, SHA)
        server.state.tags.add("delay@v1.0.0")
        server.state.workflows.add("deploy.yml")
        yield server
    assert server.violations == []


@pytest.fixture
def waits() -> list[float]:
    """For how long it was waited: nothing sleeps."""
    return []


@pytest.fixture
def job(fake: Fake) -> CiJob:
    """A pull request's job."""
    return CiJob(
        repository="ada/flights",
        api_url=fake.url,
        server_url="https://github.com",
        event="pull_request",
        workflow="gate",
        commit=SHA,
        run_url="https://github.com/ada/flights/actions/runs/1",
        pull=7,
        base="main",
    )


@pytest.fixture
def client(fake: Fake, waits: list[float]) -> Clients:
    """Return a maker of clients, for a token, with limits or another API of one's own."""

    def made(who: str = "ghs_fake", **changes: Any) -> GitHubClient:
        asked = GitHubClient(fake.url, "ada/flights", who, waits.append)
        limits = {name: value for name, value in changes.items() if name in RequestLimits.__dataclass_fields__}
        others = {name: value for name, value in changes.items() if name not in limits}
        return replace(asked, limits=replace(RequestLimits(), **limits), **others)

    return made
