"""Simulates many pull requests on one holdout: by how much selection on it overstates the last champion's accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlops_ci.evaluation.simulation.claims import (
    CHAMPION_QUALITY,
    MODEL_DISAGREEMENT,
    QUESTION_BUDGET,
    superiority_requirement,
)
from mlops_ci.evaluation.simulation.populations import find_correlation, find_separation, true_accuracy
from mlops_ci.evaluation.simulation.trials import BUDGET_LEVEL_GATE, FULL_LEVEL_GATE, passes_gate, passes_naive_rule
from mlops_ci.evaluation.stats.evidence import MetricEvidence, measure_evidence
from mlops_ci.spec.spec_types import Requirement
from mlops_ci.training.predictions import Predictions, Truth

REUSED_HOLDOUT_ROWS = 500
PromotionRule = Callable[[Requirement, MetricEvidence], bool]


@dataclass(frozen=True)
class Overstatement:
    """The overstatement of the last champion's accuracy in percentage points, one entry for each stream.

    `gate` tests at the level per evaluation, `unspent` at the full level, and `naive` compares two numbers.
    """

    gate: tuple[float, ...]
    naive: tuple[float, ...]
    unspent: tuple[float, ...]


def simulate_reuse(seed: Sequence[int], streams: int) -> Overstatement:
    """Return the overstatement in streams of QUESTION_BUDGET pull requests each, whose models are all equally good."""
    rules: tuple[PromotionRule, ...] = (
        partial(passes_gate, gate=BUDGET_LEVEL_GATE),
        passes_naive_rule,
        partial(passes_gate, gate=FULL_LEVEL_GATE),
    )
    overstated = np.array(
        [_simulate_stream(np.random.default_rng(one), rules) for one in np.random.SeedSequence(seed).spawn(streams)]
    )
    gate, naive, unspent = (tuple(float(value) for value in column) for column in overstated.T.reshape(3, -1))
    return Overstatement(gate, naive, unspent)


def _simulate_stream(random: np.random.Generator, rules: Sequence[PromotionRule]) -> list[float]:
    at = find_separation("accuracy", CHAMPION_QUALITY)
    rho = find_correlation((at, at), MODEL_DISAGREEMENT)
    labels = (random.random(REUSED_HOLDOUT_ROWS) < 0.5).astype(np.int64)
    truth = Truth(labels=labels, classes=(0, 1))
    common = math.sqrt(rho) * random.standard_normal(REUSED_HOLDOUT_ROWS)

    def model() -> Predictions:
        scores = at * labels + common + math.sqrt(1 - rho) * random.standard_normal(REUSED_HOLDOUT_ROWS)
        return Predictions(labels=(scores >= at / 2).astype(np.int64))

    champions = [model()] * len(rules)
    for _ in range(QUESTION_BUDGET):
        candidate = model()
        for which, rule in enumerate(rules):
            evidence = measure_evidence(["accuracy"], truth, candidate, champions[which], seed=0)
            if rule(superiority_requirement("accuracy"), evidence):
                champions[which] = candidate
    true = true_accuracy(at)
    return [100 * (float(np.mean(champion.labels == labels)) - true) for champion in champions]
