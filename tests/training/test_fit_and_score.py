"""Training and scoring, in real processes: what goes in, what comes out, and what is said when it does not work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import skops.io

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.inference.scoring import ModelPredictions, PackagedModel, missing_inputs, score_models
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging.structural_digest import structural_digest
from mlops_ci.training.training_task import TrainingTask

LINEAR = TrainSpec(estimator="sklearn.linear_model.LogisticRegression", params={"C": 0.5})
BOOSTED = TrainSpec(
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    params={"max_iter": 10},
    trusted=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
)
INPUTS = (
    ModelField("a", "number"),
    ModelField("n", "integer"),
    ModelField("flag", "boolean"),
    ModelField("city", "string"),
)
WHERE = Location("models/m.yaml", 8, 3)


def rows(count: int = 600) -> Any:
    """Rows with every type of column, each with missing values, and a target that follows from them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=count),
            "n": pd.array(rng.integers(0, 9, count), dtype="Int64"),
            "flag": pd.array(rng.random(count) > 0.5, dtype="boolean"),
            "city": rng.choice(["Rome", "Oslo", "Lima"], count),
        }
    )
    frame["y"] = (frame["a"] + (frame["city"] == "Rome") + rng.normal(size=count) > 0).to_numpy()
    for at, name in enumerate(("a", "n", "flag", "city")):
        frame.loc[at * 4, name] = None
    return frame


@pytest.fixture
def train_on(tmp_path: Path) -> Callable[..., FittedModel]:
    """Return a function that trains in a repository at `tmp_path/repo`."""
    (tmp_path / "repo/models").mkdir(parents=True, exist_ok=True)
    calls = 0

    def run(train: TrainSpec, frame: Any = None, **changes: Any) -> FittedModel:
        nonlocal calls
        calls += 1
        data = tmp_path / f"train-{calls}.parquet"
        (rows() if frame is None else frame).to_parquet(data)
        given: dict[str, Any] = {
            "task": "binary-classification",
            "inputs": INPUTS,
            "output": ModelField("y", "boolean"),
            "root": tmp_path / "repo",
            "environment": training_environment(),
            "where": WHERE,
        }
        return fit_model(TrainingTask(train, **{**given, **changes}), data, tmp_path / f"scratch-{calls}")

    return run


def packaged(fitted: FittedModel, **changes: Any) -> PackagedModel:
    given: dict[str, Any] = {
        "name": "m@v1.0.0",
        "packager": fitted.model_format.name,
        "model": fitted.folder / fitted.model_format.entry_file,
        "sha256": fitted.files[0].sha256,
        "trusted": fitted.trusted,
        "signature": fitted.signature,
        "task": "binary-classification",
    }
    return PackagedModel(**{**given, **changes})


def score_one(model: PackagedModel, frame: Any, tmp_path: Path) -> ModelPredictions:
    frame.drop(columns="y", errors="ignore").to_parquet(tmp_path / "holdout.parquet")
    (scores,) = score_models([model], tmp_path / "holdout.parquet", rows=len(frame), scratch=tmp_path / "scoring")
    return scores


def test_a_candidate_is_packaged_with_signature_golden_rows_and_requirements(
    train_on: Callable[..., FittedModel],
) -> None:
    fitted = train_on(BOOSTED)
    assert [file.path for file in fitted.files] == [
        "model.skops",
        "signature.json",
        "golden.parquet",
        "requirements.txt",
    ]
    assert fitted.signature == ModelSignature(INPUTS, ModelField("y", "boolean"), (False, True))
    assert json.loads((fitted.folder / "signature.json").read_text())["classes"] == [False, True]
    assert fitted.trusted == BOOSTED.trusted
    assert fitted.diagnostics == ()
    assert fitted.environment.threadpools
    assert "HistGradientBoostingClassifier" in fitted.estimator
    assert "random_state=0" in fitted.estimator
    lines = (fitted.folder / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={fitted.environment.packages['scikit-learn']}" in lines
    assert not [line for line in lines if line.startswith("narwhals")]


def test_golden_predictions_are_those_of_the_model_in_the_file(train_on: Callable[..., FittedModel]) -> None:
    fitted = train_on(BOOSTED)
    golden = pq.read_table(fitted.folder / "golden.parquet").to_pandas()
    model = skops.io.load(fitted.folder / "model.skops", trusted=list(BOOSTED.trusted))
    assert len(golden) == 500
    assert "y" not in golden
    assert (golden["a"].isna() == [True] + [False] * 499).all()  # row 0 of the training rows, and others spread evenly
    probabilities = model.predict_proba(golden[["a", "n", "flag", "city"]])
    assert np.array_equal(probabilities[:, 1], golden["prediction.probability.1"])
    assert (golden["prediction.label"] == (probabilities[:, 1] > 0.5)).all()
    assert structural_digest(model) == fitted.model_digest


def test_the_same_training_gives_the_same_model(train_on: Callable[..., FittedModel]) -> None:
    first, second = train_on(LINEAR), train_on(LINEAR)
    other = train_on(TrainSpec(estimator=LINEAR.estimator, params={"C": 0.6}))
    assert first.model_digest == second.model_digest != other.model_digest


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.linear_model.RidgeClassifier",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.ensemble.RandomForestClassifier",
    ],
)
def test_each_family_takes_every_column_type_and_unknown_values(
    estimator: str, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    trusted: tuple[str, ...] = ("sklearn.tree._tree.Tree",) if "Forest" in estimator else ()
    if "Neighbors" in estimator:
        trusted = ("sklearn.metrics._dist_metrics.EuclideanDistance64", "sklearn.neighbors._kd_tree.KDTree")
    fitted = train_on(TrainSpec(estimator=estimator, trusted=trusted))
    holdout = rows(60)
    holdout.loc[5, "city"] = "Paris"
    scores = score_one(packaged(fitted), holdout, tmp_path)
    assert scores.predictions.labels is not None
    assert scores.predictions.scores is not None
    assert len(scores.predictions.labels) == 60
    assert (scores.predictions.probabilities is None) == ("Ridge" in estimator)


def test_scores_are_the_models_own(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    fitted = train_on(LINEAR)
    holdout = rows(100)
    scores = score_one(packaged(fitted), holdout, tmp_path)
    model = skops.io.load(fitted.folder / "model.skops", trusted=["numpy.dtype"])
    x = holdout[["a", "n", "flag", "city"]].astype({"a": float, "n": float, "flag": float, "city": object})
    x["city"] = x["city"].where(x["city"].notna(), np.nan)
    assert scores.predictions.scores == pytest.approx(model.predict_proba(x)[:, 1], abs=1e-15)


@pytest.mark.usefixtures("in_process")
def test_regression_and_text_classes(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    frame = rows(200)
    frame["y"] = frame["a"].fillna(0) * 3
    fitted = train_on(
        TrainSpec(estimator="sklearn.linear_model.Ridge"), frame, task="regression", output=ModelField("y", "number")
    )
    scores = score_one(packaged(fitted, task="regression"), frame, tmp_path)
    assert scores.predictions.values == pytest.approx(frame["y"], abs=1.0)
    frame["y"] = frame["city"].fillna("Oslo")
    fitted = train_on(LINEAR, frame, task="multiclass-classification", output=ModelField("y", "string"))
    assert fitted.signature.classes == ("Lima", "Oslo", "Rome")
    golden = pq.read_table(fitted.folder / "golden.parquet").to_pandas()
    assert set(golden["prediction.label"]) == {"Lima", "Oslo", "Rome"}


def test_missing_inputs_are_named() -> None:
    assert missing_inputs(ModelSignature(INPUTS, ModelField("y", "boolean")), {"a", "city"}) == ("n", "flag")


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
    assert found.help.endswith("train:\n  trusted:\n    - make.Mean")
    fitted = train_on(own("own", trusted=("make.Mean",)))
    scores = score_one(packaged(fitted, paths=(str(entrypoint), str(tmp_path / "repo"))), rows(30), tmp_path)
    assert scores.predictions.probabilities is not None
    assert len(set(scores.predictions.probabilities[:, 1])) == 1
    assert not list(entrypoint.rglob("*.pyc"))


@pytest.mark.usefixtures("in_process")
def test_trust_that_is_not_needed_is_a_warning(train_on: Callable[..., FittedModel]) -> None:
    fitted = train_on(TrainSpec(estimator=LINEAR.estimator, trusted=("os.system",)))
    (found,) = fitted.diagnostics
    assert (found.id, found.severity, found.location) == ("model-trusted-unused", "warning", WHERE)
    assert "os.system" not in fitted.trusted


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


def spoiled(change: Callable[[Any], Any]) -> Any:
    frame = rows(80)
    frame["y"] = frame["y"].astype(object)
    change(frame)
    return frame


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("change", "type", "id"),
    [
        (lambda frame: frame.__setitem__("y", frame["y"].where(frame.index > 2)), "boolean", "target-missing-values"),
        (lambda frame: frame.__setitem__("y", True), "boolean", "target-one-class"),
        (lambda frame: frame.__setitem__("y", frame.index % 3), "integer", "target-not-binary"),
        (lambda frame: frame.__setitem__("y", frame["a"].fillna(0)), "number", "target-not-classes"),
        (lambda frame: frame.__setitem__("a", np.inf), None, "train-failed"),
    ],
)
def test_bad_training_rows_are_findings(
    change: Callable[[Any], Any], type: str | None, id: str, train_on: Callable[..., FittedModel]
) -> None:
    with pytest.raises(Findings) as caught:
        train_on(LINEAR, spoiled(change), output=ModelField("y", type or "boolean"))
    assert caught.value.diagnostics[0].id == id


@pytest.mark.usefixtures("in_process")
def test_a_date_feature_is_refused_with_help(train_on: Callable[..., FittedModel]) -> None:
    frame = rows(50).assign(day=pd.Timestamp("2026-01-01"))
    with pytest.raises(UsageProblem) as caught:
        train_on(LINEAR, frame, inputs=(ModelField("a", "number"), ModelField("day", "timestamp")))
    assert caught.value.diagnostics[0].id == "feature-type-unsupported"
    assert "Add numeric columns" in (caught.value.diagnostics[0].help or "")


def test_a_feature_named_like_a_prediction_is_refused(train_on: Callable[..., FittedModel]) -> None:
    with pytest.raises(UsageProblem) as caught:
        train_on(LINEAR, inputs=(ModelField("prediction.label", "number"),))
    assert caught.value.diagnostics[0].id == "feature-name-reserved"


def failure(model: PackagedModel, tmp_path: Path, frame: Any = None) -> str:
    with pytest.raises(Findings) as caught:
        score_one(model, rows(20) if frame is None else frame, tmp_path)
    return caught.value.diagnostics[0].id


@pytest.mark.usefixtures("in_process")
def test_a_changed_model_file_is_not_loaded(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    fitted = train_on(LINEAR)
    assert failure(packaged(fitted, sha256="0" * 64), tmp_path) == "model-file-changed"


@pytest.mark.usefixtures("in_process")
def test_a_damaged_model_file_is_a_finding(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    (tmp_path / "bad.skops").write_bytes(b"PK\x03\x04 no archive")
    model = packaged(train_on(LINEAR), model=tmp_path / "bad.skops", sha256=digest_file(tmp_path / "bad.skops"))
    assert failure(model, tmp_path) == "model-file-unreadable"


@pytest.mark.usefixtures("in_process")
def test_a_model_is_loaded_with_its_recorded_trust_only(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    assert failure(packaged(train_on(BOOSTED), trusted=()), tmp_path) == "model-types-untrusted"


@pytest.mark.usefixtures("in_process")
def test_predictions_that_are_not_finite_are_a_finding(
    entrypoint: Path, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    fitted = train_on(own("infinite", trusted=("make.Infinite",)))
    assert failure(packaged(fitted, paths=(str(entrypoint),)), tmp_path) == "predictions-not-finite"


@pytest.mark.usefixtures("in_process")
def test_rows_that_a_model_cannot_take_are_a_finding(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    frame = rows(20)
    frame["a"] = np.inf
    assert failure(packaged(train_on(LINEAR)), tmp_path, frame) == "score-failed"
