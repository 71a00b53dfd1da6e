"""A GitHub of one's own for each test, which fails on whatever GitHub's description does not allow."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.github.fake import Fake

SHA = "a" * 40
_TLS = httpx.create_ssl_context()


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
