"""Records as steps make them, with the texts that a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.records.base import FileDigest, ProjectRef
from mlops_ci.core.records.comparison import ComparedRelease, Comparison, MetricValue, Verdict
from mlops_ci.core.records.training_run import (
    CheckResult,
    DatasetSnapshot,
    ModelField,
    ModelFormat,
    ModelSignature,
    Split,
    TrainingEnvironment,
    TrainingRun,
)
from mlops_ci.core.requirements import Reason, RequirementResult, RequirementTerms, RequirementVerdict
from mlops_ci.core.results.gate import GatedModel
from mlops_ci.spec.requirement_text import requirement_terms
from mlops_ci.spec.spec_types import Requirement

DIGEST = "0" * 64
PROJECT = ProjectRef("nyc-flights", ".")


def comparison(
    *, sentence: str = "auc 0.71", reason: str = "too close", metrics: tuple[MetricValue, ...] = (), metric: str = "auc"
) -> Comparison:
    """An inconclusive comparison with one requirement."""
    asked = RequirementTerms(metric, "superiority", "champion", margin=0.0)
    requirement = RequirementResult(asked, "inconclusive", Reason("incomparable", why=reason), candidate=0.71)
    return Comparison(
        DIGEST, "delay", DIGEST, DIGEST, "none", DIGEST, 1000, DIGEST, 0.95, metrics, (requirement,), "inconclusive", sentence, project=PROJECT
    )  # fmt: skip


def snapshot(*checks: CheckResult, files: int = 1, rows: int = 1200) -> DatasetSnapshot:
    """A dataset of so many files, with the checks' answers."""
    digests = tuple(FileDigest(f"data/{number}.csv", DIGEST, 1) for number in range(files))
    return DatasetSnapshot("flights", DIGEST, rows, digests, (), DIGEST, checks, project=PROJECT)


def check(passed: bool, column: str = "hour", **given: str) -> CheckResult:
    """A check's answer."""
    return CheckResult(
        "nulls", given.get("wanted", "at most 0"), given.get("observed", "3 missing"), passed, column=column
    )


def training_run(model: str = "delay", *, code: tuple[FileDigest, ...] = ()) -> TrainingRun:
    """A fitted candidate that the comparisons here are about."""
    return TrainingRun(
        key=DIGEST,
        model=model,
        task="binary-classification",
        dataset="flights",
        spec_path="models/delay.yaml",
        spec_digest=DIGEST,
        interface_digest=DIGEST,
        code=code,
        schema_digest=DIGEST,
        split=Split("hash", 1, 0.2, 1000, DIGEST, 200, DIGEST),
        row_key=("id",),
        environment=TrainingEnvironment("3.11.7", {"scikit-learn": "1.6.0"}),
        seed=7,
        estimator="sklearn.linear_model.LogisticRegression",
        trusted=(),
        signature=ModelSignature((ModelField("hour", "integer"),), ModelField("late", "integer"), (0, 1)),
        model_digest=DIGEST,
        model_format=ModelFormat("skops", "model.skops"),
        files=(FileDigest("model.skops", DIGEST, 123_456),),
        started_on="2026-01-01T00:00:00+00:00",
        seconds=2.345,
        project=PROJECT,
    )


FLOOR = Requirement("auc", min=0.65)
_OF_FLOOR: Mapping[RequirementVerdict, tuple[Reason, float, float, float]] = {
    "pass": (Reason("interval-clear"), 0.71, 0.69, 0.73),
    "fail": (Reason("interval-clear"), 0.60, 0.58, 0.62),
    "inconclusive": (Reason("interval-crosses-limit", limit=0.65), 0.66, 0.64, 0.68),
}


def requirement(
    verdict: RequirementVerdict, asked: Requirement = FLOOR, reason: Reason | None = None, **given: Any
) -> RequirementResult:
    """One requirement's answer; without a reason that of a floor of 0.65."""
    terms = requirement_terms(asked)
    if reason is not None:
        return RequirementResult(terms, verdict, reason, **{"candidate": 0.71, **given})
    why, value, lower, upper = _OF_FLOOR[verdict]
    return RequirementResult(terms, verdict, why, **{"candidate": value, "lower": lower, "upper": upper, **given})


def judged(
    verdict: Verdict = "pass",
    model: str = "delay",
    *,
    slices: Mapping[str, tuple[float, float]] | None = None,
    requirements: tuple[RequirementResult, ...] = (),
    text: str = "auc 0.710 on 2,000 holdout rows",
) -> GatedModel:
    """A model that went all the way, against a champion; `slices` are the auc of candidate and champion by slice."""
    both = dict(slices or {})
    champion = ComparedRelease(
        "1.2.0", DIGEST, DIGEST, "c" * 40, tuple(_auc(one, pair[1]) for one, pair in both.items())
    )
    answer = replace(
        comparison(sentence=text, metrics=tuple(_auc(one, pair[0]) for one, pair in both.items())),
        model=model,
        champion_state="compared",
        champion=champion,
        requirements=requirements or (requirement("inconclusive" if verdict == "incomparable" else verdict),),
        verdict=verdict,
    )
    ref = f"refs/mlops/runs/{model}/{DIGEST}"
    return GatedModel(model, verdict, text, snapshot(check(True)), training_run(model), True, answer, ref)


def _auc(name: str, value: float) -> MetricValue:
    return MetricValue("auc", value, value - 0.01, value + 0.01, name, 300)


JOB = CiJob(
    "owner/name",
    "https://api.github.com",
    "https://github.com",
    "pull_request",
    "gate",
    "d" * 40,
    "https://github.com/owner/name/actions/runs/17",
    12,
)
