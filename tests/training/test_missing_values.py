"""Booleans and integers without a value: each way to store them is the same value, in training and in prediction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.package import FittedModel
from tests.training.samples import packaged, rows, score_one

INPUTS = (ModelField("flag", "boolean"), ModelField("n", "integer"))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "estimator",
    ["linear_model.LogisticRegression", "ensemble.HistGradientBoostingClassifier", "ensemble.RandomForestClassifier"],
)
def test_a_missing_boolean_or_integer_is_the_same_value_however_it_is_stored(
    estimator: str, train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    """Given columns with missing values, when they are stored in other types, then model and predictions are the same."""
    nullable = rows(200)[["flag", "n", "y"]].copy()
    nullable.loc[::5, ["flag", "n"]] = pd.NA
    floats = nullable.astype({"flag": "float64", "n": "float64"})
    spec = TrainSpec(f"sklearn.{estimator}")
    fitted = train_on(spec, nullable, inputs=INPUTS)
    assert train_on(spec, floats, inputs=INPUTS).model_digest == fitted.model_digest
    model = skops.io.load(fitted.folder / "model.skops", trusted=list(fitted.trusted))
    whole = nullable.dropna().astype({"flag": bool, "n": "int64"})
    nothing = nullable.head(9).assign(flag=pd.array([pd.NA] * 9, "boolean"), n=pd.array([pd.NA] * 9, "Int64"))
    for frame in (nullable, floats, whole, nothing):
        found = score_one(packaged(fitted), frame, tmp_path).predictions.probabilities
        assert found is not None
        expected = model.predict_proba(frame[["flag", "n"]].astype("float64"))
        assert np.array_equal(np.asarray(found).reshape(len(frame), -1)[:, -1], expected[:, -1])
