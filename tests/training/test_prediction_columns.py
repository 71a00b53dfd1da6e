"""A model's answers as columns, by what the model can answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.training.prediction_columns import class_labels, predict_columns, signature_mismatch

ROWS = np.zeros((2, 1))


class Labels:
    """A classifier that gives labels alone."""

    classes_ = np.array(["no", "yes"])

    def predict(self, rows: Any) -> Any:
        return self.classes_[np.arange(len(rows)) % 2]


class Scores(Labels):
    """A classifier that gives a score, too."""

    def decision_function(self, rows: Any) -> Any:
        return np.linspace(-1, 1, len(rows)).reshape(-1, 1)


class Probabilities(Scores):
    """A classifier that gives probabilities, too."""

    def predict_proba(self, rows: Any) -> Any:
        return np.tile([0.25, 0.75], (len(rows), 1))


@pytest.mark.parametrize(
    ("model", "task", "columns"),
    [
        (Labels(), "binary-classification", ["prediction.label"]),
        (Scores(), "binary-classification", ["prediction.label", "prediction.score"]),
        (Scores(), "multiclass-classification", ["prediction.label"]),
        (
            Probabilities(),
            "binary-classification",
            ["prediction.label", "prediction.probability.0", "prediction.probability.1"],
        ),
    ],
)
def test_a_classifier_answers_with_the_best_that_it_has(model: Any, task: str, columns: list[str]) -> None:
    found = predict_columns(model, ROWS, task)
    assert sorted(found) == columns
    assert {values.shape for values in found.values()} == {(2,)}


def test_a_regression_answers_with_values_whatever_their_shape() -> None:
    class Column:
        def predict(self, rows: Any) -> Any:
            return [[index] for index in range(len(rows))]

    assert predict_columns(Column(), ROWS, "regression")["prediction.value"].tolist() == [0.0, 1.0]


def test_labels_are_plain_values() -> None:
    class Numbers:
        classes_ = np.array([0, 1])

    assert class_labels(Numbers()) == (0, 1)
    assert {type(label) for label in class_labels(Numbers())} == {int}


def test_a_model_with_other_classes_than_its_signature_is_another_model() -> None:
    output = ModelField("y", "string")
    assert signature_mismatch(Labels(), ModelSignature((), output, ("no", "yes")), "binary-classification") is None
    said = signature_mismatch(Labels(), ModelSignature((), output, ("yes", "no")), "binary-classification")
    assert said == "it has the classes ('no', 'yes'), but its signature has ('yes', 'no')"
    assert signature_mismatch(object(), ModelSignature((), output), "regression") is None
