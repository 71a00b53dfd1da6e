"""`selftest`: the gate's error rates, measured by simulation on the code that judges real models."""

from __future__ import annotations

from mlops_ci.diagnostics import Diagnostic
from mlops_ci.outcomes.selftest import Measured, SelftestReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Context
from mlops_ci.selftest.claims import ALPHA, BUDGET
from mlops_ci.selftest.measure import measure


def selftest(context: Context, *, trials: int = 500, jobs: int | None = None) -> Outcome[SelftestReport]:
    """Return what was measured of each claim; one that does not hold, by more than two standard errors, is an error.

    The same number of trials gives the same numbers, on however many processes.
    """
    measured = measure(trials, jobs or -1, context.progress)
    broken = tuple(_broken(one) for one in measured if not one.holds)
    return Outcome(SelftestReport(trials, ALPHA, BUDGET, measured), broken)


def _broken(one: Measured) -> Diagnostic:
    bound = "at least" if one.at_least else "at most"
    return Diagnostic(
        "selftest-exceeded",
        f"{one.claim} of {one.metric} on {one.rows:,} rows ({one.setting}): {one.value:.4f} +- {one.error:.4f},"
        f" and it must be {bound} {one.limit:g}",
        help="run it with more --trials; if it stays, the gate is not what it claims: please report it, with the versions"
        " of numpy and scipy",
    )
