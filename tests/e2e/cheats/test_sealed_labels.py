"""Labels of a sealed holdout stay in the job that evaluates: each way out is shown to be open without the defence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlops_ci.evaluation.holdout import sealed
from tests.e2e.gate.test_sealed import SPEC, seal
from tests.e2e.keep.conftest import Jobs, ids, publish
from tests.support.consumer import Consumer, edit

SPY = """
apiVersion: mlops-ci/v1
kind: Model
metadata: {{name: spy}}
spec:
  task: regression
  dataset: patients
  target: mean_texture
  features: [{features}]
  train: {{entrypoint: "src/spy.py:build"}}
"""
BUILD = "from sklearn.linear_model import LinearRegression\n\n\ndef build():\n    return LinearRegression()\n"


def spy(consumer: Consumer, features: str) -> None:
    (consumer.root / "src").mkdir(exist_ok=True)
    (consumer.root / "src/spy.py").write_text(BUILD)
    (consumer.root / "models/spy.yaml").write_text(SPY.format(features=features))


def test_a_label_as_a_feature_of_another_model_is_not_handed_over(
    gated: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model of the change whose feature is a label, when its rows are written, then there are none."""
    held = seal(gated, f"url: 'file://{tmp_path}/held.csv'")
    held.to_csv(tmp_path / "held.csv", index=False)
    gated.commit("Seal the holdout")
    gated.git("push", "--quiet")
    spy(gated, "mean_radius, malignant")
    out = tmp_path / "features"
    refused = gated.answer("ci", "features", "spy", "--out", str(out), code=1)
    assert ids(refused) == ["sealed-label"]
    assert not out.exists()
    with monkeypatch.context() as undefended:
        undefended.setattr(sealed, "ensure_sealed_labels", lambda *_, **__: None)
        gated.ok("ci", "features", "spy", "--out", str(out))
    rows = pd.read_parquet(out / "spy.parquet").head(len(held))
    assert rows["malignant"].sum() == held["malignant"].sum(), "without the defence, the labels are there"
    spy(gated, "mean_radius, mean_area")
    gated.ok("ci", "features", "spy", "--out", str(out))
    assert list(pd.read_parquet(out / "spy.parquet")) == ["mean_radius", "mean_area"]


def test_the_rows_of_the_holdout_are_no_data_to_be_checked(gated: Consumer) -> None:
    """Given a holdout that is in the evaluating job's folder, when a change's dataset reads it, then no failing row is shown."""
    held = seal(gated, "path: held/patients.csv")
    (gated.root / ".gitignore").write_text("held/\n")
    gated.commit("Seal the holdout")
    gated.git("push", "--quiet")
    (gated.root / "held").mkdir()
    held.to_csv(gated.root / "held/patients.csv", index=False)
    edit(gated, SPEC, "path: data/patients.csv", "path: '*/patients.csv'")
    edit(gated, SPEC, "  checks:\n", "  checks:\n    - {type: custom-sql, name: tell, sql: 'malignant = 2'}\n")
    told = gated.answer("gate", code=1)
    assert ids(told) == ["sealed-source"]


@pytest.mark.slow
def test_code_of_a_metric_that_nobody_has_reviewed_does_not_see_labels(jobs: Jobs) -> None:
    """Given a new model with a metric of its own, when another job judges, then it runs the code only once that is merged."""
    consumer = jobs.consumer
    metric = "  evaluate: {custom: {mine: {entrypoint: 'src/metric.py:score', better: lower}}}\n"
    (consumer.root / "models/spy.yaml").write_text(
        SPY.format(features="mean_radius").replace(
            'entrypoint: "src/spy.py:build"', "estimator: sklearn.linear_model.LinearRegression"
        )
        + metric
    )
    (consumer.root / "src").mkdir(exist_ok=True)
    code = (
        "def score(truth, predicted, rows):\n    print('labels', list(truth)[:3])\n    return abs(truth - predicted)\n"
    )
    (consumer.root / "src/metric.py").write_text(code)
    consumer.git("checkout", "--quiet", "-b", "change")
    consumer.commit()
    consumer.git("push", "--quiet", "--set-upstream", "origin", "change")
    jobs.job("train").ok("train", "spy", "--out", str(jobs.files / "run.bundle"))
    judge = ("gate", "spy", "--runs", str(jobs.files), "--base", "main")
    assert ids(jobs.job("judge").answer(*judge, code=1)) == ["metric-code-new"]
    consumer.git("checkout", "--quiet", "main")
    consumer.git("checkout", "--quiet", "change", "--", "src/metric.py")
    publish(jobs)
    jobs.job("judge").git("fetch", "--quiet")
    assert "metric-code-new" not in ids(jobs.job("judge").answer(*judge))
