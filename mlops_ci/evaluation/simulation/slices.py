"""Ten slices of which the candidate is worse in none: how often a rule says that it is in some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_ci.evaluation.simulation.claims import DISAGREEMENT, START
from mlops_ci.evaluation.simulation.populations import CLASSES, Classifiers, correlation, separation
from mlops_ci.evaluation.simulation.trials import PLAIN, Counts
from mlops_ci.evaluation.verdict.alignment import Contestant, Holdout
from mlops_ci.evaluation.verdict.compare import compare
from mlops_ci.spec.spec_types import Gate, Requirement

SLICES = 10
RULE = Requirement("accuracy", against="champion", test="no-regression", slices="all")


def run(rows: int, seed: Sequence[int], trials: int) -> Counts:
    """Return how often the gate blocked, of so many holdouts; there is no spending, since nothing is promoted."""
    at = separation("accuracy", START)
    world = Classifiers(0.5, (at, at), correlation((at, at), DISAGREEMENT))
    gate = Gate(confidence=PLAIN.confidence, requirements=(RULE,))
    blocked = by_numbers = 0
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        drawn = world.draw(random, rows)
        where = random.integers(SLICES, size=rows)
        labels = np.asarray(drawn.truth.labels)
        candidate, champion = (
            Contestant(name, name, model, CLASSES)
            for name, model in zip(("candidate", "champion"), drawn.models, strict=True)
        )
        holdout = Holdout(slices={"slice": where})
        judged = compare("binary-classification", labels, candidate, champion, gate, holdout=holdout)
        blocked += judged.requirements[0].verdict == "fail"
        right, theirs = (np.bincount(where, model.labels == labels, SLICES) for model in drawn.models)
        by_numbers += bool((right < theirs).any())
    return Counts(trials, (blocked,), (by_numbers,), ())
