"""The scikit-learn framework: from a recipe to an unfitted estimator."""

from __future__ import annotations

import datetime as dt
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.training.frameworks.preprocess import add_preprocessing
from mlops_ci.training.frameworks.protocol import EstimatorRecipe
from mlops_ci.training.frameworks.sklearn import SKLEARN, number_labels, set_seeds
from mlops_ci.training.frameworks.table import FRAMEWORKS, load_framework
from mlops_ci.training.packaging.skops import REVIEWED_TYPES, load_model_file, write_skops_file
from mlops_ci.training.packaging.table import load_packager

INPUTS = (ModelField("a", "number"), ModelField("city", "string"))


def build(root: Path, estimator: str, **params: Any) -> Any:
    return SKLEARN.build(EstimatorRecipe(estimator, None, params, 7, INPUTS, root))


def problem(root: Path, estimator: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(UsageProblem) as caught:
        build(root, estimator, **params)
    (found,) = caught.value.diagnostics
    return found.id, found.help or ""


def test_every_framework_packages_in_a_format_that_there_is() -> None:
    for name, framework in FRAMEWORKS.items():
        assert framework is load_framework(name)
        assert load_packager(framework.packager).name == framework.packager


def test_an_estimator_is_built_by_its_path_with_its_seed_and_preprocessing(tmp_path: Path) -> None:
    made = build(tmp_path, "sklearn.ensemble.RandomForestClassifier", n_estimators=3)
    assert isinstance(made, Pipeline)
    assert made["model"].get_params()["n_estimators"] == 3
    assert made["model"].random_state == 7


@pytest.mark.parametrize(
    ("estimator", "params", "id", "help"),
    [
        ("no.such.package.Model", {}, "estimator-unknown", "its package is installed"),
        (
            "sklearn.linear_model.LogisticRegresion",
            {},
            "estimator-unknown",
            "'sklearn.linear_model.LogisticRegression'",
        ),
        ("sklearn.metrics.roc_auc_score", {}, "estimator-unknown", "Name the class of an estimator"),
        ("sklearn.linear_model.Ridge", {"alpa": 1.0}, "estimator-params-invalid", "Did you mean 'alpha'?"),
        ("sklearn.linear_model.Ridge", {"zzz": 1.0}, "estimator-params-invalid", "Its parameters are: alpha,"),
    ],
)
def test_what_cannot_be_built_is_the_specs_fault(
    estimator: str, params: dict[str, Any], id: str, help: str, tmp_path: Path
) -> None:
    found, said = problem(tmp_path, estimator, **params)
    assert found == id
    assert help in said


def test_seeds_are_set_where_there_are_none_also_inside() -> None:
    made = set_seeds(BaggingClassifier(RandomForestClassifier(random_state=1)), 7)
    assert (made.random_state, made.estimator.random_state) == (7, 1)
    assert set_seeds(BaggingClassifier(RandomForestClassifier()), 7).estimator.random_state == 7


def test_code_that_draws_from_the_global_generators_draws_the_same() -> None:
    drawn = []
    for _ in range(2):
        SKLEARN.set_global_seeds(3)
        drawn.append((random.random(), np.random.random()))  # noqa: S311 - the global generators are the point
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("estimator", "codes"),
    [(LogisticRegression(), OneHotEncoder), (Ridge(), OneHotEncoder), (DecisionTreeClassifier(), OrdinalEncoder)],
)
def test_text_is_encoded_by_the_estimators_family(estimator: Any, codes: type, tmp_path: Path) -> None:
    made = add_preprocessing(estimator, INPUTS, tmp_path)
    (_, numbers, _), (_, found, columns) = made["prepare"].transformers
    assert isinstance(found, codes)
    assert columns == ["city"]
    assert isinstance(numbers, Pipeline) == (codes is OneHotEncoder)  # linear models get standard scores


def test_what_prepares_its_rows_itself_is_left_as_it_is(tmp_path: Path) -> None:
    own = make_pipeline(StandardScaler(), Ridge())
    assert add_preprocessing(own, INPUTS, tmp_path) is own
    inside = BaggingClassifier(make_pipeline(StandardScaler(), LogisticRegression()))
    assert add_preprocessing(inside, INPUTS, tmp_path) is inside


def frame(rows: int = 60) -> Any:
    rng = np.random.default_rng(0)
    made = pd.DataFrame({"a": rng.normal(size=rows), "city": rng.choice(["Rome", "Oslo", "Lima"], rows).astype(object)})
    made["day"] = [dt.date(2024, 1, 1) + dt.timedelta(days=at) for at in range(rows)]
    made["at"] = pd.date_range("2024-01-01", periods=rows, freq="7h")
    made.loc[3, ["a", "city", "day", "at"]] = [np.nan, np.nan, None, pd.NaT]
    return made


@pytest.mark.parametrize(
    "estimator",
    [
        *("discriminant_analysis.QuadraticDiscriminantAnalysis", "ensemble.HistGradientBoostingClassifier"),
        *("ensemble.RandomForestClassifier", "gaussian_process.GaussianProcessClassifier"),
        *("naive_bayes.BernoulliNB", "naive_bayes.CategoricalNB", "naive_bayes.ComplementNB"),
        *("naive_bayes.GaussianNB", "naive_bayes.MultinomialNB", "neighbors.KNeighborsClassifier", "svm.SVC"),
    ],
)
def test_each_family_takes_every_column_type(estimator: str, tmp_path: Path) -> None:
    """Given columns of numbers, text, dates and timestamps with missing values, then a bare estimator fits and predicts."""
    moments = (ModelField("day", "date"), ModelField("at", "timestamp"))
    inputs = (
        *INPUTS,
        *(() if "Quadratic" in estimator else moments),
    )  # two moments of one month follow from each other
    made = SKLEARN.build(EstimatorRecipe(f"sklearn.{estimator}", None, {}, 7, inputs, tmp_path))
    rows = frame()
    truth = rows["a"].fillna(0).to_numpy() > 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Bins whose width|The current default behavior, quantile_method")
        made.fit(rows, truth)
    later = rows.assign(a=rows["a"] * 9, city="Paris", at=rows["at"] + pd.Timedelta(days=999))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories")
        assert made.predict(later).shape == (60,)
    assert (made.predict(rows) == truth).mean() > 0.5


@pytest.mark.parametrize(
    "estimator",
    ["ensemble.HistGradientBoostingClassifier", "linear_model.LogisticRegression", "naive_bayes.GaussianNB"],
)
def test_running_text_is_read_as_words(estimator: str, tmp_path: Path) -> None:
    """Given texts that are all different, when one word tells the class, then an estimator finds it in new texts."""
    inputs = (ModelField("said__it", "string"), ModelField("city", "string"))
    words = np.array([f"order {at} is {'late' if at % 2 else 'fine'}" for at in range(60)], dtype=object)
    rows = frame().assign(said__it=words)
    rows.loc[7, "said__it"] = np.nan
    recipe = EstimatorRecipe(f"sklearn.{estimator}", None, {}, 7, inputs, tmp_path, text=("said__it",))
    made = SKLEARN.build(recipe).fit(rows, np.arange(60) % 2 == 1)
    later = rows.head(2).assign(said__it=["a late parcel", "a fine parcel"])
    assert made.predict(later).tolist() == [True, False]
    write_skops_file(made, tmp_path / "m.skops")
    assert load_model_file(tmp_path / "m.skops", REVIEWED_TYPES).predict(later).tolist() == [True, False]


def test_only_strings_have_words(tmp_path: Path) -> None:
    recipe = EstimatorRecipe("sklearn.linear_model.Ridge", None, {}, 7, INPUTS, tmp_path, text=("a",))
    with pytest.raises(UsageProblem, match="'a' is of type number, so it has no words") as caught:
        SKLEARN.build(recipe)
    assert caught.value.diagnostics[0].id == "train-text-type"


def test_labels_that_a_library_cannot_take_are_numbered_within_the_model() -> None:
    class Booster(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
        """Takes labels as XGBoost does."""

        def fit(self, _: Any, y: Any) -> Booster:
            assert y.dtype.kind == "i"
            self.classes_ = np.arange(y.max() + 1)
            return self

        def predict_proba(self, x: Any) -> Any:
            return np.tile([0.2, 0.8], (len(x), 1))

    Booster.__module__ = "xgboost.sklearn"
    assert isinstance(number_labels(Booster(), (0, 1, 2)), Booster)
    assert isinstance(number_labels(LogisticRegression(), ("no", "yes")), LogisticRegression)
    made = number_labels(Booster(), ("no", "yes")).fit(np.zeros((4, 1)), np.array(["no", "yes"] * 2))
    assert made.classes_.tolist() == ["no", "yes"]
    assert made.predict(np.zeros((1, 1))).tolist() == ["yes"]
    for labels in ((False, True), (1, 2), ("0", "1")):
        assert not isinstance(number_labels(Booster(), labels), Booster)
