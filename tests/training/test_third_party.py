"""A framework and a model format of somebody else's package, found by their entry points."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField, ModelFormat
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.inference.scoring import PackagedModel, score_models
from mlops_ci.training.training_task import TrainingTask
from tests.training.conftest import in_process

__all__ = ["in_process"]

THEIRS = """
import json
from mlops_ci.core.digest import digest_json
from mlops_ci.training.frameworks.protocol import Framework
from mlops_ci.training.packaging.protocol import Packager


class Constant:
    def __init__(self, value=None):
        self.value = value

    def predict(self, rows):
        return [self.value] * len(rows)


def fit(model, x, y):
    model.value = float(y.mean())


CONSTANT = Framework("constant", "constant-json", lambda seed: None, lambda recipe: Constant(), fit)
CONSTANT_JSON = Packager(
    name="constant-json",
    entry_file="constant.json",
    reviewed_types=(),
    write=lambda model, path: path.write_text(json.dumps(model.value)),
    find_untrusted_types=lambda path: (),
    load=lambda path, trusted: Constant(json.loads(path.read_text())),
    digest=lambda model: digest_json(model.value),
    loading_code=lambda path, trusted: ("json", f"json.load(open({path!r}))"),
)
"""
ENTRY_POINTS = """
[mlops_ci.frameworks]
constant = their_framework:CONSTANT
[mlops_ci.packagers]
constant-json = their_framework:CONSTANT_JSON
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution that offers a framework and a packager."""
    (tmp_path / "site/theirs-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site/their_framework.py").write_text(THEIRS)
    (tmp_path / "site/theirs-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (tmp_path / "site/theirs-1.0.dist-info/entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "their_framework", raising=False)


def task(root: Path, framework: str) -> TrainingTask:
    return TrainingTask(
        train=TrainSpec(entrypoint="make.py:build", framework=framework),
        task="regression",
        inputs=(ModelField("a", "number"),),
        output=ModelField("y", "number"),
        root=root,
        environment=training_environment(),
    )


@pytest.mark.usefixtures("in_process", "installed")
def test_a_model_of_their_framework_is_fitted_packaged_and_scored_in_their_format(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0], "y": [3.0, 5.0]}).to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"a": [7.0, 8.0, 9.0]}).to_parquet(tmp_path / "holdout.parquet")
    fitted = fit_model(task(tmp_path, "constant"), tmp_path / "train.parquet", tmp_path / "scratch")
    assert fitted.model_format == ModelFormat("constant-json", "constant.json")
    assert [file.path for file in fitted.files][:2] == ["constant.json", "signature.json"]
    entry = fitted.model_format.find_entry(fitted.files)
    assert entry.sha256 == digest_file(fitted.folder / "constant.json")
    model = PackagedModel(
        name="m@v1.0.0",
        packager=fitted.model_format.name,
        model=fitted.folder / entry.path,
        sha256=entry.sha256,
        trusted=fitted.trusted,
        signature=fitted.signature,
        task="regression",
    )
    (scores,) = score_models([model], tmp_path / "holdout.parquet", rows=3, scratch=tmp_path / "scoring")
    assert scores.predictions.values is not None
    assert scores.predictions.values.tolist() == [4.0, 4.0, 4.0]


def test_a_framework_that_nobody_offers_is_the_specs_fault(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0], "y": [3.0, 5.0]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(
        UsageProblem, match="there is no framework 'constant', neither built in nor in an installed package"
    ):
        fit_model(task(tmp_path, "constant"), tmp_path / "train.parquet", tmp_path / "scratch")


@pytest.mark.usefixtures("in_process", "installed")
def test_a_framework_that_does_not_read_weights_refuses_them(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0], "y": [3.0, 5.0], "w": [1.0, 2.0]}).to_parquet(tmp_path / "train.parquet")
    weighted = replace(task(tmp_path, "constant"), train=TrainSpec(framework="constant", weights="w"))
    with pytest.raises(UsageProblem) as caught:
        fit_model(weighted, tmp_path / "train.parquet", tmp_path / "scratch")
    assert caught.value.diagnostics[0].id == "train-options-unsupported"
