"""The claims about the gate's error rates: for each claim, the population that measures it and the limit that it must keep.

The limits are for one-sided tests at level 0.05. True differences in `accuracy` and `auc` refer to balanced classes. The two
models of every classifier population disagree on 10 % of the rows of balanced classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlops_ci.evaluation.simulation.populations import (
    TRUE_VALUES,
    ClassifierPopulation,
    Population,
    RegressorPopulation,
    SimulatedMetric,
    find_correlation,
    find_separation,
)
from mlops_ci.spec.spec_types import Requirement

ALPHA = 0.05
MODEL_DISAGREEMENT = 0.1
CHAMPION_QUALITY = 0.8  # the champion's true accuracy or AUC
SHARED_ERROR_VARIANCE = 0.9  # the share of the error variance that two regressors have in common
QUESTION_BUDGET = 50  # evaluations of one holdout, in simulations of the holdout budget
ClaimKind = Literal["false promotion", "power", "non-inferiority at the margin"]


@dataclass(frozen=True)
class Claim:
    """The share of trials that the gate passes: at most `limit`, or at least `limit` for a claim about power."""

    kind: ClaimKind
    requirement: Requirement
    limit: float

    @property
    def is_lower_limit(self) -> bool:
        """Whether the limit is a lower limit."""
        return self.kind == "power"


@dataclass(frozen=True)
class ClaimSeries:
    """Claims that are measured on the same simulated holdouts."""

    setting: str
    population: Population
    rows: int
    claims: tuple[Claim, ...]


def superiority_requirement(metric: str) -> Requirement:
    """Return the requirement that a candidate is better than the champion."""
    return Requirement(metric, against="champion", test="superiority")


def claim_series() -> Iterator[ClaimSeries]:
    """Yield every series of the table, in its order."""
    for share in (0.5, 0.05):
        for rows in (500, 2_000, 10_000):
            yield _equal_models_series(share, rows)
    for rows in (500, 2_000, 10_000):
        for tails, errors in ((None, "normal"), (5, "heavy-tailed")):
            claim = Claim("false promotion", superiority_requirement("rmse"), ALPHA)
            yield ClaimSeries(
                f"equal, {errors} errors", RegressorPopulation((1.0, 1.0), SHARED_ERROR_VARIANCE, tails), rows, (claim,)
            )
    for of in TRUE_VALUES:
        for rows, points, power in ((2_000, 2, 0.80), (10_000, 1, 0.90)):
            yield ClaimSeries(
                f"better by {points / 100:g}",
                _unequal_classifiers(of, points),
                rows,
                (Claim("power", superiority_requirement(of), power),),
            )
    for of in TRUE_VALUES:
        for rows, points in ((2_000, 2), (10_000, 1)):
            yield ClaimSeries(
                f"worse by {points / 100:g}",
                _unequal_classifiers(of, -points),
                rows,
                (_non_inferiority_claim(of, points / 100),),
            )
    for rows, margin in ((2_000, 0.02), (10_000, 0.01)):
        population = RegressorPopulation((1.0 + margin, 1.0), SHARED_ERROR_VARIANCE)
        yield ClaimSeries(f"worse by {margin:g}", population, rows, (_non_inferiority_claim("rmse", margin),))


def _equal_models_series(share: float, rows: int) -> ClaimSeries:
    at = find_separation("accuracy", CHAMPION_QUALITY)
    metrics = ("accuracy", "auc", "average-precision", "f1")
    return ClaimSeries(
        f"equal, {share:.0%} positives",
        ClassifierPopulation(share, (at, at), find_correlation((at, at), MODEL_DISAGREEMENT)),
        rows,
        tuple(Claim("false promotion", superiority_requirement(metric), ALPHA) for metric in metrics),
    )


def _unequal_classifiers(of: SimulatedMetric, points: int) -> ClassifierPopulation:
    both = (find_separation(of, CHAMPION_QUALITY + points / 100), find_separation(of, CHAMPION_QUALITY))
    return ClassifierPopulation(0.5, both, find_correlation(both, MODEL_DISAGREEMENT))


def _non_inferiority_claim(metric: str, margin: float) -> Claim:
    requirement = Requirement(metric, against="champion", test="non-inferiority", margin=margin)
    return Claim("non-inferiority at the margin", requirement, ALPHA)
