"""Whether and how this command may talk to GitHub, from its environment. Nothing is imported or asked before it is needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_ci.job import Job

if TYPE_CHECKING:
    from mlops_ci.github.client import Client


def reader(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Callable[[str], Any] | None:
    """Return what answers questions about the repository; None without a token, or outside a job."""
    made = _client(environ, job, wait)
    return (lambda path: made().read(path)) if made else None


def _client(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Callable[[], Client] | None:
    token = environ.get("GITHUB_TOKEN", "").strip()
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Client:
        from mlops_ci.github.client import Client

        return Client(job.api, job.repository, token, wait, fork=job.fork)

    return made
