"""Training and scoring, in real processes: what goes in, what comes out, and what is said when it does not work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import skops.io

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.inference.scoring import missing_inputs
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging.structural_digest import structural_digest
from tests.training.samples import BOOSTED, INPUTS, LINEAR, WHERE, failure, packaged, rows, score_one

TREE_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def test_a_candidate_is_packaged_with_signature_golden_rows_and_requirements(
    train_on: Callable[..., FittedModel],
) -> None:
    fitted = train_on(BOOSTED)
    assert [file.path for file in fitted.files] == [
        "model.skops",
        "signature.json",
        "golden.parquet",
        "golden-predictions.parquet",
        "requirements.txt",
    ]
    assert fitted.signature == ModelSignature(INPUTS, ModelField("y", "boolean"), (False, True))
    assert json.loads((fitted.folder / "signature.json").read_text())["classes"] == [False, True]
    assert fitted.trusted == (TREE_PREDICTOR,)
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
    predicted = pq.read_table(fitted.folder / "golden-predictions.parquet").to_pandas()
    model = skops.io.load(fitted.folder / "model.skops", trusted=[TREE_PREDICTOR])
    assert len(golden) == 500
    assert list(golden) == ["a", "n", "flag", "city"]
    assert (golden["a"].isna() == [True] + [False] * 499).all()  # row 0 of the training rows, and others spread evenly
    probabilities = model.predict_proba(golden[["a", "n", "flag", "city"]])
    assert np.array_equal(probabilities[:, 1], predicted["prediction.probability.1"])
    assert (predicted["prediction.label"] == (probabilities[:, 1] > 0.5)).all()
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
    fitted = train_on(TrainSpec(estimator=estimator))
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
    predicted = pq.read_table(fitted.folder / "golden-predictions.parquet").to_pandas()
    assert set(predicted["prediction.label"]) == {"Lima", "Oslo", "Rome"}


def test_missing_inputs_are_named() -> None:
    assert missing_inputs(ModelSignature(INPUTS, ModelField("y", "boolean")), {"a", "city"}) == ("n", "flag")


@pytest.mark.usefixtures("in_process")
def test_trust_that_is_not_needed_is_a_warning(train_on: Callable[..., FittedModel]) -> None:
    fitted = train_on(TrainSpec(estimator=LINEAR.estimator, trusted=("os.system",)))
    (found,) = fitted.diagnostics
    assert (found.id, found.severity, found.location) == ("model-trusted-unused", "warning", WHERE)
    assert "os.system" not in fitted.trusted
    (found,) = train_on(replace(BOOSTED, trusted=(TREE_PREDICTOR,))).diagnostics
    assert found.message == f"train.trusted lists '{TREE_PREDICTOR}', which is a reviewed type and needs no entry"


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
        (
            lambda frame: frame.__setitem__("y", np.arange(len(frame), dtype="uint64") % 2 + np.uint64(2**64 - 2)),
            "integer",
            "target-not-classes",
        ),
        (lambda frame: frame.__setitem__("y", frame.index % 2 * 1e20), "integer", "target-not-classes"),
        (
            lambda frame: frame.__setitem__("y", pd.Timestamp(0) + frame.index % 2 * pd.Timedelta(days=1)),
            "timestamp",
            "target-not-classes",
        ),
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
def test_a_moment_is_a_feature_and_the_model_holds_how(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    frame = rows(200).assign(at=pd.date_range("2026-01-01", periods=200, freq="h"))
    frame["y"] = frame["at"].dt.hour >= 12
    inputs = (ModelField("a", "number"), ModelField("at", "timestamp"))
    fitted = train_on(LINEAR, frame, inputs=inputs)
    later = frame.assign(at=frame["at"] + pd.Timedelta(days=30))
    scores = score_one(packaged(fitted), later, tmp_path)
    assert (scores.predictions.labels == frame["y"]).mean() > 0.9


def test_a_feature_named_like_a_prediction_is_refused(train_on: Callable[..., FittedModel]) -> None:
    with pytest.raises(UsageProblem) as caught:
        train_on(LINEAR, inputs=(ModelField("prediction.label", "number"),))
    assert caught.value.diagnostics[0].id == "feature-name-reserved"


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
def test_rows_that_a_model_cannot_take_are_a_finding(train_on: Callable[..., FittedModel], tmp_path: Path) -> None:
    frame = rows(20)
    frame["a"] = np.inf
    assert failure(packaged(train_on(LINEAR)), tmp_path, frame) == "score-failed"
