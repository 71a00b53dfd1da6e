"""Golden rows: chosen by the spec, generated without the data, and never published when they must not be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import (
    ColumnSpec,
    DatasetSpec,
    ModelSpec,
    ReleaseSpec,
    SourceSpec,
    TrainSpec,
)
from mlops_ci.training.environment import training_environment
from mlops_ci.training.external_model import package_external
from mlops_ci.training.fit import package_fit, run_training
from mlops_ci.training.golden import (
    GoldenChoice,
    GoldenRows,
    choose_golden,
    external_golden_rows,
    generate_rows,
    make_golden_rows,
    read_golden_rows,
)
from mlops_ci.training.inspection import Inspection, inspect_model_file
from mlops_ci.training.training_task import TrainingTask

INPUTS = (
    ModelField("age", "integer"),
    ModelField("income", "number"),
    ModelField("city", "string"),
    ModelField("plan", "string"),
    ModelField("member", "boolean"),
    ModelField("born", "date"),
    ModelField("seen", "timestamp"),
)
RULES = {
    "age": ColumnSpec("integer", min=18, max=99),
    "income": ColumnSpec("number", max=-5.0),
    "plan": ColumnSpec("string", values=("basic", "full")),
    "born": ColumnSpec("date", min="1950-01-01", max="1960-01-01"),
}


def people(rows: int) -> pa.Table:
    return pa.table(
        {
            "age": pa.array([7_000_000 + at for at in range(rows)], pa.int64()),
            "income": pa.array([0.123456789 + at for at in range(rows)]),
            "city": pa.array([f"secret-{at}" for at in range(rows)]),
            "plan": pa.array([f"hidden-{at}" for at in range(rows)]),
            "member": pa.array([at % 2 == 0 for at in range(rows)]),
            "born": pa.array([datetime(1901, 1, 1, tzinfo=UTC).date()] * rows, pa.date32()),
            "seen": pa.array([datetime(1902, 1, 1)] * rows, pa.timestamp("us")),  # noqa: DTZ001 - a column without a zone
        }
    )


def models(golden: str | None, *tags: str) -> tuple[ModelSpec, DatasetSpec]:
    columns = {"age": ColumnSpec("integer"), "city": ColumnSpec("string", tags=tags)}
    release = ReleaseSpec(golden=golden)
    model = ModelSpec("regression", "d", "y", features=("age", "city"), train=TrainSpec(), release=release)
    return model, DatasetSpec(SourceSpec("csv", "d.csv"), columns=columns)


@pytest.mark.parametrize(
    ("golden", "tags", "text"),
    [
        (None, (), "rows 500"),
        (None, ("pii",), "synthetic"),
        ("rows 7", ("pii",), "rows 7"),
        ("synthetic", (), "synthetic"),
        ("none", ("pii",), "none"),
    ],
)
def test_people_are_not_published_unless_the_spec_says_so(golden: str | None, tags: tuple[str, ...], text: str) -> None:
    assert choose_golden(*models(golden, *tags)).text == text


def test_generated_rows_keep_the_declared_ranges_and_hold_nothing_of_the_data() -> None:
    made = generate_rows(people(3).schema, INPUTS, RULES)
    assert made.schema.equals(people(1).schema)
    values: dict[str, list[Any]] = made.to_pydict()
    assert all(18 <= at <= 99 for at in values["age"])
    assert all(at <= -5 for at in values["income"])
    assert set(values["plan"]) == {"basic", "full"}
    assert all(1950 <= at.year <= 1960 for at in values["born"])
    assert all(at.year >= 2000 for at in values["seen"])
    assert set(values["member"]) == {True, False}
    # another table with the same declaration gives the same rows
    assert made.equals(generate_rows(people(900).schema, INPUTS, RULES))


@pytest.mark.parametrize(
    ("kind", "stored", "rule", "least", "greatest"),
    [
        ("date", pa.date32(), ColumnSpec(values=("1951-02-03", "1952-02-03")), date(1951, 2, 3), date(1952, 2, 3)),
        ("date", pa.date32(), ColumnSpec(max="1950-12-31"), date(1930, 12, 31), date(1950, 12, 31)),
        ("date", pa.date32(), ColumnSpec(min="9995-01-01"), date(9995, 1, 1), date(9999, 12, 31)),
        ("date", pa.date32(), ColumnSpec(max="0004-01-01"), date(1, 1, 1), date(4, 1, 1)),
        ("integer", pa.int64(), ColumnSpec(min=0, max=2**64 - 1), 0, 2**63 - 1),
        ("integer", pa.uint64(), ColumnSpec(min=2**63), 2**63, 2**63 + 100),
        ("integer", pa.float64(), ColumnSpec(min=2**70, max=2**71), 2.0**70, 2.0**71),
        ("number", pa.float64(), ColumnSpec(values=(1, 2.5, "none")), 1.0, 2.5),
        ("string", pa.string(), ColumnSpec(values=(1, "a")), "a", "a"),
        ("integer", pa.int64(), ColumnSpec(values=("x", 2.5)), 0, 100),
    ],
)
def test_generated_values_keep_every_declaration(
    kind: str, stored: Any, rule: ColumnSpec, least: Any, greatest: Any
) -> None:
    made = generate_rows(pa.schema([("a", stored)]), [ModelField("a", kind)], {"a": rule})["a"].to_pylist()
    assert len(made) == 100
    assert least <= min(made) <= max(made) <= greatest
    assert kind == "string" or max(made) > min(made)


def test_a_choice_decides_what_is_predicted_and_what_is_published(tmp_path: Path) -> None:
    pq.write_table(people(50), tmp_path / "train.parquet")

    def made(kind: Any, count: int = 10) -> GoldenRows:
        return make_golden_rows(tmp_path / "train.parquet", INPUTS, GoldenChoice(kind, count), RULES)

    rows = made("rows")
    assert (rows.table.num_rows, rows.is_published, rows.trial) == (10, True, None)
    none = made("none")
    assert (none.is_published, none.table["age"][0].as_py()) == (False, 7_000_000)  # tried, and not published
    generated = made("synthetic")
    assert generated.is_published
    assert generated.trial.num_rows == 20
    assert not set(generated.table["age"].to_pylist()) & set(range(7_000_000, 7_000_050))
    assert external_golden_rows(rows, GoldenChoice("rows", 10)) is rows
    empty = external_golden_rows(generated, GoldenChoice("synthetic"))
    assert (empty.table.num_rows, empty.is_published) == (0, False)


def test_recorded_rows_are_read_as_they_were(tmp_path: Path) -> None:
    pq.write_table(people(5).append_column("prediction.label", pa.array([1] * 5)), tmp_path / "golden.parquet")
    found = read_golden_rows(tmp_path / "golden.parquet", INPUTS)
    assert found is not None
    assert found.table.equals(people(5))
    assert read_golden_rows(tmp_path / "absent.parquet", INPUTS) is None
    assert read_golden_rows(tmp_path / "golden.parquet", (ModelField("other", "string"),)) is None
    pq.write_table(people(501), tmp_path / "golden.parquet")
    assert read_golden_rows(tmp_path / "golden.parquet", INPUTS) is None


def test_a_model_that_refuses_unknown_categories_is_packaged_without_golden_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given generated rows with categories that training lacked, then the model is tried with rows of the training."""
    table = pa.table({"kind": [at % 3 for at in range(60)], "y": [at % 3 == 1 for at in range(60)]})
    pq.write_table(table, tmp_path / "train.parquet")
    inputs = (ModelField("kind", "integer"),)
    train = TrainSpec(estimator="sklearn.linear_model.LogisticRegression")
    output, environment = ModelField("y", "boolean"), training_environment()
    task = TrainingTask(train, "binary-classification", inputs, output, tmp_path, environment)

    def refuse_unknown(task: TrainingTask, model: Path, rows: Any) -> Inspection:
        if not set(rows["kind"].to_pylist()) <= {0, 1, 2}:
            raise Findings.of("train-failed", "Found unknown categories in column 0 during transform")
        return inspect_model_file(task, model, rows)

    monkeypatch.setattr("mlops_ci.training.inspection.inspect_model_file", refuse_unknown)
    golden = make_golden_rows(tmp_path / "train.parquet", inputs, GoldenChoice("synthetic"), {})
    fitted = run_training(task, tmp_path / "train.parquet", tmp_path / "scratch")
    here = package_fit(task, fitted, golden, tmp_path / "scratch")
    # the job that judges packages the same model again, and must come to the same files
    there = package_external(task, fitted.path, golden, tmp_path / "judge")
    for package in (here, there):
        assert [one.id for one in package.diagnostics] == ["golden-not-made"]
        assert {file.path for file in package.files} == {"model.skops", "signature.json", "requirements.txt"}
