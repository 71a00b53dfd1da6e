"""Specs, rows and calls as tests of training need them: complete, and short to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.inference.scoring import ModelPredictions, PackagedModel, score_models
from mlops_ci.training.package import FittedModel

LINEAR = TrainSpec(estimator="sklearn.linear_model.LogisticRegression", params={"C": 0.5})
BOOSTED = TrainSpec(
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    params={"max_iter": 10},
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


def failure(model: PackagedModel, tmp_path: Path, frame: Any = None) -> str:
    with pytest.raises(Findings) as caught:
        score_one(model, rows(20) if frame is None else frame, tmp_path)
    return caught.value.diagnostics[0].id
