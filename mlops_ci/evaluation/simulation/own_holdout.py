"""Simulates holdouts from a user's own holdout, with two real models: as they are, or made equal by random exchange."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.results.simulation import ClaimMeasurement
from mlops_ci.evaluation.simulation.claims import QUESTION_BUDGET, superiority_requirement
from mlops_ci.evaluation.simulation.trials import TrialCounts, passes_gate, passes_naive_rule
from mlops_ci.evaluation.stats.alpha_spending import level_per_test
from mlops_ci.evaluation.stats.evidence import measure_evidence
from mlops_ci.spec.spec_types import GateSpec
from mlops_ci.training.predictions import Predictions, Truth

_SEED = 20_261_126
_TRIALS_PER_CALL = 25  # trials of one call in a worker process


@dataclass(frozen=True)
class ModelPair:
    """A holdout with the names and the predictions of two models."""

    names: tuple[str, str]
    truth: Truth
    models: tuple[Predictions, Predictions]


def measure_model_pair(
    pair: ModelPair, metrics: Sequence[str], gate: GateSpec, count: int, jobs: int, progress: Callable[[str], None]
) -> tuple[ClaimMeasurement, ...]:
    """Return, for each metric, the share of `count` simulated holdouts in which the gate finds the first model better.

    Each holdout has the size of the user's, and draws its rows, or groups of rows, with replacement. In the first part, a
    coin toss exchanges both models' predictions for each row or group; this makes the models equal, so at most the share
    `1 - confidence` may pass. In the second part the models are unchanged, and the true difference is the measured one.
    """
    from joblib import Parallel, delayed

    measured: list[ClaimMeasurement] = []
    for exchanged in (True, False):
        progress(f"{'models made equal by random exchange' if exchanged else 'models as they are'}: {count:,} trials")
        calls = [
            delayed(run_pair_trials)(
                pair, metrics, gate, (_SEED, exchanged, chunk), min(_TRIALS_PER_CALL, count - chunk * _TRIALS_PER_CALL)
            )
            for chunk in range(math.ceil(count / _TRIALS_PER_CALL))
        ]
        parts = Parallel(n_jobs=jobs, inner_max_num_threads=1)(calls)
        measured += _measurements(pair, metrics, gate, count, parts, exchanged=exchanged)
    return tuple(measured)


def run_pair_trials(
    pair: ModelPair, metrics: Sequence[str], gate: GateSpec, seed: Sequence[int], trials: int
) -> TrialCounts:
    """Return the counts of simulated holdouts, by metric; the second number of `seed` tells whether to exchange models."""
    spent = replace(gate, confidence=1 - level_per_test(1 - gate.confidence, QUESTION_BUDGET))
    answers = np.zeros((3, len(metrics)), dtype=int)
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        drawn = _draw_holdout(pair, random, exchanged=bool(seed[1]))
        evidence = measure_evidence(metrics, drawn.truth, *drawn.models, seed=int(random.integers(2**32)))
        for at, metric in enumerate(metrics):
            answers[0, at] += passes_gate(superiority_requirement(metric), evidence, gate)
            answers[1, at] += passes_naive_rule(superiority_requirement(metric), evidence)
            answers[2, at] += passes_gate(superiority_requirement(metric), evidence, spent)
    gate_counts, naive_counts, spent_counts = (tuple(int(one) for one in row) for row in answers)
    return TrialCounts(trials, gate_counts, naive_counts, spent_counts)


def _draw_holdout(pair: ModelPair, random: np.random.Generator, *, exchanged: bool) -> ModelPair:
    """Return a holdout of as many drawn rows, or groups, as the original has; a group drawn twice becomes two groups."""
    truth, (one, other) = pair.truth, pair.models
    if truth.groups is None:
        rows = random.integers(len(truth), size=len(truth))
        tossed = random.random(len(rows)) < 0.5
        truth = truth.select_rows(rows)
    else:
        _, group = np.unique(truth.groups, return_inverse=True)
        members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
        drawn = random.integers(len(members), size=len(members))
        sizes = [len(members[at]) for at in drawn]
        rows = np.concatenate([members[at] for at in drawn])
        tossed = np.repeat(random.random(len(drawn)) < 0.5, sizes)
        truth = replace(truth.select_rows(rows), groups=np.repeat(np.arange(len(drawn)), sizes))
    one, other = one.select_rows(rows), other.select_rows(rows)
    if exchanged:
        one, other = _mix_predictions(one, other, tossed), _mix_predictions(other, one, tossed)
    return replace(pair, truth=truth, models=(one, other))


def _mix_predictions(one: Predictions, other: Predictions, tossed: NDArray[np.bool_]) -> Predictions:
    """Return one model's predictions, with the other's in the rows where `tossed` is true."""

    def mixed(mine: Any, theirs: Any) -> Any:
        if mine is None or theirs is None:
            return None
        return np.where(tossed[:, None] if mine.ndim > 1 else tossed, theirs, mine)

    parts = {
        name.name: mixed(getattr(one, name.name), getattr(other, name.name))
        for name in fields(one)
        if name.name != "own"
    }
    return Predictions(**parts, own={name: mixed(values, other.own[name]) for name, values in one.own.items()})


def _measurements(
    pair: ModelPair,
    metrics: Sequence[str],
    gate: GateSpec,
    count: int,
    parts: Sequence[TrialCounts],
    *,
    exchanged: bool,
) -> Iterator[ClaimMeasurement]:
    for at, metric in enumerate(metrics):
        share = sum(part.gate[at] for part in parts) / count
        yield ClaimMeasurement(
            claim="false promotion" if exchanged else "promotion",
            metric=metric,
            rows=len(pair.truth),
            setting=f"{pair.names[0]} and {pair.names[1]}, {'predictions exchanged at random' if exchanged else 'as they are'}",
            value=share,
            error=math.sqrt(share * (1 - share) / count),
            limit=1 - gate.confidence if exchanged else None,
            at_least=False,
            naive=sum(part.naive[at] for part in parts) / count,
            spent=sum(part.spent[at] for part in parts) / count,
        )
