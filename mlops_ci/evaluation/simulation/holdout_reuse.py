"""Many pull requests on one holdout: what the last champion's reported accuracy owes to having been chosen on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlops_ci.evaluation.simulation.claims import BUDGET, DISAGREEMENT, START, better
from mlops_ci.evaluation.simulation.populations import accuracy, correlation, separation
from mlops_ci.evaluation.simulation.trials import PLAIN, SPENT, naive, passes
from mlops_ci.evaluation.stats.evidence import Evidence, gather
from mlops_ci.spec.spec_types import Requirement
from mlops_ci.training.predictions import Predictions, Truth

ROWS = 500
Rule = Callable[[Requirement, Evidence], bool]


@dataclass(frozen=True)
class Overstated:
    """By how many points each last champion's accuracy was overstated, a stream an entry."""

    gate: tuple[float, ...]
    naive: tuple[float, ...]
    unspent: tuple[float, ...]


def run(seed: Sequence[int], streams: int) -> Overstated:
    """Return what became of so many streams of BUDGET pull requests, whose models are all equally good.

    The gate judges at the level that is left after spending; `unspent` is the same gate at the full level.
    """
    rules: tuple[Rule, ...] = (partial(passes, gate=SPENT), naive, partial(passes, gate=PLAIN))
    found = np.array(
        [_stream(np.random.default_rng(one), rules) for one in np.random.SeedSequence(seed).spawn(streams)]
    )
    gate, by_numbers, unspent = (tuple(float(value) for value in column) for column in found.T.reshape(3, -1))
    return Overstated(gate, by_numbers, unspent)


def _stream(random: np.random.Generator, rules: Sequence[Rule]) -> list[float]:
    at = separation("accuracy", START)
    rho = correlation((at, at), DISAGREEMENT)
    labels = (random.random(ROWS) < 0.5).astype(np.int64)
    truth = Truth(labels=labels, classes=(0, 1))
    common = math.sqrt(rho) * random.standard_normal(ROWS)

    def model() -> Predictions:
        scores = at * labels + common + math.sqrt(1 - rho) * random.standard_normal(ROWS)
        return Predictions(labels=(scores >= at / 2).astype(np.int64))

    champions = [model()] * len(rules)
    for _ in range(BUDGET):
        candidate = model()
        for which, rule in enumerate(rules):
            evidence = gather(["accuracy"], truth, candidate, champions[which], seed=0)
            if rule(better("accuracy"), evidence):
                champions[which] = candidate
    true = accuracy(at)
    return [100 * (float(np.mean(champion.labels == labels)) - true) for champion in champions]
