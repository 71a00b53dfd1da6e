"""What `ci report` answers: whom it told what."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.records.comparison import Verdict


@dataclass(frozen=True)
class NotificationReport:
    """A gate's answer as it is told of a commit, and on the pull request `pull` where there is one.

    `verdict` is None where the gate could not answer; `untrusted`: the change itself could have made the answer up.
    """

    verdict: Verdict | None
    commit: str
    check: str
    pull: int | None
    untrusted: bool
    run_url: str
