"""Trials of the gate on simulated holdouts, with the code that evaluates real models and, for comparison, a naive rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlops_ci.evaluation.simulation.claims import ALPHA, QUESTION_BUDGET, ClaimSeries
from mlops_ci.evaluation.stats.alpha_spending import level_per_test
from mlops_ci.evaluation.stats.evidence import MetricEvidence, measure_evidence
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet
from mlops_ci.evaluation.verdict.requirements import judge_requirement
from mlops_ci.spec.spec_types import GateSpec, Requirement

FULL_LEVEL_GATE = GateSpec(confidence=1 - ALPHA)
BUDGET_LEVEL_GATE = GateSpec(confidence=1 - level_per_test(ALPHA, QUESTION_BUDGET))


class SimulatedModel(NamedTuple):
    """A model with a name and operational metrics, but without files."""

    name: str
    operational_metrics: dict[str, float]


SIMULATED_CANDIDATE = SimulatedModel("candidate", {})


@dataclass(frozen=True)
class TrialCounts:
    """The number of trials in which each claim's requirement passed.

    `gate` is the gate at the full level, `naive` the naive rule, and `spent` the gate at the level per evaluation that
    the holdout budget leaves.
    """

    trials: int
    gate: tuple[int, ...]
    naive: tuple[int, ...]
    spent: tuple[int, ...]


def run_claim_trials(series: ClaimSeries, seed: Sequence[int], trials: int) -> TrialCounts:
    """Return the counts of `trials` simulated holdouts; the same seed gives the same counts."""
    answers = np.zeros((3, len(series.claims)), dtype=int)
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        drawn = series.population.draw(random, series.rows)
        metrics = [claim.requirement.metric for claim in series.claims]
        evidence = measure_evidence(metrics, drawn.truth, *drawn.models, seed=int(random.integers(2**32)))
        for at, claim in enumerate(series.claims):
            answers[0, at] += passes_gate(claim.requirement, evidence, FULL_LEVEL_GATE)
            answers[1, at] += passes_naive_rule(claim.requirement, evidence)
            answers[2, at] += passes_gate(claim.requirement, evidence, BUDGET_LEVEL_GATE)
    gate, naive, spent = (tuple(int(one) for one in row) for row in answers)
    return TrialCounts(trials, gate, naive, spent)


def passes_gate(requirement: Requirement, evidence: MetricEvidence, gate: GateSpec) -> bool:
    """Tell whether the gate passes a requirement on this evidence."""
    case = EvidenceSet(evidence, gate, SIMULATED_CANDIDATE, {"champion": BaselineEvidence("champion", evidence)})
    return judge_requirement(requirement, case).verdict == "pass"


def passes_naive_rule(requirement: Requirement, evidence: MetricEvidence) -> bool:
    """Tell whether the candidate's value is at least the champion's, minus the margin of a non-inferiority test."""
    difference = evidence.differences.get(requirement.metric)
    margin = requirement.margin if requirement.test == "non-inferiority" else 0.0
    return difference is not None and difference.value >= -margin
