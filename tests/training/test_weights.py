"""Weights of training rows: they reach the `fit` that uses them, and what cannot be used is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.frameworks.fit_keywords import find_fit_keyword
from mlops_ci.training.frameworks.protocol import FitOptions
from mlops_ci.training.frameworks.sklearn import fit_estimator_with
from mlops_ci.training.package import FittedModel
from tests.training.samples import INPUTS, LINEAR, rows

PLACE = Location("models/m.yaml", 9, 14)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("weights", ["w", "balanced"])
def test_the_weights_of_the_rows_reach_the_last_step(weights: str, train_on: Callable[..., FittedModel]) -> None:
    """Given a weights column or `balanced`, when a model is trained, then its estimator is what scikit-learn fits with these weights."""
    frame = rows()
    frame["w"] = np.arange(len(frame)) % 5
    fitted = train_on(replace(LINEAR, weights=weights), frame)
    model = skops.io.load(fitted.folder / "model.skops", trusted=list(fitted.trusted))
    given = frame["w"] if weights == "w" else compute_sample_weight("balanced", frame["y"])
    x = model[:-1].transform(frame[[field.name for field in INPUTS]].astype({"flag": "float64", "n": "float64"}))
    expected = LogisticRegression(C=0.5, random_state=0).fit(x, frame["y"], sample_weight=given)
    assert np.array_equal(model[-1].coef_, expected.coef_)
    assert not np.allclose(model[-1].coef_, LogisticRegression(C=0.5, random_state=0).fit(x, frame["y"]).coef_)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        ({0: None, 1: None}, "no value in 2 of 600 training rows"),
        ({7: -0.5}, "a negative value in 1 of 600 training rows"),
        (
            {7: -0.5, 8: float("inf")},
            "a negative value in 1 of 600 training rows, and an infinite value in 1 of 600 training rows",
        ),
        (dict.fromkeys(range(600), 0.0), "0 in all of the 600 training rows"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_with_place_and_cause(
    bad: dict[int, Any], cause: str, train_on: Callable[..., FittedModel]
) -> None:
    frame = rows().assign(w=1.0)
    for at, value in bad.items():
        frame.loc[at, "w"] = value
    with pytest.raises(Findings) as caught:
        train_on(replace(LINEAR, weights="w"), frame, places={"weights": PLACE})
    (found,) = caught.value.diagnostics
    assert (found.id, found.location) == ("train-weights-invalid", PLACE)
    assert found.message == f"the weights column 'w' has {cause}"


LOGISTIC, NEIGHBOURS = LogisticRegression(), KNeighborsClassifier()


@pytest.mark.parametrize(
    ("estimator", "keyword"),
    [
        (LOGISTIC, "sample_weight"),
        (make_pipeline(StandardScaler(), LOGISTIC), "logisticregression__sample_weight"),
        (make_pipeline(make_pipeline(LOGISTIC)), "pipeline__logisticregression__sample_weight"),
        (GridSearchCV(LOGISTIC, {"C": [1.0]}), "sample_weight"),
        (GridSearchCV(make_pipeline(LOGISTIC), {}), "logisticregression__sample_weight"),
        (make_pipeline(GridSearchCV(LOGISTIC, {"C": [1.0]})), "gridsearchcv__sample_weight"),
        (VotingClassifier([("a", LOGISTIC), ("b", RandomForestClassifier(5))], voting="soft"), "sample_weight"),
        (StackingClassifier([("a", LOGISTIC)]), "sample_weight"),
        (CalibratedClassifierCV(LOGISTIC), "sample_weight"),
        (BaggingClassifier(LOGISTIC), "sample_weight"),
        (TransformedTargetRegressor(Ridge()), "sample_weight"),
        (NEIGHBOURS, None),
        (make_pipeline(StandardScaler(), NEIGHBOURS), None),
        (make_pipeline(LOGISTIC, "passthrough"), None),
        (GridSearchCV(NEIGHBOURS, {}), None),
        (VotingClassifier([("a", LOGISTIC), ("b", NEIGHBOURS)]), None),
        (StackingClassifier([("a", LOGISTIC)], NEIGHBOURS), None),
        (VotingClassifier([("a", make_pipeline(LOGISTIC))]), None),
        (CalibratedClassifierCV(make_pipeline(LOGISTIC)), None),
        (OneVsRestClassifier(LOGISTIC), None),
    ],
    ids=lambda value: "".join(str(value).split())[:60],
)
def test_weights_find_their_way_through_compositions_or_are_refused(estimator: Any, keyword: str | None) -> None:
    """Given a composition with a way for weights, when it is fitted, then the weights decide: weight 0 removes the rows."""
    assert find_fit_keyword(estimator, "sample_weight") == keyword
    if keyword is None:
        with pytest.raises(UsageProblem) as caught:
            fit_estimator_with(estimator, None, None, FitOptions(np.ones(2)))
        assert caught.value.diagnostics[0].id == "train-weights-unsupported"
        return
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1))
    y = (x[:, 0] > 0).astype(int)
    wrong = rng.random(400) < 0.5
    fit_estimator_with(estimator, x, np.where(wrong, 1 - y, y), FitOptions(np.where(wrong, 0.0, 1.0)))
    assert np.mean((estimator.predict(x) > 0.5) == y) > 0.95


def test_a_spec_without_weights_has_the_run_key_it_had() -> None:
    assert set(encode(TrainSpec(estimator="a.B"))) == {"estimator", "params", "seed", "trusted", "text"}
