"""A job on a GitHub of its own, and clients that talk to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.ci_job import CiJob
from mlops_ci.integrations.github.client import GitHubClient, RequestLimits
from tests.support.github.fake import Fake
from tests.support.github.server import SHA

Clients = Callable[..., GitHubClient]


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
