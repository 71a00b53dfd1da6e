"""Whether and how this command may talk to GitHub, from its environment. Nothing is imported or asked before it is needed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.core.ci_job import Job
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.notifications import Announcement

Tell = Callable[[Announcement], Diagnostic | None]
_REMOTE = re.compile(
    r"(?:(?:https|ssh)://(?:[^/@\s]*@)?(?P<host>[^/:@\s]+)(?::\d+)?/|(?:[^/@\s]+@)(?P<scp>[^/:@\s]+):/?)"
    r"(?P<repository>[A-Za-z0-9._-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
BOT = "github-actions[bot]"  # whom a job's own token writes as; an App's token writes as the App


def elsewhere(environ: Mapping[str, str], url: str) -> Job | None:
    """Return what a job would say of a remote's URL, for whoever asks GitHub outside of one; None for another host.

    A URL never decides where a token is sent: that are the API in the environment, or GitHub's own.
    """
    server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    default = "https://api.github.com" if server == "https://github.com" else f"{server}/api/v3"
    found = _REMOTE.fullmatch(url)
    if found is None or (found["host"] or found["scp"]).lower() != server.partition("://")[2].lower():
        return None
    api = environ.get("GITHUB_API_URL", default).rstrip("/")
    return Job(found["repository"], api, server, event="", workflow="", commit="", run_url="")


def reader(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Callable[[str], Any] | None:
    """Return what answers questions about the repository; None without a token, or outside a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Callable[[str], Any]:
        from mlops_ci.integrations.github.client import Client

        return Client(job.api, job.repository, token, wait, fork=job.only_reads).read

    return lambda path: made()(path)


def teller(environ: Mapping[str, str], job: Job | None, wait: Callable[[float], None]) -> Tell | None:
    """Return what carries out announcements; None without a token, or outside a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Tell:
        from mlops_ci.integrations.github.notifier import announcer

        return announcer(job, token, wait, author=environ.get("MLOPS_CI_COMMENT_AUTHOR") or BOT)

    return lambda one: made()(one)


def _token(environ: Mapping[str, str]) -> str:
    return environ.get("GITHUB_TOKEN", "").strip()
