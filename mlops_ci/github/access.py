"""Whether and how this command may talk to GitHub, from its environment. Nothing is imported or asked before it is needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.announcements import Announcement
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.job import Job

Tell = Callable[[Announcement], Diagnostic | None]
BOT = "github-actions[bot]"  # whom a job's own token writes as; an App's token writes as the App


def reader(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Callable[[str], Any] | None:
    """Return what answers questions about the repository; None without a token, or outside a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Callable[[str], Any]:
        from mlops_ci.github.client import Client

        return Client(job.api, job.repository, token, wait, fork=job.fork).read

    return lambda path: made()(path)


def teller(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Tell | None:
    """Return what carries out announcements; None without a token, or outside a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Tell:
        from mlops_ci.github.announce import announcer

        return announcer(job, token, wait, author=environ.get("MLOPS_CI_COMMENT_AUTHOR") or BOT)

    return lambda one: made()(one)


def _token(environ: Mapping[str, str]) -> str:
    return environ.get("GITHUB_TOKEN", "").strip()
