"""The scikit-learn framework: from a recipe to an unfitted estimator."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.training.frameworks.preprocess import add_preprocessing
from mlops_ci.training.frameworks.protocol import EstimatorRecipe
from mlops_ci.training.frameworks.sklearn import SKLEARN, set_seeds
from mlops_ci.training.frameworks.table import FRAMEWORKS, load_framework
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


@pytest.mark.parametrize("type", ["date", "timestamp"])
def test_a_moment_is_no_feature(type: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="which Ridge cannot use"):
        add_preprocessing(Ridge(), [ModelField("at", type)], tmp_path)
