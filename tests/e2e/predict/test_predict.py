"""`predict`: a user's own table, read and checked as the release's data were, batch by batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.evaluation import table_predictions
from mlops_ci.spec.load import load_specs
from mlops_ci.spec.source_types import SourceSpec
from mlops_ci.training.inference.scoring import PackagedModel
from tests.support.consumer import Consumer, copy_of, edit, home_of_ada

SPEC, TABLE = "models/diagnosis.yaml", "data/patients.csv"


@pytest.fixture(scope="module")
def world(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("predict"))
        made.ok("release")
    return made


@pytest.fixture
def released(world: Consumer, tmp_path: Path) -> Consumer:
    """Given a released model whose key is `patient_id`."""
    return copy_of(world, tmp_path)


@pytest.fixture
def patients(released: Consumer) -> pd.DataFrame:
    return pd.read_csv(released.root / TABLE)


def refusal(consumer: Consumer, *args: str, code: int = 1) -> tuple[str, str]:
    """The id and the text of the first finding, with its help."""
    found = consumer.answer("predict", "diagnosis", *args, code=code)["diagnostics"][0]
    return found["id"], f"{found['message']}; {found.get('help')}"


def test_a_table_gets_its_keys_its_predictions_and_the_probability_of_each_class(
    released: Consumer, patients: pd.DataFrame, tmp_path: Path
) -> None:
    patients.drop(columns="malignant").to_csv(tmp_path / "new.csv", index=False)  # the target is not needed
    told = released.ok("predict", "diagnosis", str(tmp_path / "new.csv"), "--out", "out.csv")
    assert told.splitlines()[0] == f"diagnosis@v1.0.0 predicted 569 rows of {tmp_path / 'new.csv'}: out.csv"
    made = pd.read_csv(released.root / "out.csv")
    assert list(made) == ["patient_id", "prediction", "probability.0", "probability.1"]
    assert made["patient_id"].tolist() == patients["patient_id"].tolist()  # in the order of the table
    assert np.allclose(made["probability.0"] + made["probability.1"], 1)
    assert (made["prediction"] == (made["probability.1"] > 0.5)).all()
    assert (made["prediction"] == patients["malignant"]).mean() > 0.9


def test_a_table_with_tabs_is_read_as_its_name_says(released: Consumer, patients: pd.DataFrame, tmp_path: Path) -> None:
    """Given a dataset with commas, then the ending of the table counts, and not a part of its name."""
    patients.to_csv(tmp_path / "new.TSV.gz", sep="\t", index=False, compression="gzip")
    patients.to_csv(tmp_path / "old.tsv.csv", index=False)
    for table in ("new.TSV.gz", "old.tsv.csv"):
        released.ok("predict", "diagnosis", str(tmp_path / table), "--out", f"{table}.out.csv")
        assert len(pd.read_csv(released.root / f"{table}.out.csv")) == 569


def test_paths_are_said_as_short_as_they_are(released: Consumer) -> None:
    told = released.run("predict", "diagnosis", f"data/../{TABLE}", "--out", "models/../out.csv")
    assert told.stdout.splitlines()[0] == f"diagnosis@v1.0.0 predicted 569 rows of {TABLE}: out.csv"
    assert f"write    {released.root.resolve()}/out.csv" in told.stderr
    told = released.run("predict", "diagnosis", "../data/patients.csv", "--out", "../out.csv", "-C", "models")
    assert "../out.csv exists already" in told.stderr


@pytest.mark.parametrize("has_index", [True, False])
def test_a_new_table_may_lack_the_index_that_the_training_table_had(
    has_index: bool, released: Consumer, patients: pd.DataFrame, tmp_path: Path
) -> None:
    specs, _ = load_specs(released.root)
    assert specs is not None
    dataset = specs.datasets["patients"]
    source = replace(cast("SourceSpec", dataset.spec.source), index="drop")
    indexed = replace(dataset, spec=replace(dataset.spec, source=source, columns={}))
    patients.to_csv(tmp_path / "new.csv", index=has_index)
    # the table was read if its column is of another type than this signature says
    signature = ModelSignature((ModelField("mean_radius", "string"),), ModelField("malignant", "integer"), (0, 1))
    model = PackagedModel("d", "skops", tmp_path / "absent", "", (), signature, "binary-classification")
    place = table_predictions.PredictionPlace(tmp_path, datetime.now(UTC), print)
    with pytest.raises(Findings, match="mean_radius") as refused:
        table_predictions.predict_table(model, indexed, tmp_path / "new.csv", ".csv", place)
    assert refused.value.diagnostics[0].id == "predict-column-type"


def test_nothing_is_overwritten_unasked(released: Consumer) -> None:
    (released.root / "out.csv").write_text("mine\n")
    id, text = refusal(released, TABLE, "--out", "out.csv", code=2)
    assert (id, "--replace" in text) == ("file-exists", True)
    assert (released.root / "out.csv").read_text() == "mine\n"
    released.ok("predict", "diagnosis", TABLE, "--out", "new.csv", "--dry-run")
    assert not (released.root / "new.csv").exists()
    released.ok("predict", "diagnosis", TABLE, "--out", "out.csv", "--replace")
    assert (released.root / "out.csv").read_text() != "mine\n"


def test_a_large_table_is_predicted_in_batches_that_say_how_far_they_are(
    released: Consumer, patients: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_predictions, "BATCH_CELLS", 1)  # 1,000 rows a batch
    rows = pd.concat([patients] * 5, ignore_index=True).drop(columns="patient_id")
    rows.to_parquet(released.root / "many.parquet")
    done = released.run("predict", "diagnosis@1.0.0", "many.parquet", "--out", "deep/out.parquet")
    assert done.returncode == 0, done.stderr
    shown = [line.strip() for line in done.stderr.splitlines() if "predicting" in line]
    assert shown == [
        f"predicting: {at} of 2,845 rows ({share})"
        for at, share in (("1,000", "35%"), ("2,000", "70%"), ("2,845", "100%"))
    ]
    made = pd.read_parquet(released.root / "deep/out.parquet")
    assert made["row"].tolist() == list(range(1, 2846))  # without a key, a row has its number
    one = made["probability.1"].to_numpy().reshape(5, -1)
    assert (one == one[0]).all()


def test_what_a_table_lacks_is_said_before_the_model_runs(
    released: Consumer, patients: pd.DataFrame, tmp_path: Path
) -> None:
    def refused(frame: pd.DataFrame) -> tuple[str, str]:
        frame.to_csv(tmp_path / "new.csv", index=False)
        return refusal(released, str(tmp_path / "new.csv"), "--out", "out.csv")

    id, text = refused(patients.rename(columns={"mean_radius": "mean_radios"}))
    assert id == "predict-column-missing"
    assert "new.csv has no column 'mean_radius'" in text
    assert "mean_radios" in text
    id, text = refused(patients.assign(mean_radius="wide"))
    assert (id, "'mean_radius' is declared as number" in text) == ("data-type", True)
    id, text = refused(patients.assign(mean_radius=-1.0))
    assert (id, "column 'mean_radius': 569 of 569 rows (100 %) fail 'at least 0'" in text) == ("check-range", True)
    id, text = refused(patients.head(0))
    assert id == "data-empty"
    assert not (released.root / "out.csv").exists()


@pytest.mark.parametrize(
    ("table", "out", "id"),
    [
        ("absent.csv", "out.csv", "predict-table"),
        ("mlops.yaml", "out.csv", "predict-table"),
        (TABLE, "out.xlsx", "predict-out"),
        (TABLE, "out", "predict-out"),
    ],
)
def test_files_of_another_kind_are_named(released: Consumer, table: str, out: str, id: str) -> None:
    assert refusal(released, table, "--out", out, code=2)[0] == id


def test_a_version_that_was_taken_back_is_not_used_in_silence(released: Consumer) -> None:
    released.ok("retire", "diagnosis", "--reason", "wrong data")
    for verb, files in (("predict", (TABLE, "--out", "out.csv")), ("fetch", ("folder",))):
        found = released.answer(verb, "diagnosis", *files)["diagnostics"]
        assert [one["id"] for one in found] == ["model-deprecated"]
        assert "wrong data" in found[0]["message"]
    edit(released, SPEC, "max_iter: 1000", "max_iter: 1001")
    released.ok("gate")
    released.commit()
    released.git("push", "--quiet")
    released.ok("release", "--force", "--reason", "the data are right now")
    released.ok("retire", "diagnosis@1.0.0", "--reason", "worse")
    found = released.answer("predict", "diagnosis@1.0.0", TABLE, "--out", "other.csv", code=2)["diagnostics"][0]
    assert (found["id"], "version 1.0.0 of 'diagnosis' was revoked" in found["message"]) == ("release-unknown", True)


def test_a_column_of_another_type_is_refused_also_where_the_spec_declares_none(
    released: Consumer, tmp_path: Path
) -> None:
    specs, _ = load_specs(released.root)
    assert specs is not None
    dataset = specs.datasets["patients"]
    bare = replace(dataset, spec=replace(dataset.spec, columns={}))
    signature = ModelSignature((ModelField("mean_radius", "string"),), ModelField("malignant", "integer"), (0, 1))
    model = PackagedModel("d", "skops", tmp_path / "absent", "", (), signature, "binary-classification")
    place = table_predictions.PredictionPlace(tmp_path, datetime.now(UTC), print)
    with pytest.raises(Findings, match=r"mean_radius \(string in training, number now\)") as refused:
        table_predictions.predict_table(model, bare, released.root / TABLE, ".csv", place)
    assert refused.value.diagnostics[0].id == "predict-column-type"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_input_without_any_value_is_missing_and_of_no_other_type(
    released: Consumer, patients: pd.DataFrame, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a spec that declares no types, when a table has no value for a number, then the model is asked for it."""
    specs, _ = load_specs(released.root)
    assert specs is not None
    dataset = specs.datasets["patients"]
    bare = replace(dataset, spec=replace(dataset.spec, columns={}))
    table = patients.head(1).assign(mean_radius=None)
    path = tmp_path / f"one.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    asked: list[str] = []

    def answer(_: object, batch: Any, *__: object) -> pa.Table:
        asked.append(str(batch["mean_radius"].type))
        return pa.table({"prediction.label": [0] * batch.num_rows})

    monkeypatch.setattr(table_predictions, "_predict_batch", answer)
    signature = ModelSignature((ModelField("mean_radius", "number"),), ModelField("malignant", "integer"), (0, 1))
    model = PackagedModel("d", "skops", tmp_path / "absent", "", (), signature, "binary-classification")
    place = table_predictions.PredictionPlace(tmp_path, datetime.now(UTC), print)
    assert table_predictions.predict_table(model, bare, path, ".csv", place).rows == 1
    assert asked == ["double"]


@pytest.mark.slow
def test_a_model_with_own_code_predicts_in_a_process_of_its_own(gated: Consumer) -> None:
    """Given own code that refuses what it has not seen, then the table's fault is told without a traceback."""
    (gated.root / "models" / "own.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n\n\n"
        "class Wary(GaussianNB):\n"
        "    def predict(self, X):\n"
        "        if (X['mean_radius'] > 1000).any():\n"
        "            raise ValueError('unknown radius')\n"
        "        return super().predict(X)\n\n\n"
        "def build():\n    return Wary()\n"
    )
    old = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
    edit(gated, SPEC, old, "entrypoint: models/own.py:build\n    trusted: [own.Wary]")
    gated.ok("gate")
    gated.commit()
    gated.git("push", "--quiet")
    gated.ok("release")
    gated.ok("predict", "diagnosis", TABLE, "--out", "out.csv")
    assert len(pd.read_csv(gated.root / "out.csv")) == 569
    frame = pd.read_csv(gated.root / TABLE)
    frame["mean_radius"] = 2000.0
    frame.to_csv(gated.root / "wide.csv", index=False)
    id, text = refusal(gated, "wide.csv", "--out", "other.csv")
    assert (id, "cannot predict these rows: ValueError: unknown radius" in text) == ("score-failed", True)
