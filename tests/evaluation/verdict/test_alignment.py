"""Models' answers and a holdout brought to one numbering of classes, and what is odd about their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.evaluation.verdict.alignment import (
    NO_CHAMPION,
    NoBaseline,
    RowMetadata,
    ScoredModel,
    align,
    comparable_baseline,
)
from mlops_ci.spec.spec_types import Cost, CustomMetric, EvaluateSpec, Task
from mlops_ci.training.predictions import Label, Predictions


def model(classes: tuple[Label, ...], said: list[int], name: str = "m@v1.0.0", run: str = "") -> ScoredModel:
    return ScoredModel(name, "d", Predictions(labels=np.array(said)), classes, run=run)


LABELS: Any = np.array(["a", "b", "new", "b", "other", "new"], dtype=object)
ONE = model(("a", "b"), [0, 1, 0, 1, 0, 1])
OTHER = model(("b", "c", "a"), [2, 0, 1, 0, 2, 0])


def test_classes_are_numbered_as_the_first_model_has_them_and_then_as_the_next() -> None:
    found = align("multiclass-classification", LABELS[:2], [ONE, OTHER], RowMetadata(), EvaluateSpec())
    assert found.truth.classes == ("a", "b", "c")
    assert found.truth.labels is not None
    assert found.truth.labels.tolist() == [0, 1]
    said = [one.labels.tolist() for one in found.predictions if one.labels is not None]
    assert said == [[0, 1, 0, 1, 0, 1], [0, 1, 2, 1, 0, 1]]
    assert found.diagnostics == ()


def test_rows_of_labels_that_no_model_knows_are_counted_and_each_label_is_named_once() -> None:
    found = align("multiclass-classification", LABELS, [ONE], RowMetadata(), EvaluateSpec())
    (warning,) = found.diagnostics
    assert (warning.id, warning.severity) == ("holdout-label-unknown", "warning")
    assert warning.message == "3 holdout rows have labels that the compared models do not know: 'new', 'other'"
    assert found.truth.labels is not None
    assert found.truth.labels.tolist() == [0, 1, 2, 1, 3, 2]


def test_a_binary_holdout_with_a_strange_label_is_not_judged() -> None:
    with pytest.raises(Findings) as caught:
        align("binary-classification", LABELS, [ONE], RowMetadata(), EvaluateSpec())
    assert [(one.id, one.severity) for one in caught.value.diagnostics] == [("holdout-label-unknown", "error")]


def test_costs_are_laid_out_by_the_numbering_of_classes() -> None:
    evaluate = EvaluateSpec(costs=(Cost("a", "c", 5.0), Cost("c", "b", -1.0)))
    options = align("multiclass-classification", LABELS[:2], [ONE, OTHER], RowMetadata(), evaluate).truth.metric_options
    assert options.costs is not None
    assert options.costs.tolist() == [[0, 0, 5], [0, 0, 0], [0, -1, 0]]


@pytest.mark.parametrize("cost", [Cost("a", "gone", 5.0), Cost("gone", "a", 5.0)])
def test_a_cost_of_a_class_that_there_is_not_leaves_no_costs(cost: Cost) -> None:
    evaluate = EvaluateSpec(costs=(cost, Cost("a", "b", 1.0)))
    found = align("multiclass-classification", LABELS[:2], [ONE], RowMetadata(), evaluate)
    assert found.truth.metric_options.costs is None
    (warned,) = found.diagnostics
    assert (warned.id, warned.severity) == ("cost-class-unknown", "warning")
    assert "names 'gone', and the classes are 'a', 'b'" in warned.message


def test_what_metrics_are_about_comes_from_the_spec() -> None:
    custom = {"up": CustomMetric("m.py:up", "higher"), "down": CustomMetric("m.py:down", "lower")}
    evaluate = EvaluateSpec(quantile=0.8, top_k=2, custom=custom)
    given: tuple[tuple[Task, Any], ...] = (("regression", [1, 2]), ("multiclass-classification", LABELS[:2]))
    for task, labels in given:
        options = align(task, labels, [ONE], RowMetadata(), evaluate).truth.metric_options
        assert (options.quantile, options.top_k, options.costs) == (0.8, 2, None)
        assert options.higher_is_better == {"up": True, "down": False}


@pytest.mark.parametrize(
    ("weights", "aligned"),
    [([1e200, 4e200], [0.25, 1.0]), ([0.5, 0.25], [1.0, 0.5]), ([0.0, 0.0], [0.0, 0.0]), (None, None)],
)
def test_weights_are_of_no_unit(weights: list[float] | None, aligned: list[float] | None) -> None:
    holdout = RowMetadata(weights=None if weights is None else np.array(weights), groups=np.array([3, 3]))
    truth = align("regression", [1, 2], [ONE], holdout, EvaluateSpec()).truth
    assert (None if truth.weights is None else truth.weights.tolist()) == aligned
    assert truth.groups is holdout.groups
    assert truth.values is not None
    assert truth.values.tolist() == [1.0, 2.0]


def test_the_candidates_own_run_is_no_rival_and_other_labels_are_not_comparable() -> None:
    mine = model(("no", "yes"), [0], "m", run="1f")
    itself = comparable_baseline("binary-classification", mine, model(("no", "yes"), [0], run="1f"), "anchor")
    assert itself == NoBaseline("the candidate is the anchor itself (m@v1.0.0)", "same", "m@v1.0.0")
    others = model((False, True), [0], run="2e")
    assert comparable_baseline("binary-classification", mine, others, "champion") == NoBaseline(
        "m@v1.0.0 predicts other labels (False and True) than the candidate", "incomparable"
    )
    assert comparable_baseline("multiclass-classification", mine, others, "champion") is others
    assert comparable_baseline("binary-classification", mine, NO_CHAMPION, "champion") is NO_CHAMPION
    unrecorded = model(("no", "yes"), [0])
    assert comparable_baseline("binary-classification", unrecorded, unrecorded, "champion") is unrecorded
