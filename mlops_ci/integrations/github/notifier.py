"""Tells GitHub what a plan wants it told. What fails is a warning that says why: git has it all already, and no verdict changes."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import (
    CheckRun,
    Dispatch,
    Notification,
    OpenPullRequest,
    PublishRelease,
    RecordDeployment,
    StartWorkflow,
    StickyComment,
    describe_notification,
)
from mlops_ci.integrations.github import publishing
from mlops_ci.integrations.github.client import GitHubClient, RequestLimits
from mlops_ci.integrations.github.comments import CommentAuthor, update_sticky_comment

_DEFAULT_LIMITS = RequestLimits()


@dataclass
class _GitHubNotifier:
    """Who tells: `author` is learned from what GitHub answers, `mark` tells what this command made from what others did."""

    job: CiJob
    token: str = field(repr=False)
    wait: Callable[[float], None]
    author: CommentAuthor
    limits: RequestLimits
    marker: str

    def __call__(self, one: Notification) -> Diagnostic | None:
        try:
            self._send(self._client, one)
        except HostProblem as problem:
            (found,) = problem.diagnostics
            said = re.sub(" +", " ", describe_notification(one))
            return replace(found, message=f"GitHub was not told ({said}): {found.message}", severity="warning")
        return None

    @functools.cached_property
    def _client(self) -> GitHubClient:
        return GitHubClient(
            self.job.api_url, self.job.repository, self.token, self.wait, self.job.has_read_only_token, self.limits
        )

    def _send(self, client: GitHubClient, one: Notification) -> None:
        run = self.job.run_url
        match one:
            case StickyComment():
                self.author = update_sticky_comment(client, one, self.author, run)
            case CheckRun():
                publishing.create_check_run(client, one, run, self.marker)
            case PublishRelease():
                publishing.publish_release(client, one, run)
            case RecordDeployment():
                publishing.record_deployment(client, one, run, self.marker)
            case OpenPullRequest():
                publishing.open_pull_request(client, one, run)
            case Dispatch():
                publishing.send_dispatch(client, one)
            case StartWorkflow():
                publishing.start_workflow(client, one)


def create_notifier(
    job: CiJob, token: str, wait: Callable[[float], None], *, author: str, limits: RequestLimits = _DEFAULT_LIMITS
) -> Callable[[Notification], Diagnostic | None]:
    """Return what carries out announcements, each at most once, and answers with a warning where one failed.

    `author` is whom the token is expected to write as; `wait` is given seconds.
    """
    return _GitHubNotifier(job, token, wait, CommentAuthor(author), limits, secrets.token_hex(16))
