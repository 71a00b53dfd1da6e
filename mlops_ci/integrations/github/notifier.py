"""Sends a plan's notifications to GitHub. A failure is only a warning: git already has the result, and no verdict changes."""

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
    RecordArtifact,
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
    """Sends notifications.

    `author` is the token's account, updated from GitHub's responses; `marker` identifies objects that this command created.
    """

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
            (diagnostic,) = problem.diagnostics
            description = re.sub(" +", " ", describe_notification(one))
            return replace(
                diagnostic, message=f"GitHub was not notified ({description}): {diagnostic.message}", severity="warning"
            )
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
            case RecordArtifact():
                publishing.record_artifact(client, one)
            case OpenPullRequest():
                publishing.open_pull_request(client, one, run)
            case Dispatch():
                publishing.send_dispatch(client, one)
            case StartWorkflow():
                publishing.start_workflow(client, one)


def create_notifier(
    job: CiJob, token: str, wait: Callable[[float], None], *, author: str, limits: RequestLimits = _DEFAULT_LIMITS
) -> Callable[[Notification], Diagnostic | None]:
    """Return a function that sends a notification at most once, and returns a warning if that failed.

    `author` is the expected account of the token; `wait` is called with seconds.
    """
    return _GitHubNotifier(job, token, wait, CommentAuthor(author), limits, secrets.token_hex(16))
