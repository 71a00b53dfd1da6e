"""Tells GitHub what a plan wants it told. What fails is a warning that says why: git has it all already, and no verdict changes."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlops_ci.core.ci_job import Job
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import (
    Announcement,
    CheckRun,
    Dispatch,
    OpenPullRequest,
    PublishRelease,
    RecordDeployment,
    StartWorkflow,
    StickyComment,
    describe,
)
from mlops_ci.integrations.github import publishing
from mlops_ci.integrations.github.client import Client, Limits
from mlops_ci.integrations.github.comments import Author, keep

_LIMITS = Limits()


@dataclass
class _Teller:
    """Who tells: `author` is learned from what GitHub answers, `mark` tells what this command made from what others did."""

    job: Job
    token: str = field(repr=False)
    wait: Callable[[float], None]
    author: Author
    limits: Limits
    mark: str

    def __call__(self, one: Announcement) -> Diagnostic | None:
        try:
            self._tell(self._client, one)
        except HostProblem as problem:
            (found,) = problem.diagnostics
            said = re.sub(" +", " ", describe(one))
            return replace(found, message=f"GitHub was not told ({said}): {found.message}", severity="warning")
        return None

    @functools.cached_property
    def _client(self) -> Client:
        return Client(self.job.api, self.job.repository, self.token, self.wait, self.job.only_reads, self.limits)

    def _tell(self, client: Client, one: Announcement) -> None:
        run = self.job.run_url
        match one:
            case StickyComment():
                self.author = keep(client, one, self.author, run)
            case CheckRun():
                publishing.check_run(client, one, run, self.mark)
            case PublishRelease():
                publishing.release(client, one, run)
            case RecordDeployment():
                publishing.deployment(client, one, run, self.mark)
            case OpenPullRequest():
                publishing.pull_request(client, one, run)
            case Dispatch():
                publishing.dispatch(client, one)
            case StartWorkflow():
                publishing.start(client, one)


def announcer(
    job: Job, token: str, wait: Callable[[float], None], *, author: str, limits: Limits = _LIMITS
) -> Callable[[Announcement], Diagnostic | None]:
    """Return what carries out announcements, each at most once, and answers with a warning where one failed.

    `author` is whom the token is expected to write as; `wait` is given seconds.
    """
    return _Teller(job, token, wait, Author(author), limits, secrets.token_hex(16))
