"""A repository's own code that builds a model: trained and scored, and its errors told by its own lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.package import FittedModel
from tests.training.samples import LINEAR, WHERE, failure, packaged, rows, score_one

ENTRYPOINT = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.impute import SimpleImputer
from sklearn.compose import make_column_transformer
from helper import DEPTH

class Mean(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = sorted(set(y.tolist()))
        self.mean_ = float(y.mean())
        return self
    def predict(self, x):
        return [self.mean_ > 0.5] * len(x)
    def predict_proba(self, x):
        return [[1 - self.mean_, self.mean_]] * len(x)

def build(**params):
    return make_pipeline(make_column_transformer((SimpleImputer(), ["a", "n"])), LogisticRegression(**params))

def own():
    return Mean()

def broken(level):
    values = {}
    return values[level]

def nothing():
    return 3

def late():
    class Bad(Mean):
        def fit(self, x, y):
            raise RuntimeError("no luck")
    return Bad()

def hides():
    model = Mean()
    return make_pipeline(make_column_transformer((SimpleImputer(), ["a"])), Hiding())

class Hiding(Mean):
    def fit(self, x, y):
        self.secret_ = lambda: 1
        return super().fit(x, y)

class Infinite(Mean):
    def predict_proba(self, x):
        return [[float("nan"), 1.0]] * len(x)

def infinite():
    return Infinite()

def sleeps():
    import time
    time.sleep(60)
"""


@pytest.fixture
def entrypoint(tmp_path: Path) -> Path:
    folder = tmp_path / "repo/models/own"
    folder.mkdir(parents=True)
    (folder / "make.py").write_text(ENTRYPOINT)
    (folder / "helper.py").write_text("DEPTH = 3\n")
    return folder


def own(function: str, **options: Any) -> TrainSpec:
    return TrainSpec(entrypoint=f"models/own/make.py:{function}", **options)


@pytest.mark.usefixtures("entrypoint", "in_process")
def test_an_entrypoints_pipeline_is_left_as_it_is_and_gets_params_and_seed(
    train_on: Callable[..., FittedModel],
) -> None:
    fitted = train_on(own("build", params={"C": 0.25}, seed=11))
    assert fitted.estimator.startswith("Pipeline(steps=[('columntransformer'")
    assert "C=0.25" in fitted.estimator
    assert "random_state=11" in fitted.estimator


@pytest.mark.slow
def test_a_class_of_the_repositorys_own_needs_trust_and_is_scored_with_its_code(
    entrypoint: Path, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    with pytest.raises(Findings) as caught:
        train_on(own("own"))
    (found,) = caught.value.diagnostics
    assert found.id == "model-types-untrusted"
    assert found.location == WHERE
    assert found.help is not None
    assert found.help.endswith("\ntrusted: [make.Mean]")
    fitted = train_on(own("own", trusted=("make.Mean",)))
    scores = score_one(packaged(fitted, paths=(str(entrypoint), str(tmp_path / "repo"))), rows(30), tmp_path)
    assert scores.predictions.probabilities is not None
    assert len(set(scores.predictions.probabilities[:, 1])) == 1
    assert not list(entrypoint.rglob("*.pyc"))


@pytest.mark.usefixtures("entrypoint", "in_process")
@pytest.mark.parametrize(
    ("train", "error", "id", "text"),
    [
        (
            TrainSpec(estimator="sklearn.linear_model.LogisticRegresion"),
            UsageProblem,
            "estimator-unknown",
            "not a scikit-learn estimator",
        ),
        (TrainSpec(estimator="nowhere.Model"), UsageProblem, "estimator-unknown", "cannot import 'nowhere'"),
        (TrainSpec(estimator="os.system"), UsageProblem, "estimator-unknown", "not a scikit-learn estimator"),
        (
            TrainSpec(estimator=LINEAR.estimator, params={"c": 1}),
            UsageProblem,
            "estimator-params-invalid",
            "unexpected keyword argument 'c'",
        ),
        (TrainSpec(estimator=LINEAR.estimator, params={"C": -1}), Findings, "train-failed", "The 'C' parameter"),
        (own("absent"), UsageProblem, "entrypoint-missing", "has no function 'absent'"),
        (
            TrainSpec(entrypoint="models/no.py:build"),
            UsageProblem,
            "entrypoint-missing",
            "the file 'models/no.py' does not exist",
        ),
        (
            TrainSpec(entrypoint="../outside.py:build"),
            UsageProblem,
            "entrypoint-missing",
            "the file '../outside.py' does not exist",
        ),
        (own("broken", params={"level": "deep"}), Findings, "entrypoint-failed", "KeyError: 'deep'"),
        (own("build", params={"Q": 1}), Findings, "entrypoint-failed", "unexpected keyword argument 'Q'"),
        (own("nothing"), Findings, "entrypoint-failed", "returned a int, not an estimator"),
        (own("late"), Findings, "train-failed", "RuntimeError: no luck"),
        (own("hides"), Findings, "model-not-packable", "<lambda>"),
    ],
    ids=lambda value: getattr(value, "entrypoint", None) or getattr(value, "estimator", None) or "",
)
def test_what_cannot_be_trained_is_said(
    train: TrainSpec, error: type[Findings], id: str, text: str, train_on: Callable[..., FittedModel]
) -> None:
    with pytest.raises(error) as caught:
        train_on(train)
    (found,) = caught.value.diagnostics
    assert found.id == id
    assert text in found.message
    assert "mlops_ci" not in found.message + (found.help or "")
    assert found.location is not None


@pytest.mark.usefixtures("entrypoint")
def test_the_users_own_line_is_shown_and_their_traceback_without_our_frames(
    train_on: Callable[..., FittedModel],
) -> None:
    with pytest.raises(Findings) as caught:
        train_on(own("broken", params={"level": "deep"}))
    where = caught.value.diagnostics[0].location
    assert where is not None
    assert (where.path, where.text) == ("models/own/make.py", "    return values[level]")
    help = caught.value.diagnostics[0].help or ""
    assert help.splitlines()[-1] == "| KeyError: 'deep'"
    assert "mlops_ci" not in help


@pytest.mark.usefixtures("in_process")
def test_a_syntax_error_is_shown_where_it_is(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    (tmp_path / "repo/models/bad.py").write_text("x = 1\ndef build(:\n")
    with pytest.raises(Findings) as caught:
        train_on(TrainSpec(entrypoint="models/bad.py:build"))
    assert str(caught.value.diagnostics[0].location) == "models/bad.py:2:11"


@pytest.mark.usefixtures("in_process")
def test_a_file_named_like_an_installed_module_is_refused(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    (tmp_path / "repo/models/json.py").write_text("def build(): ...\n")
    with pytest.raises(UsageProblem) as caught:
        train_on(TrainSpec(entrypoint="models/json.py:build"))
    assert caught.value.diagnostics[0].id == "entrypoint-name-taken"


@pytest.mark.usefixtures("in_process")
def test_an_entrypoint_behind_a_link_out_of_the_repository_is_not_there(
    train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    (tmp_path / "outside.py").write_text("def build(): ...\n")
    (tmp_path / "repo/models/link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(UsageProblem) as caught:
        train_on(TrainSpec(entrypoint="models/link.py:build"))
    assert caught.value.diagnostics[0].id == "entrypoint-missing"


@pytest.mark.usefixtures("entrypoint", "in_process")
def test_probabilities_that_do_not_add_up_are_refused(
    entrypoint: Path, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    source = (entrypoint / "make.py").read_text()
    (entrypoint / "make.py").write_text(source.replace('[float("nan"), 1.0]', "[1.0, 1.0]"))
    fitted = train_on(own("infinite", trusted=("make.Infinite",)))
    assert failure(packaged(fitted, paths=(str(entrypoint),)), tmp_path) == "score-failed"


@pytest.mark.usefixtures("entrypoint")
def test_training_ends_at_its_time_limit(train_on: Callable[..., FittedModel]) -> None:
    with pytest.raises(Findings) as caught:
        train_on(own("sleeps"), timeout=6.0)
    assert caught.value.diagnostics[0].id == "train-timed-out"


@pytest.mark.usefixtures("in_process")
def test_predictions_that_are_not_finite_are_a_finding(
    entrypoint: Path, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    fitted = train_on(own("infinite", trusted=("make.Infinite",)))
    assert failure(packaged(fitted, paths=(str(entrypoint),)), tmp_path) == "predictions-not-finite"
