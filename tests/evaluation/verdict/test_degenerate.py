"""Whatever the predictions, weights and slices are like: a verdict or a diagnostic, never a crash or a silent pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.core.requirement_consistency import requirement_contradiction
from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, RowMetadata, ScoredModel
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.reports.requirements import explain_verdict
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.spec_types import Cost, CustomMetric, EvaluateSpec, GateSpec, Requirement, Task
from mlops_ci.training.predictions import Predictions

OWN = "own"
EVALUATE = EvaluateSpec(
    costs=(Cost(True, False, 5.0), Cost(False, True, 1.0)),
    custom={OWN: CustomMetric("m.py:own", "lower")},
    quantile=0.8,
)
THREE = replace(EVALUATE, costs=(Cost("a", "b", 2.0), Cost("b", "c", -1.0)), top_k=2)
KINDS: tuple[str, ...] = ("random", "constant", "ties", "sure", "wrong", "right")
TESTS: tuple[tuple[Any, float, Any], ...] = (
    ("superiority", 0.0, None),
    ("non-inferiority", 0.01, None),
    ("no-regression", 0.0, "all"),
)
TASKS: tuple[Task, ...] = ("binary-classification", "multiclass-classification", "regression")


def metrics_of(task: Task) -> tuple[str, ...]:
    known = [
        name
        for name, is_ in METRIC_DEFINITIONS.items()
        if task in is_.tasks and not (is_.is_operational or is_.compares_groups)
    ]
    return (*known, OWN)


def labels_of(task: Task, rows: int, kind: str, random: np.random.Generator) -> Any:
    if task == "regression":
        return np.full(rows, 3.0) if kind == "one" else random.normal(size=rows) * 10.0 ** random.integers(-3, 6)
    classes: Any = np.array([False, True]) if task.startswith("binary") else np.array(["a", "b", "c"], dtype=object)
    if kind == "one":
        return np.repeat(classes[:1], rows)
    shares = [0.95, 0.05] if kind == "rare" and len(classes) == 2 else None
    return random.choice(classes, size=rows, p=shares)


def model(task: Task, kind: str, labels: Any, name: str, random: np.random.Generator) -> ScoredModel:
    rows = len(labels)
    own = {OWN: np.zeros(rows) if kind == "constant" else random.normal(size=rows)}
    if task == "regression":
        values = {
            "random": random.normal(size=rows),
            "constant": np.zeros(rows),
            "ties": random.integers(3, size=rows).astype(float),
            "sure": np.full(rows, 1e300),
            "wrong": -labels,
            "right": labels,
        }[kind]
        return ScoredModel(name, name, Predictions(values=np.asarray(values, dtype=float), own=own))
    classes: tuple[Any, ...] = (False, True) if task.startswith("binary") else ("a", "b", "c")
    k = len(classes)
    true = np.array([classes.index(label) for label in labels.tolist()])
    raw = {
        "random": random.dirichlet(np.ones(k), size=rows),
        "constant": np.full((rows, k), 1 / k),
        "ties": np.eye(k)[random.integers(k, size=rows)] * 0.5 + 0.5 / k,
        "sure": np.eye(k)[random.integers(k, size=rows)],
        "wrong": np.eye(k)[(true + 1) % k],
        "right": np.eye(k)[true],
    }[kind]
    predictions = Predictions(
        labels=raw.argmax(axis=1), probabilities=raw, scores=raw[:, 1] if k == 2 else None, own=own
    )
    return ScoredModel(name, name, predictions, classes)


def gate_of(task: Task, **options: Any) -> GateSpec:
    tests = [
        Requirement(metric, against="champion", test=test, margin=margin, slices=slices)
        for metric in metrics_of(task)
        if metric != "quantile-coverage"
        for test, margin, slices in TESTS
    ]
    floors = [Requirement(metric, min=0.2, max=0.9) for metric in metrics_of(task)]
    return GateSpec(requirements=tuple(tests + floors), **options)


def judged(
    task: Task, labels: Any, candidate: ScoredModel, champion: Any, holdout: RowMetadata, **options: Any
) -> CandidateJudgement:
    evaluate = (
        THREE if task.startswith("multi") else EVALUATE if task.startswith("binary") else replace(EVALUATE, costs=())
    )
    return judge_candidate(
        Contest(task, labels, candidate, champion, gate_of(task, **options), evaluate=evaluate, holdout=holdout)
    )


@given(
    task=st.sampled_from(TASKS),
    mine=st.sampled_from(KINDS),
    theirs=st.sampled_from(KINDS),
    labels=st.sampled_from(["any", "one", "rare"]),
    rows=st.sampled_from([2, 50, 51, 120]),
    weights=st.sampled_from(["none", "uneven", "zeros", "one row"]),
    groups=st.sampled_from(["none", "all one", "tens"]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_everything_gets_a_verdict_and_who_is_no_better_never_passes_for_it(
    task: Task, mine: str, theirs: str, labels: str, rows: int, weights: str, groups: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    if task != "binary-classification" and labels == "rare":
        labels = "any"
    y = labels_of(task, rows, labels, random)
    candidate, champion = model(task, mine, y, "new", random), model(task, theirs, y, "old", random)
    holdout = RowMetadata(
        weights={
            "none": None,
            "uneven": random.uniform(0.1, 5, rows),
            "zeros": np.where(np.arange(rows) % 3 == 0, 0.0, 1.0),
            "one row": np.where(np.arange(rows) == 1, 1.0, 0.0),
        }[weights],
        groups={"none": None, "all one": np.zeros(rows, dtype=np.int64), "tens": np.arange(rows) // 10}[groups],
        slices={"part": np.arange(rows) % 2, "alone": np.minimum(np.arange(rows), 3)},  # three rows, each alone
        conditions={"never": np.zeros(rows, dtype=bool)},
    )
    found = judged(task, y, candidate, champion, holdout, min_slice_rows=20)
    back = judged(task, y, champion, candidate, holdout, min_slice_rows=20)
    for there, again in zip(found.requirements, back.requirements, strict=True):
        assert explain_verdict(there)
        assert requirement_contradiction(there, 0.95) is None, there
        assert there.verdict in ("pass", "fail", "inconclusive")
        for number in (there.candidate, there.difference, there.lower, there.upper, there.p_value):
            assert number is None or np.isfinite(number), there
        if there.requirement.test == "superiority":
            assert (there.verdict, again.verdict) != ("pass", "pass")
            if there.difference is not None and again.difference is not None:
                assert there.difference == pytest.approx(-again.difference)
            if there.verdict == "pass":
                assert (there.difference or 0.0) > 0
                assert (there.lower or 0.0) >= 0
    if weights == "one row" or groups == "all one" or rows == 2:  # worth one independent row, or two
        assert {one.verdict for one in found.requirements} == {"inconclusive"}


@pytest.mark.parametrize("task", TASKS)
def test_equal_answers_are_no_improvement_and_no_regression(task: Task) -> None:
    random = np.random.default_rng(1)
    y = labels_of(task, 400, "any", random)
    one = model(task, "random", y, "new", random)
    for weights in (None, random.uniform(0.5, 2, 400)):
        found = judged(
            task, y, one, replace(one, name="old"), RowMetadata(weights=weights, slices={"p": np.arange(400) % 2})
        )
        tested = [(item.requirement.test, item.verdict) for item in found.requirements]
        assert {verdict for test, verdict in tested if test == "superiority"} == {"inconclusive"}
        assert "fail" not in {verdict for test, verdict in tested if test == "no-regression"}


def test_a_slice_of_one_class_is_passed_over_and_said_to_be() -> None:
    random = np.random.default_rng(2)
    y = random.random(600) < 0.5
    part = np.where(y & (random.random(600) < 0.5), "only-true", "mixed")
    one, other = (model("binary-classification", "random", y, name, random) for name in ("new", "old"))
    gate = GateSpec(requirements=(Requirement("auc", against="champion", test="no-regression", slices="all"),))
    found = judge_candidate(
        Contest("binary-classification", y, one, other, gate, holdout=RowMetadata(slices={"part": part}))
    )
    assert found.requirements[0].reason.skipped == 1


def test_fifty_rows_are_enough_for_a_verdict_and_forty_nine_are_not() -> None:
    random = np.random.default_rng(3)
    for rows, verdicts in ((50, {"pass"}), (49, {"inconclusive"})):
        y = np.arange(rows) % 2 == 0
        right = model("binary-classification", "right", y, "new", random)
        gate = GateSpec(requirements=(Requirement("accuracy", min=0.5), Requirement("auc", min=0.5)))
        found = judge_candidate(Contest("binary-classification", y, right, NO_CHAMPION, gate))
        assert {one.verdict for one in found.requirements} == verdicts
