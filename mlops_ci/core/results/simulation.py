"""What `selftest` answers: each claim beside what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClaimMeasurement:
    """One claim, or without a `limit` what was only measured. `value` is a share of the trials, or points where `unit` says so, `error` its Monte-Carlo standard error.

    `naive` is what comparing two numbers gave on the same holdouts; `spent` what the gate gives at the level that is left
    when its error probability is divided among `budget` questions. A claim about that level has `unspent` instead: the same
    gate at the full level.
    """

    claim: str
    metric: str
    rows: int
    setting: str
    value: float
    error: float
    limit: float | None
    at_least: bool
    naive: float
    spent: float | None = None
    unspent: float | None = None
    unit: str = "share"

    @property
    def is_met(self) -> bool:
        """Whether what was measured is within two standard errors of what is claimed, or better."""
        if self.limit is None:
            return True
        slack = 2 * self.error
        return self.value >= self.limit - slack if self.at_least else self.value <= self.limit + slack


@dataclass(frozen=True)
class SelftestReport:
    """All that was measured, by so many trials a claim, on tests at the level `alpha`; of a `model`, on its own holdout."""

    trials: int
    alpha: float
    budget: int
    measured: tuple[ClaimMeasurement, ...]
    model: str | None = None
