"""Columns that only the training reads: `fit` gets them as `rows`, the model does not have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging.skops import load_model_file
from tests.training.samples import INPUTS, LINEAR, rows

COLUMNS = (ModelField("margin", "number"), ModelField("n", "integer"))
OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline

class Cheapest(ClassifierMixin, BaseEstimator):
    def fit(self, x, y, rows):
        self.classes_ = [False, True]
        self.read_ = [list(x.columns), list(rows.columns), [str(kind) for kind in rows.dtypes], float(rows["margin"].sum())]
        return self
    def predict(self, x):
        return [True] * len(x)
    def predict_proba(self, x):
        return [[0.0, 1.0]] * len(x)

def build():
    return make_pipeline(Cheapest())
"""


@pytest.mark.usefixtures("in_process")
def test_own_code_reads_columns_that_its_model_does_not_ask_for(
    train_on: Callable[..., FittedModel], tmp_path: Path
) -> None:
    """Given `train.columns`, when own code is trained, then its fit gets them as features are read, and the signature has none."""
    (tmp_path / "repo/models/make.py").write_text(OWN)
    frame = rows().assign(margin=0.5)
    spec = TrainSpec(entrypoint="models/make.py:build", trusted=("make.Cheapest",), columns=("margin", "n"))
    inputs = (INPUTS[0], INPUTS[3])
    fitted = train_on(spec, frame, inputs=inputs, columns=COLUMNS)
    assert fitted.signature.inputs == inputs
    (_, model), *_ = load_model_file(fitted.folder / "model.skops", fitted.trusted).steps
    assert model.read_ == [["a", "city"], ["margin", "n"], ["float64", "float64"], 300.0]


@pytest.mark.usefixtures("in_process")
def test_columns_that_nothing_would_read_are_refused_at_their_place(train_on: Callable[..., FittedModel]) -> None:
    place = Location("models/m.yaml", 9, 3)
    frame = rows().assign(margin=0.5)
    with pytest.raises(UsageProblem) as caught:
        train_on(LINEAR, frame, columns=COLUMNS[:1], places={"columns": place})
    (found,) = caught.value.diagnostics
    assert (found.id, found.location) == ("train-columns-unread", place)
