"""What is to be said of how a repository is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `ok` and `problem` are of this clone and its files; `enforced`: nobody gets past it who is not named; `advisory`: it is agreed
# upon, and whoever may push can do otherwise; `unknown` is never one of the others
DoctorCheckState = Literal["ok", "problem", "enforced", "advisory", "unknown"]


@dataclass(frozen=True)
class DoctorCheckResult:
    """One thing that was looked at: what it is, how it is, what shows that, and what to do next.

    `minor`: that it is not enforced is no more than worth knowing.
    """

    group: str
    what: str
    state: DoctorCheckState
    evidence: str
    next: str | None = None
    minor: bool = False


@dataclass(frozen=True)
class DoctorReport:
    """All that was looked at. `repository` is OWNER/NAME and `branch` the branch that counts, where they are known."""

    rows: tuple[DoctorCheckResult, ...]
    repository: str | None = None
    branch: str | None = None

    def count(self, state: DoctorCheckState) -> int:
        """Return how many are in that state."""
        return sum(row.state == state for row in self.rows)
