"""Holdouts drawn and judged by the code that judges real models; beside it, what comparing two numbers would have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlops_ci.evaluation.simulation.claims import ALPHA, BUDGET, Series
from mlops_ci.evaluation.stats.alpha_spending import level
from mlops_ci.evaluation.stats.evidence import Evidence, gather
from mlops_ci.evaluation.verdict.evidence_set import Case, Rival
from mlops_ci.evaluation.verdict.requirements import judge
from mlops_ci.spec.spec_types import Gate, Requirement

PLAIN = Gate(confidence=1 - ALPHA)
SPENT = Gate(confidence=1 - level(ALPHA, BUDGET))


class Simulated(NamedTuple):
    """A model that exists in numbers only."""

    name: str
    operational: dict[str, float]


CANDIDATE = Simulated("candidate", {})


@dataclass(frozen=True)
class Counts:
    """How often each claim's requirement passed: by the gate, by the naive rule, and by the gate at the level after spending."""

    trials: int
    gate: tuple[int, ...]
    naive: tuple[int, ...]
    spent: tuple[int, ...]


def run(series: Series, seed: Sequence[int], trials: int) -> Counts:
    """Return the counts of so many holdouts; the same seed gives the same ones."""
    answers = np.zeros((3, len(series.claims)), dtype=int)
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        drawn = series.world.draw(random, series.rows)
        metrics = [claim.requirement.metric for claim in series.claims]
        evidence = gather(metrics, drawn.truth, *drawn.models, seed=int(random.integers(2**32)))
        for at, claim in enumerate(series.claims):
            answers[0, at] += passes(claim.requirement, evidence, PLAIN)
            answers[1, at] += naive(claim.requirement, evidence)
            answers[2, at] += passes(claim.requirement, evidence, SPENT)
    gate, by_numbers, spent = (tuple(int(one) for one in row) for row in answers)
    return Counts(trials, gate, by_numbers, spent)


def passes(requirement: Requirement, evidence: Evidence, gate: Gate) -> bool:
    """Tell whether the shipped gate passes a requirement on this evidence."""
    case = Case(evidence, gate, CANDIDATE, {"champion": Rival("champion", evidence)})
    return judge(requirement, case).verdict == "pass"


def naive(requirement: Requirement, evidence: Evidence) -> bool:
    """Tell whether the candidate's number is no lower than the champion's, less the margin where one is granted."""
    difference = evidence.differences.get(requirement.metric)
    margin = requirement.margin if requirement.test == "non-inferiority" else 0.0
    return difference is not None and difference.value >= -margin
