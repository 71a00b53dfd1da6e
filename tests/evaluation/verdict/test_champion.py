"""The champion: absent, the candidate itself, of other labels, impossible to score, or trained on rows of the holdout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_ci.core.requirements import Reason
from mlops_ci.evaluation.verdict.alignment import NoBaseline, ScoredModel
from mlops_ci.evaluation.verdict.compare import judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.reports.requirements import reason_text
from mlops_ci.spec.spec_types import GateSpec, Requirement
from mlops_ci.training.predictions import Predictions
from tests.support.binary_models import (
    BETTER,
    FAIR,
    GOOD,
    LABELS,
    POOR,
    judge,
)


def test_no_champion_yet_leaves_the_decision_to_the_floors() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.6), BETTER, labels=LABELS)
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert (found.champion_state, found.verdict) == ("none", "pass")
    assert found.sentence.endswith("on 2,000 holdout rows; there is no champion yet")


def test_no_champion_and_no_floor_decides_nothing() -> None:
    found = judge(FAIR, None, BETTER, labels=LABELS)
    assert found.verdict == "inconclusive"
    assert found.sentence == (
        "there is no champion yet and the gate has no floor, so no requirement applied: add a floor such as {metric: auc, min: 0.5}"
    )


def test_the_champion_itself_is_not_tested_against_itself() -> None:
    itself = replace(FAIR, run="1f0c")
    found = judge(itself, itself, Requirement("auc", min=0.6), BETTER, labels=LABELS)
    assert found.champion_state == "same"
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert "the candidate is the champion itself (m@v1.0.0)" in reason_text(found.requirements[1])


@pytest.mark.parametrize(("run", "champions"), [("1f0c", "77aa"), ("", ""), ("1f0c", "")])
def test_only_the_champions_own_run_is_the_champion(run: str, champions: str) -> None:
    # the digest names classes and not what their methods do: a changed predict_proba leaves it as it was
    changed = replace(POOR, model_digest=FAIR.model_digest, run=run)
    found = judge(changed, replace(FAIR, run=champions), Requirement("auc", min=0.5), BETTER, labels=LABELS)
    assert (found.champion_state, found.verdict) == ("compared", "fail")


def test_a_champion_that_cannot_be_scored_is_incomparable() -> None:
    found = judge(
        FAIR, None, BETTER, labels=LABELS, incomparable="m@v1.0.0 needs 'wind', which the data no longer have"
    )
    assert (found.champion_state, found.verdict) == ("incomparable", "incomparable")
    assert [one.id for one in found.diagnostics] == ["champion-incomparable"]
    assert "'wind'" in found.diagnostics[0].message


def test_floors_alone_do_not_promote_past_a_champion_that_cannot_be_scored() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.6), BETTER, labels=LABELS, incomparable="the data changed")
    assert [result.verdict for result in found.requirements] == ["pass", "inconclusive"]
    assert found.verdict == "incomparable"


def test_a_floor_that_is_missed_fails_whatever_the_champion() -> None:
    found = judge(FAIR, None, Requirement("auc", min=0.99), BETTER, labels=LABELS, incomparable="the data changed")
    assert found.verdict == "fail"


def test_a_champion_that_cannot_be_scored_is_let_go_for_a_reason_and_the_floors_decide() -> None:
    gate = GateSpec(requirements=(Requirement("auc", min=0.6), BETTER), accept_incomparable="the target is another one")
    found = judge_candidate(
        Contest("binary-classification", LABELS, FAIR, NoBaseline("the data changed", "incomparable"), gate)
    )
    assert [result.verdict for result in found.requirements] == ["pass", "not-applicable"]
    assert found.requirements[1].reason == Reason(
        "incomparable", why="the data changed", accepted="the target is another one"
    )
    assert found.verdict == "pass"
    assert found.sentence.endswith("the data changed; accepted: the target is another one")
    assert [one.id for one in found.diagnostics] == ["champion-incomparable"]


def test_a_reason_alone_decides_nothing() -> None:
    gate = GateSpec(requirements=(BETTER,), accept_incomparable="the target is another one")
    found = judge_candidate(
        Contest("binary-classification", LABELS, FAIR, NoBaseline("the data changed", "incomparable"), gate)
    )
    assert found.verdict == "inconclusive"


def test_a_reason_that_is_not_needed_changes_nothing_and_is_to_be_deleted() -> None:
    gate = GateSpec(requirements=(BETTER,), accept_incomparable="the target was another one")
    found = judge_candidate(Contest("binary-classification", LABELS, POOR, FAIR, gate))
    assert found.verdict == "fail"
    assert [one.id for one in found.diagnostics] == ["champion-comparable"]


def test_a_champion_of_other_labels_is_incomparable() -> None:
    other = replace(POOR, classes=("no", "yes"))
    assert judge(FAIR, other, BETTER, labels=LABELS).champion_state == "incomparable"


def test_a_regression_by_default_must_beat_the_mean_and_the_champion() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(10, 2, 400)
    near, far = (
        ScoredModel(name, name, Predictions(values=y + rng.normal(0, spread, 400)))
        for name, spread in (("n", 0.5), ("f", 1.0))
    )
    found = judge_candidate(Contest("regression", y, near, far, GateSpec()))
    tested = [("r2", "pass"), ("rmse", "pass"), ("r2", "not-applicable"), ("r2", "not-applicable")]
    assert [(result.requirement.metric, result.verdict) for result in found.requirements] == tested
    assert found.sentence.startswith("rmse 0.")
    assert judge_candidate(Contest("regression", y, far, near, GateSpec())).verdict == "fail"


RETRAINED = (
    Requirement("auc", against="champion", test="superiority", when="changed"),
    Requirement("auc", against="champion", test="non-inferiority", margin=0.05, when="retrained"),
    Requirement("auc", against="anchor", test="non-inferiority", margin=0.05, when="retrained"),
)


@pytest.mark.parametrize(
    ("occasion", "verdicts"),
    [
        ("changed", ["inconclusive", "not-applicable", "not-applicable"]),
        ("retrained", ["not-applicable", "pass", "fail"]),
    ],
)
def test_a_test_applies_to_its_occasion_and_small_losses_do_not_add_up(occasion: Any, verdicts: list[str]) -> None:
    """Given a champion that has drifted from the anchor, then a twin of the champion passes against it only."""
    found = judge(replace(FAIR, name="twin"), FAIR, *RETRAINED, labels=LABELS, anchor=GOOD, change_kind=occasion)
    assert [one.verdict for one in found.requirements] == verdicts
    assert {one.metric for one in found.anchor_metrics} == {"auc", "log-loss", "brier", "accuracy"}


def test_an_anchor_that_cannot_be_scored_leaves_the_gate_undecided() -> None:
    gone = NoBaseline("m@v1.0.0 needs 'wind'", "incomparable")
    found = judge(GOOD, FAIR, *RETRAINED, labels=LABELS, anchor=gone, change_kind="retrained")
    assert (found.verdict, [one.id for one in found.diagnostics]) == ("incomparable", ["anchor-incomparable"])
    changed = judge(GOOD, FAIR, *RETRAINED, labels=LABELS, anchor=gone)
    assert changed.verdict == "pass"  # no test of this occasion is against it


def test_rows_that_the_champion_has_learned_from_are_left_out_of_the_tests_only() -> None:
    """Given a champion that is right on the rows it knows, and knows half of them, then that is no merit."""
    known = np.arange(2000) < 1000
    told: Any = np.where(known, LABELS.astype(float), FAIR.predictions.scores)
    stale = ScoredModel(
        "m@v1.0.0",
        "m",
        Predictions(
            labels=(told > 0.5).astype(np.int64), probabilities=np.stack([1 - told, told], axis=1), scores=told
        ),
        (False, True),
    )
    floor = Requirement("auc", min=0.5)
    assert judge(GOOD, stale, BETTER, floor, labels=LABELS).verdict == "fail"
    found = judge(
        GOOD, replace(stale, seen_rows=known), BETTER, floor, labels=LABELS, slices={"s": np.arange(2000) % 2}
    )
    alone = judge(GOOD, None, floor, labels=LABELS)
    half = judge_candidate(
        Contest(
            "binary-classification",
            LABELS[1000:],
            replace(GOOD, predictions=GOOD.predictions.select_rows(~known)),
            replace(FAIR, predictions=FAIR.predictions.select_rows(~known)),
            GateSpec(requirements=(BETTER,)),
        )
    )
    assert found.requirements[0] == half.requirements[0]
    assert found.requirements[1] == alone.requirements[0]
    assert found.excluded_rows == {"champion": 1000}
    (said,) = found.diagnostics
    assert (said.id, "1,000 of the 2,000 holdout rows" in said.message) == ("holdout-rows-seen", True)
    assert {one.rows for one in found.champion_metrics} == {1000, 500}


def test_a_metric_of_another_task_leaves_the_gate_undecided() -> None:
    """Given the rules of a base on which the model was a regression, then they cannot be applied, and nothing passes."""
    found = judge(GOOD, None, Requirement("rmse", max=3), Requirement("auc", min=0.5), labels=LABELS)
    assert [one.verdict for one in found.requirements] == ["inconclusive", "pass"]
    assert reason_text(found.requirements[0]) == "rmse is not one of this model's metrics"
    assert found.verdict == "inconclusive"
