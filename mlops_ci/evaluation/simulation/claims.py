"""What is claimed of the gate: one row a claim, with the population that it is measured on and the limit it must keep.

Limits are those of one-sided tests at 0.05. `accuracy` and `auc` are of balanced classes where a true difference is meant,
and models of all populations would disagree on 10 % of the rows of balanced classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlops_ci.evaluation.simulation.populations import TRUE, Classifiers, Of, Regressors, World, correlation, separation
from mlops_ci.spec.spec_types import Requirement

ALPHA = 0.05
DISAGREEMENT = 0.1
START = 0.8  # the champion's true accuracy or area
SHARED = 0.9  # the share of their errors' variance that two regressors have in common
BUDGET = 50  # questions to one holdout, where spending is looked at
Kind = Literal["false promotion", "power", "non-inferiority at the margin"]


@dataclass(frozen=True)
class Claim:
    """How often the gate must say `pass`: at most `limit` of the trials, or at least."""

    kind: Kind
    requirement: Requirement
    limit: float

    @property
    def at_least(self) -> bool:
        """Whether the limit is a lower one."""
        return self.kind == "power"


@dataclass(frozen=True)
class Series:
    """Claims that are measured on the same holdouts."""

    setting: str
    world: World
    rows: int
    claims: tuple[Claim, ...]


def better(metric: str) -> Requirement:
    """Return the requirement that a candidate be better than the champion."""
    return Requirement(metric, against="champion", test="superiority")


def series() -> Iterator[Series]:
    """Yield every series of the table, in its order."""
    for share in (0.5, 0.05):
        for rows in (500, 2_000, 10_000):
            yield _equal(share, rows)
    for rows in (500, 2_000, 10_000):
        for tails, errors in ((None, "normal"), (5, "heavy-tailed")):
            claim = Claim("false promotion", better("rmse"), ALPHA)
            yield Series(f"equal, {errors} errors", Regressors((1.0, 1.0), SHARED, tails), rows, (claim,))
    for of in TRUE:
        for rows, points, power in ((2_000, 2, 0.80), (10_000, 1, 0.90)):
            yield Series(f"better by {points / 100:g}", _apart(of, points), rows, (Claim("power", better(of), power),))
    for of in TRUE:
        for rows, points in ((2_000, 2), (10_000, 1)):
            yield Series(f"worse by {points / 100:g}", _apart(of, -points), rows, (_at_margin(of, points / 100),))
    for rows, margin in ((2_000, 0.02), (10_000, 0.01)):
        world = Regressors((1.0 + margin, 1.0), SHARED)
        yield Series(f"worse by {margin:g}", world, rows, (_at_margin("rmse", margin),))


def _equal(share: float, rows: int) -> Series:
    at = separation("accuracy", START)
    metrics = ("accuracy", "auc", "average-precision", "f1")
    return Series(
        f"equal, {share:.0%} positives",
        Classifiers(share, (at, at), correlation((at, at), DISAGREEMENT)),
        rows,
        tuple(Claim("false promotion", better(metric), ALPHA) for metric in metrics),
    )


def _apart(of: Of, points: int) -> Classifiers:
    both = (separation(of, START + points / 100), separation(of, START))
    return Classifiers(0.5, both, correlation(both, DISAGREEMENT))


def _at_margin(metric: str, margin: float) -> Claim:
    requirement = Requirement(metric, against="champion", test="non-inferiority", margin=margin)
    return Claim("non-inferiority at the margin", requirement, ALPHA)
