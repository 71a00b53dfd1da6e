"""Binary classifiers of a chosen skill, and the judgement of one against another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlops_ci.core.requirement_consistency import requirement_contradiction
from mlops_ci.core.requirements import RequirementResult
from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, NoBaseline, RowMetadata, ScoredModel
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.spec.spec_types import EvaluateSpec, GateSpec, Requirement
from mlops_ci.training.predictions import Predictions

BETTER = Requirement("auc", against="champion", test="superiority")


def labels_of(rows: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(rows) < 0.4


def model(labels: Any, skill: float, name: str = "candidate", seed: int = 1, **operational: float) -> ScoredModel:
    """A binary classifier whose scores part the classes by `skill` standard deviations."""
    drawn = np.random.default_rng(seed).normal(size=len(labels)) + skill * (labels - 0.4)
    p = 1 / (1 + np.exp(-drawn))
    predictions = Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p)
    return ScoredModel(name, name, predictions, (False, True), operational)


def blend(one: ScoredModel, other: ScoredModel, share: float, name: str) -> ScoredModel:
    """A model between two: paired comparisons are of models that mostly agree."""
    mine, theirs = one.predictions.scores, other.predictions.scores
    assert mine is not None
    assert theirs is not None
    p = share * mine + (1 - share) * theirs
    predictions = Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p)
    return ScoredModel(name, name, predictions, (False, True))


def judge(
    candidate: ScoredModel, champion: ScoredModel | None, *requirements: Requirement, labels: Any, **options: Any
) -> CandidateJudgement:
    gate = options.pop("gate", GateSpec())
    why = options.pop("incomparable", None)
    rival = champion or (NO_CHAMPION if why is None else NoBaseline(why, "incomparable"))
    evaluate = EvaluateSpec(metrics=tuple(options.pop("metrics", ())))
    holdout = RowMetadata(slices=options.pop("slices", {}))
    found = judge_candidate(
        Contest(
            "binary-classification",
            labels,
            candidate,
            rival,
            replace(gate, requirements=requirements),
            evaluate=evaluate,
            holdout=holdout,
            **options,
        )
    )
    assert not [one for one in found.requirements if requirement_contradiction(one, gate.confidence)]
    return found


def only(judgement: CandidateJudgement) -> RequirementResult:
    (result,) = judgement.requirements
    return result


LABELS = labels_of(2000)


GOOD, FAIR, POOR = (
    model(LABELS, skill, name) for skill, name in ((1.5, "m@v2.0.0"), (1.0, "m@v1.0.0"), (0.2, "m@v0.1.0"))
)


def timed(one: ScoredModel, **values: float) -> ScoredModel:
    return replace(one, operational_metrics={name.replace("_", "-"): value for name, value in values.items()})


NO_REGRESSION = Requirement("auc", against="champion", test="no-regression", slices="all", margin=0.02)
