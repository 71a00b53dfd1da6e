"""What `ci report` answers: whom it told what."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.records.comparison import Verdict


@dataclass(frozen=True)
class ReportedResult:
    """A gate's answer on one project, and the check run that says it; `verdict` is None where the gate could not answer."""

    verdict: Verdict | None
    check: str


@dataclass(frozen=True)
class NotificationReport:
    """Gates' answers as they are told of a commit, and on the pull request `pull` where there is one.

    `untrusted`: the change itself could have made the answers up.
    """

    results: tuple[ReportedResult, ...]
    commit: str
    pull: int | None
    untrusted: bool
    run_url: str
