"""Connects to GitHub with the settings of the environment. The client is imported and created at the first request."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.notifications import Notification

Notify = Callable[[Notification], Diagnostic | None]
_REMOTE = re.compile(
    r"(?:(?:https|ssh)://(?:[^/@\s]*@)?(?P<host>[^/:@\s]+)(?::\d+)?/|(?:[^/@\s]+@)(?P<scp>[^/:@\s]+):/?)"
    r"(?P<repository>[A-Za-z0-9._-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
BOT_LOGIN = "github-actions[bot]"  # the account of a job's own token; an App's token writes as the App


def job_from_remote_url(environ: Mapping[str, str], url: str) -> CiJob | None:
    """Return a CiJob for the repository of a remote's URL, for queries outside a job; None for another host.

    The URL never decides where the token is sent: only the API in the environment or GitHub's own API receives it.
    """
    server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    default = "https://api.github.com" if server == "https://github.com" else f"{server}/api/v3"
    found = _REMOTE.fullmatch(url)
    if found is None or (found["host"] or found["scp"]).lower() != server.partition("://")[2].lower():
        return None
    api = environ.get("GITHUB_API_URL", default).rstrip("/")
    return CiJob(found["repository"], api, server, event="", workflow="", commit="", run_url="")


def connect_reader(
    environ: Mapping[str, str], job: CiJob | None, wait: Callable[[float], None]
) -> Callable[[str], Any] | None:
    """Return a function that reads a path of the API below the repository; None without a token or a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Callable[[str], Any]:
        from mlops_ci.integrations.github.client import GitHubClient  # httpx takes long to import; few commands ask

        return GitHubClient(job.api_url, job.repository, token, wait, is_read_only=job.has_read_only_token).read

    return lambda path: made()(path)


def connect_notifier(environ: Mapping[str, str], job: CiJob | None, wait: Callable[[float], None]) -> Notify | None:
    """Return a function that sends notifications; None without a token or outside a job."""
    token = _token(environ)
    if job is None or not token:
        return None

    @functools.cache
    def made() -> Notify:
        from mlops_ci.integrations.github.notifier import create_notifier  # as above

        return create_notifier(job, token, wait, author=environ.get("MLOPS_CI_COMMENT_AUTHOR") or BOT_LOGIN)

    return lambda one: made()(one)


def _token(environ: Mapping[str, str]) -> str:
    return environ.get("GITHUB_TOKEN", "").strip()
