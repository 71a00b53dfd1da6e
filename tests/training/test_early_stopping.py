"""Fits that stop when validation rows no longer gain, and arguments of `fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.spec.train_spec import VALIDATION_COLUMN, EarlyStopping, FitSpec
from mlops_ci.training.frameworks.early_stopping import rounds_used
from mlops_ci.training.frameworks.protocol import FitOptions
from mlops_ci.training.frameworks.sklearn import fit_estimator_with, number_labels
from mlops_ci.training.package import FittedModel
from tests.training.samples import rows

HELD = np.arange(200) % 4 == 0
X = pd.DataFrame({"a": np.linspace(-3, 3, 200)})
Y = (X["a"] > 0).astype(int).to_numpy()


class XGBModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Stands in for XGBoost's: it takes what that takes, keeps it, and stops at its fourth round."""

    __module__ = "xgboost.sklearn"

    def __init__(self, early_stopping_rounds: int | None = None) -> None:
        self.early_stopping_rounds = early_stopping_rounds

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        eval_set: Any = None,
        verbose: Any = True,
        sample_weight_eval_set: Any = None,
    ) -> XGBModel:
        self.classes_ = np.unique(y)
        self.given_ = SimpleNamespace(
            x=x, y=y, weights=sample_weight, eval=eval_set, verbose=verbose, eval_weights=sample_weight_eval_set
        )
        self.best_iteration = 3
        return self

    def predict(self, x: Any) -> Any:
        return np.zeros(len(x))

    def predict_proba(self, x: Any) -> Any:
        return np.tile([0.25, 0.75], (len(x), 1))


def options(**changes: Any) -> FitOptions:
    return replace(FitOptions(np.arange(200.0), {}, HELD, 7), **changes)


def test_a_booster_gets_the_validation_rows_apart_prepared_by_what_the_others_taught() -> None:
    """Given a Pipeline that ends with a booster, when it is fitted, then no step has learned from a validation row."""
    shifted = X.where(~HELD[:, None], X + 100)
    model = make_pipeline(StandardScaler(), XGBModel())
    fit_estimator_with(model, shifted, Y, options(params={"verbose": 5}))
    given, scaler = model[-1].given_, model[0]
    assert scaler.mean_ == pytest.approx(X["a"][~HELD].mean())
    assert (len(given.x), len(given.y), given.verbose) == (150, 150, 5)
    ((judged, labels),) = given.eval
    assert judged.mean() > 50
    assert labels.tolist() == Y[HELD].tolist()
    assert given.weights.tolist() == np.arange(200.0)[~HELD].tolist()
    assert given.eval_weights[0].tolist() == np.arange(200.0)[HELD].tolist()
    assert model[-1].early_stopping_rounds == 7
    assert rounds_used(model) == 4


def test_labels_that_xgboost_does_not_take_are_numbered_for_both_sides() -> None:
    words = np.where(Y == 1, "yes", "no").astype(object)
    model = make_pipeline(StandardScaler(), number_labels(XGBModel(), ("no", "yes")))
    assert isinstance(model[-1], VotingClassifier)
    fit_estimator_with(model, X, words, options(weights=None))
    given = model[-1].estimators_[0].given_
    assert set(given.y.tolist()) == set(given.eval[0][1].tolist()) == {0, 1}
    assert model.predict(X).tolist() == ["yes"] * 200
    assert rounds_used(model) == 4


@pytest.mark.parametrize(
    ("estimator", "advice"),
    [
        (HistGradientBoostingClassifier(), "stops by its own parameters: `params: {early_stopping: true"),
        (MLPClassifier(), "stops by its own parameters: `params: {early_stopping: true"),
        (LogisticRegression(), "Delete `earlyStopping`"),
        (GridSearchCV(XGBModel(), {}), "Delete `earlyStopping`"),
        (VotingClassifier([("a", XGBModel()), ("b", XGBModel())]), "Delete `earlyStopping`"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_stop_by_given_rows_is_refused_with_what_to_do(estimator: Any, advice: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        fit_estimator_with(estimator, X, Y, options(weights=None))
    (found,) = caught.value.diagnostics
    assert found.id == "train-fit-unsupported"
    assert advice in (found.help or "")


@pytest.mark.parametrize(
    ("held", "y", "message"),
    [
        (np.zeros(200, dtype=bool), Y, "0 of the 200 training rows are validation rows"),
        (np.ones(200, dtype=bool), Y, "200 of the 200 training rows are validation rows"),
        (HELD, np.where(HELD, 2, Y), "1 class of the target stand in validation rows only"),
    ],
)
def test_validation_rows_that_cannot_be_used_are_refused(held: Any, y: Any, message: str) -> None:
    with pytest.raises(Findings, match=message) as caught:
        fit_estimator_with(XGBModel(), X, y, options(validation=held))
    assert caught.value.diagnostics[0].id == "train-fit-validation"


def test_estimators_that_stop_by_their_own_parameters_tell_their_rounds() -> None:
    stopped = HistGradientBoostingClassifier(max_iter=500, early_stopping=True, random_state=0).fit(X, Y)
    assert rounds_used(stopped) == stopped.n_iter_ < 500
    assert rounds_used(HistGradientBoostingClassifier(max_iter=5).fit(X, Y)) is None
    assert rounds_used(LogisticRegression().fit(X, Y)) is None
    boosting = GradientBoostingClassifier(n_iter_no_change=2, random_state=0).fit(X, Y)
    assert rounds_used(boosting) == boosting.n_estimators_ < 100


@pytest.mark.parametrize(
    "estimator",
    [
        GradientBoostingClassifier(n_estimators=3),  # its `estimators_` are an array
        RandomForestClassifier(n_estimators=3),
        BaggingClassifier(n_estimators=2),
        VotingClassifier([("one", LogisticRegression()), ("two", DecisionTreeClassifier())]),
        VotingClassifier([("one", LogisticRegression())]),
        GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2),
        MLPClassifier((2,), max_iter=2000),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_an_estimator_that_was_not_stopped_tells_no_rounds(estimator: Any) -> None:
    assert rounds_used(estimator.fit(X, Y)) is None


def test_an_argument_of_fit_reaches_the_last_step_and_an_unknown_one_is_refused() -> None:
    tree = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    fit_estimator_with(tree, X, Y, FitOptions(params={"check_input": True}))
    assert tree.score(X, Y) == 1
    with pytest.raises(UsageProblem, match="has no parameter 'check_inptu'") as caught:
        fit_estimator_with(tree, X, Y, FitOptions(params={"check_inptu": True}))
    assert caught.value.diagnostics[0].help == "did you mean 'check_input'?"


@pytest.mark.usefixtures("in_process")
def test_the_rounds_of_a_fit_are_part_of_what_it_gave(
    train_on: Callable[..., FittedModel],
) -> None:
    """Given own early stopping, when a model is trained, then its rounds are told; a place of a refusal is `fit`."""
    own = TrainSpec("sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 300, "early_stopping": True})
    rounds = train_on(own).rounds
    assert rounds is not None
    assert 0 < rounds < 300
    place = Location("models/m.yaml", 9, 3)
    asked = replace(own, fit=FitSpec(early_stopping=EarlyStopping()))
    with pytest.raises(UsageProblem) as caught:
        train_on(asked, rows().assign(**{VALIDATION_COLUMN: True}), places={"fit": place})
    assert (caught.value.diagnostics[0].id, caught.value.diagnostics[0].location) == ("train-fit-unsupported", place)
