"""Columns that a model learns from and does not ask for: through the gate, a release and a prediction."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.support.consumer import Consumer, edit

SPEC = "models/diagnosis.yaml"
OWN = """from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB


class Costed(ClassifierMixin, BaseEstimator):
    def fit(self, x, y, rows, sample_weight=None):
        self.model_ = GaussianNB().fit(x, y, sample_weight=rows["worst_area"] * sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, x):
        return self.model_.predict(x)

    def predict_proba(self, x):
        return self.model_.predict_proba(x)


def build():
    return Costed()
"""


@pytest.mark.slow
def test_a_released_model_predicts_without_the_columns_that_only_its_training_read(
    gated: Consumer, tmp_path: Path
) -> None:
    (gated.root / "models" / "own.py").write_text(OWN)
    edit(
        gated,
        SPEC,
        "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}",
        "entrypoint: models/own.py:build\n    trusted: [own.Costed]\n    columns: [worst_area]\n    weights: mean_texture",
    )
    for column in ("worst_area", "mean_texture"):
        edit(gated, SPEC, f"    - {column}\n", "")
    edit(gated, SPEC, "min: 0.93", "min: 0.8")
    edit(gated, SPEC, "min: 0.87", "min: 0.7")
    gated.commit()
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    table = pd.read_csv(gated.root / "data" / "patients.csv")
    table.drop(columns=["worst_area", "mean_texture", "malignant"]).to_csv(tmp_path / "new.csv", index=False)
    gated.ok("predict", "diagnosis", str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv"))
    assert len(pd.read_csv(tmp_path / "out.csv")) == 569
    assert gated.answer("reproduce", "diagnosis")["record"]["state"] == "identical"
