"""The outcome of one check, which can be reported again without the data."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.records.training_run import CheckResult


@dataclass(frozen=True)
class CheckOutcome:
    """A check's result, and the diagnostic (id, message, hint, place in the spec) that reports its failure.

    `silent` is true when another outcome already explains the failure. `newest` is set only for `freshness`, whose
    result depends on the current time (ISO 8601, UTC; an empty text means that the column has no values).
    """

    id: str
    pointer: tuple[str | int, ...]
    message: str
    result: CheckResult
    help: str | None = None
    silent: bool = False
    newest: str | None = None
