"""Slices and groups: which are tested, and which regression fails the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, RowMetadata, ScoredModel
from mlops_ci.evaluation.verdict.compare import judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.spec_types import EvaluateSpec, GateSpec, Requirement
from mlops_ci.training.predictions import Predictions
from tests.support.binary_models import (
    BETTER,
    FAIR,
    GOOD,
    LABELS,
    NO_REGRESSION,
    blend,
    judge,
    labels_of,
    model,
    only,
)


def regressed_in(slice_: Any) -> ScoredModel:
    """The champion's predictions, but turned round on some rows."""
    assert FAIR.predictions.scores is not None
    p = np.where(slice_, 1 - FAIR.predictions.scores, FAIR.predictions.scores)
    return ScoredModel(
        "candidate",
        "c",
        Predictions(labels=(p > 0.5).astype(np.int64), probabilities=np.stack([1 - p, p], axis=1), scores=p),
        (False, True),
    )


CITY = np.where(np.arange(2000) % 10 < 3, "Oslo", "Rome")


def test_a_regression_in_one_slice_fails_and_is_named() -> None:
    found = judge(regressed_in(CITY == "Oslo"), FAIR, NO_REGRESSION, labels=LABELS, slices={"city": CITY})
    result = only(found)
    assert (result.verdict, result.slice) == ("fail", "city=Oslo")
    assert reason_text(result).startswith("in city=Oslo ")
    assert {value.slice for value in found.metrics} == {None, "city=Oslo", "city=Rome"}
    assert {value.rows for value in found.metrics if value.slice == "city=Oslo"} == {600}
    assert len(found.champion_metrics) == len(found.metrics)


def test_slices_that_are_not_named_do_not_count() -> None:
    other = np.where(np.arange(2000) % 2 == 0, "a", "b")
    few = CITY == "Oslo"
    few[np.flatnonzero(few)[150:]] = False  # too little to be seen on the whole
    slices = {"place": np.where(few, "Oslo", "Rome"), "other": other}
    by_all = judge(regressed_in(few), FAIR, NO_REGRESSION, labels=LABELS, slices=slices)
    by_other = judge(
        regressed_in(few), FAIR, replace(NO_REGRESSION, slices=("other",), margin=0.1), labels=LABELS, slices=slices
    )
    assert (by_all.verdict, by_other.verdict) == ("fail", "pass")


def test_small_slices_are_reported_only() -> None:
    few = np.arange(2000) < 80
    found = judge(regressed_in(few), FAIR, replace(NO_REGRESSION, margin=0.1), labels=LABELS, slices={"few": few})
    result = only(found)
    assert result.verdict == "pass"
    assert reason_text(result).endswith("; 1 slice is too small to test")
    (small,) = (value for value in found.metrics if value.slice == "few=True" and value.metric == "auc")
    assert (small.rows, small.lower) == (80, None)


def test_no_regression_against_an_equal_passes_on_the_whole() -> None:
    twin = model(LABELS, 1.0, "other", seed=7)
    assert only(judge(twin, FAIR, replace(NO_REGRESSION, slices=None), labels=LABELS)).verdict == "pass"


def test_a_named_column_without_evidence_is_not_passed_over() -> None:
    named = replace(NO_REGRESSION, slices=("city", "carrier"))
    found = only(judge(FAIR, replace(FAIR, name="twin"), named, labels=LABELS, slices={"city": CITY}))
    assert (found.verdict, reason_text(found)) == ("inconclusive", "auc could not be compared by carrier")
    worse = judge(regressed_in(CITY == "Oslo"), FAIR, named, labels=LABELS, slices={"city": CITY})
    assert only(worse).verdict == "fail"  # what was seen decides, whatever was not
    assert only(judge(FAIR, replace(FAIR, name="twin"), NO_REGRESSION, labels=LABELS)).verdict == "inconclusive"


def test_a_column_of_slices_that_are_all_too_small_is_not_passed_over() -> None:
    named = replace(NO_REGRESSION, slices=("place",))
    found = judge(FAIR, replace(FAIR, name="twin"), named, labels=LABELS, slices={"place": np.arange(2000) // 50})
    assert reason_text(only(found)) == "auc could not be compared by place; 40 slices are too small to test"
    assert found.verdict == "inconclusive"


def test_a_column_whose_name_holds_an_equals_sign_is_itself() -> None:
    named = replace(NO_REGRESSION, slices=("is=Oslo",), margin=0.1)
    few = CITY == "Oslo"
    few[np.flatnonzero(few)[150:]] = False
    slices = {"is": np.where(few, "Oslo", "Rome"), "is=Oslo": CITY == "Oslo"}
    for columns, verdict in ((("is=Oslo",), "pass"), (("is",), "fail")):
        found = only(judge(regressed_in(few), FAIR, replace(named, slices=columns), labels=LABELS, slices=slices))
        assert found.verdict == verdict, found.reason


@pytest.mark.parametrize("worse", [50.0, 0.5])
def test_one_bad_slice_among_a_hundred_is_found(worse: float) -> None:
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(101), 100)
    y = rng.normal(size=len(place))
    near = Predictions(values=y + rng.normal(0, 0.09, len(y)))
    bad = Predictions(values=y + np.where(place == 7, worse, 1) * rng.choice([-0.09, 0.09], len(y)))
    requirement = Requirement("mae", against="champion", test="no-regression", slices="all")
    found = judge_candidate(
        Contest(
            "regression",
            y,
            ScoredModel("c", "c", bad),
            ScoredModel("o", "o", near),
            GateSpec(requirements=(replace(requirement, margin=0.1),)),
            evaluate=EvaluateSpec(metrics=("mae",)),
            holdout=RowMetadata(slices={"place": place}),
        )
    )
    assert (found.verdict, found.requirements[0].slice) == (("fail", "place=7") if worse > 1 else ("pass", ANY))


def test_the_same_loss_in_every_row_of_a_slice_is_seen_too() -> None:
    y, place = np.zeros(2000), np.repeat([0, 1], [1900, 100])
    bad = ScoredModel("c", "c", Predictions(values=np.where(place == 1, 50.0, 0.0)))
    requirement = Requirement("mae", against="champion", test="no-regression", slices="all")
    gate = GateSpec(requirements=(requirement,))
    good = ScoredModel("o", "o", Predictions(values=y))
    found = judge_candidate(
        Contest(
            "regression",
            y,
            bad,
            good,
            gate,
            evaluate=EvaluateSpec(metrics=("mae",)),
            holdout=RowMetadata(slices={"place": place}),
        )
    )
    assert (found.verdict, found.requirements[0].slice) == ("fail", "place=1")


def test_many_slices_are_corrected_for() -> None:
    requirement = replace(NO_REGRESSION, margin=0.0)
    places = np.arange(2000) % 19
    found = [
        only(
            judge(
                model(LABELS, 1.0, "new", 50 + seed),
                FAIR,
                requirement,
                labels=LABELS,
                metrics=["auc"],
                slices={"place": places},
            )
        )
        for seed in range(6)
    ]
    alone = [one for one in found if (one.upper or 0) < 0]  # the worst slice, were it the only test
    assert len(alone) >= 2
    assert any(one.verdict == "pass" for one in alone)


def test_models_that_mostly_agree_are_told_apart_by_the_rows_where_they_do_not() -> None:
    assert only(judge(blend(GOOD, FAIR, 0.05, "nearly"), FAIR, BETTER, labels=LABELS)).verdict == "pass"


def test_missing_slice_values_are_a_slice() -> None:
    values = np.array([None if at % 2 else 1.0 for at in range(2000)], dtype=object)
    found = judge(GOOD, FAIR, BETTER, labels=LABELS, slices={"hour": values})
    assert {value.slice for value in found.metrics} == {None, "hour=1", "hour=(missing)"}


def test_a_strange_label_in_a_binary_holdout_is_a_finding() -> None:
    labels = LABELS.astype(object)
    labels[3] = "maybe"
    with pytest.raises(Findings) as caught:
        judge(GOOD, None, BETTER, labels=labels)
    assert caught.value.diagnostics[0].id == "holdout-label-unknown"


def test_a_new_class_in_a_multiclass_holdout_is_a_warning() -> None:
    labels = np.array(["a", "b", "c"] * 40 + ["d"], dtype=object)
    p = np.tile(np.eye(3) * 0.7 + 0.1, (41, 1))[:121]
    one = ScoredModel("m", "m", Predictions(labels=p.argmax(axis=1), probabilities=p), ("a", "b", "c"))
    found = judge_candidate(Contest("multiclass-classification", labels, one, NO_CHAMPION, GateSpec()))
    assert [(one.id, one.severity) for one in found.diagnostics] == [("holdout-label-unknown", "warning")]
    accuracy = next(value for value in found.metrics if value.metric == "accuracy")
    assert accuracy.value == pytest.approx(120 / 121)


def says_yes_to(share: Mapping[str, float], rows: int = 300) -> tuple[ScoredModel, Any]:
    """A model, and the groups of as many rows each to which it says yes at these shares."""
    groups = np.repeat(list(share), rows)
    said = np.concatenate([np.arange(rows) < rows * part for part in share.values()])
    return ScoredModel("m", "m", Predictions(labels=said.astype(np.int64)), (False, True)), groups


@pytest.mark.parametrize(
    ("shares", "verdict", "reason"),
    [
        ({"a": 0.5, "b": 0.5}, "pass", "interval-clear"),
        ({"a": 0.5, "b": 0.7, "c": 0.1}, "fail", "interval-clear"),
        ({"a": 0.5}, "inconclusive", "too-few-groups"),
    ],
)
def test_a_gap_between_the_groups_of_a_column_is_required_to_be_small(
    shares: Mapping[str, float], verdict: str, reason: str
) -> None:
    one, groups = says_yes_to(shares)
    parity = Requirement("demographic-parity-difference", max=0.2, by="group")
    elsewhere = replace(parity, by="gone")  # a column that the holdout does not have
    gate = GateSpec(requirements=(parity, elsewhere))
    labels = np.arange(len(groups)) % 2 == 0
    holdout = RowMetadata(fairness_columns={"group": groups})
    found = judge_candidate(Contest("binary-classification", labels, one, NO_CHAMPION, gate, holdout=holdout))
    result, other = found.requirements
    assert (result.verdict, result.reason.code) == (verdict, reason)
    assert other.reason == Reason("too-few-groups")
    if len(shares) == 3:
        assert (result.reason.highest_group, result.reason.lowest_group) == ("b", "c")
        assert result.candidate == pytest.approx(0.6)


@pytest.mark.parametrize(("worth", "tested"), [(50, True), (49, False)])
def test_a_slice_is_tested_from_the_rows_on_that_it_is_worth(worth: int, tested: bool) -> None:
    """Given two rows of each unit, then a slice is worth as many rows as it has units."""
    rows = 600
    units = np.arange(rows) // 2
    part = np.where(units < worth, "few", "many")
    labels = labels_of(rows)
    gate = GateSpec(min_slice_rows=50, requirements=(Requirement("accuracy", min=0.1),))
    found = judge_candidate(
        Contest(
            "binary-classification",
            labels,
            model(labels, 1.0),
            NO_CHAMPION,
            gate,
            evaluate=EvaluateSpec(metrics=("accuracy",)),
            holdout=RowMetadata(groups=units, slices={"part": part}),
        )
    )
    (few,) = [value for value in found.metrics if value.slice == "part=few"]
    assert (few.lower is not None) is tested
    assert few.rows == 2 * worth
