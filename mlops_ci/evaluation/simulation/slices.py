"""Simulates ten slices without any regression, and counts how often a rule nevertheless reports one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_ci.evaluation.simulation.claims import CHAMPION_QUALITY, MODEL_DISAGREEMENT
from mlops_ci.evaluation.simulation.populations import (
    BINARY_CLASSES,
    ClassifierPopulation,
    find_correlation,
    find_separation,
)
from mlops_ci.evaluation.simulation.trials import FULL_LEVEL_GATE, TrialCounts
from mlops_ci.evaluation.verdict.alignment import RowMetadata, ScoredModel
from mlops_ci.evaluation.verdict.compare import judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.spec.spec_types import GateSpec, Requirement

SLICE_COUNT = 10
NO_REGRESSION_REQUIREMENT = Requirement("accuracy", against="champion", test="no-regression", slices="all")


def run_slice_trials(rows: int, seed: Sequence[int], trials: int) -> TrialCounts:
    """Return how often the gate and the naive rule blocked equal models in `trials` holdouts of `rows` rows.

    There are no counts after spending, because the holdout budget does not apply when nothing is promoted.
    """
    at = find_separation("accuracy", CHAMPION_QUALITY)
    population = ClassifierPopulation(0.5, (at, at), find_correlation((at, at), MODEL_DISAGREEMENT))
    gate = GateSpec(confidence=FULL_LEVEL_GATE.confidence, requirements=(NO_REGRESSION_REQUIREMENT,))
    blocked = blocked_by_naive_rule = 0
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        drawn = population.draw(random, rows)
        where = random.integers(SLICE_COUNT, size=rows)
        labels = np.asarray(drawn.truth.labels)
        candidate, champion = (
            ScoredModel(name, name, model, BINARY_CLASSES)
            for name, model in zip(("candidate", "champion"), drawn.models, strict=True)
        )
        holdout = RowMetadata(slices={"slice": where})
        contest = Contest("binary-classification", labels, candidate, champion, gate, holdout=holdout)
        blocked += judge_candidate(contest).requirements[0].verdict == "fail"
        right, theirs = (np.bincount(where, model.labels == labels, SLICE_COUNT) for model in drawn.models)
        blocked_by_naive_rule += bool((right < theirs).any())
    return TrialCounts(trials, (blocked,), (blocked_by_naive_rule,), ())
