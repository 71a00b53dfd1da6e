"""Two runs side by side: what differs is named under the name that the spec has for it, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.records.training_run import ColumnProfile, DatasetSnapshot, ModelField, TrainingEnvironment
from mlops_ci.core.results.queries import FieldChange
from mlops_ci.registry.diff import ComparedRun, diff_runs
from mlops_ci.reports.markdown import render_markdown
from mlops_ci.reports.text import render_text
from tests.support.registry_samples import COMPARISON, RELEASE, RUN

HOUR = ColumnProfile("hour", "integer", 0, 0, 23, 12.0, 4.0)
SNAPSHOT = DatasetSnapshot("flights", "1" * 64, 1_000, (), (HOUR,), "5" * 64, (), project=RUN.project)
SIDE = ComparedRun(
    "delay@v1.0.0", RUN, COMPARISON, SNAPSHOT, RELEASE, {"train": {"params": {"C": 1.0}}, "features": ["a", "b"]}
)


def test_what_is_the_same_differs_in_nothing() -> None:
    report = diff_runs(SIDE, SIDE)
    sections = (report.spec, report.data, report.environment, report.code, report.gate)
    assert not any(sections)
    assert (report.same_model, report.same_holdout) == (True, True)
    assert [file.same for file in report.files] == [True, True]
    assert render_text(report).splitlines()[-1] == "unchanged: spec, data, environment, code, gate"


def test_specs_differ_field_by_field() -> None:
    other = replace(SIDE, spec={"train": {"params": {"C": 0.2, "penalty": "l1"}}, "features": ["b", "c"]})
    report = diff_runs(SIDE, other)
    assert report.spec == (
        FieldChange("train.params.C", 1.0, 0.2),
        FieldChange("features", ["a", "b"], ["b", "c"]),
        FieldChange("train.params.penalty", None, "l1"),
    )
    lines = render_text(report).splitlines()
    assert "  train.params.C: 1 -> 0.2" in lines
    assert '  features: ["a", "b"] -> ["b", "c"] (-a +c)' in lines
    assert "  train.params.penalty: (none) -> l1" in lines


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (1, 1.0), ("1", 1)])
def test_values_of_another_type_differ(one: object, other: object) -> None:
    assert diff_runs(replace(SIDE, spec={"x": one}), replace(SIDE, spec={"x": other})).spec == (
        FieldChange("x", one, other),
    )


def test_of_a_run_without_a_spec_what_the_run_keeps_is_compared() -> None:
    run = replace(
        RUN, params={"C": 0.2}, seed=8, signature=replace(RUN.signature, inputs=(ModelField("hour", "integer"),))
    )
    report = diff_runs(SIDE, ComparedRun("delay@aaaaaa", run))
    assert report.spec == (
        FieldChange("features", ["distance", "hour"], ["hour"]),
        FieldChange("train.seed", 7, 8),
        FieldChange("train.params.C", 1.0, 0.2),
    )
    assert report.same_holdout is None


def test_data_differ_by_content_columns_and_what_moved() -> None:
    late = ColumnProfile("late", "boolean", 0)
    moved = replace(HOUR, nulls=50, mean=12.5)
    snapshot = replace(SNAPSHOT, rows=1_100, columns=(moved, late))
    report = diff_runs(
        SIDE, replace(SIDE, run=replace(RUN, split=replace(RUN.split, train_digest="e" * 64)), snapshot=snapshot)
    )
    assert report.data == (
        FieldChange("training rows", "a" * 64, "e" * 64),
        FieldChange("rows", 1_000, 1_100),
        FieldChange("column late", None, "boolean"),
        FieldChange("column hour: missing", "0.0%", "4.5%"),
        FieldChange("column hour: mean", 12.0, 12.5),
    )
    assert "  training rows: aaaaaaaaaaaa -> eeeeeeeeeeee" in render_text(report).splitlines()


def test_small_moves_and_empty_data_are_not_told() -> None:
    near = replace(SNAPSHOT, columns=(replace(HOUR, nulls=9, mean=12.3, type="number"),))
    assert diff_runs(SIDE, replace(SIDE, snapshot=near)).data == (FieldChange("column hour", "integer", "number"),)
    empty = replace(SNAPSHOT, rows=0, columns=(replace(HOUR, mean=None, std=None),))
    assert [change.field for change in diff_runs(SIDE, replace(SIDE, snapshot=empty)).data] == ["rows"]


def test_metrics_say_which_way_is_better() -> None:
    metrics = (MetricValue("auc", 0.75, 0.74, 0.76), MetricValue("log-loss", 0.5), MetricValue("own", 1.0))
    before = replace(
        COMPARISON, metrics=(MetricValue("auc", 0.76), MetricValue("log-loss", 0.6), MetricValue("own", 2.0))
    )
    after = replace(COMPARISON, metrics=metrics, holdout_digest="e" * 64)
    report = diff_runs(replace(SIDE, comparison=before), replace(SIDE, comparison=after))
    assert [(one.metric, one.better) for one in report.metrics] == [("auc", False), ("log-loss", True), ("own", None)]
    assert "metrics (on different holdout rows)" in render_text(report)
    assert "  auc       0.760   0.750  [0.740, 0.760]  -0.0100     worse" in render_text(report).splitlines()


def test_environment_code_gate_and_files_differ_by_name() -> None:
    code = (FileDigest("models/train.py", "3" * 64, 120),)
    run = replace(
        RUN,
        environment=TrainingEnvironment("3.12.1", {"scikit-learn": "1.5.0", "numpy": "2.0.0"}, "Linux"),
        code=code,
        model_digest="8" * 64,
        files=(replace(RUN.files[0], sha256="0" * 64, size=1_001), FileDigest("code/models/train.py", "3" * 64, 120)),
    )
    report = diff_runs(SIDE, replace(SIDE, run=run, comparison=replace(COMPARISON, verdict="fail")))
    assert report.environment == (FieldChange("python", "3.11.9", "3.12.1"), FieldChange("numpy", None, "2.0.0"))
    assert [change.field for change in report.code] == ["models/train.py"]
    assert report.gate == (FieldChange("verdict", "pass", "fail"),)
    assert [(file.path, file.before, file.after, file.same) for file in report.files] == [
        ("model.skops", 1_000, 1_001, False),
        ("signature.json", 10, None, False),
        ("code/models/train.py", None, 120, False),
    ]
    assert not report.same_model


def test_hostile_text_stays_text() -> None:
    spec = {"x\n::error::y": "<script>|@everyone|\x1b[2J", "::stop::": "##[error]"}
    report = diff_runs(SIDE, replace(SIDE, spec=spec))
    shown = render_text(report)
    assert not [line for line in shown.splitlines() if line.strip().startswith("::") or "##[" in line]
    assert "\x1b" not in shown + render_markdown(report)
    assert "<script>" not in render_markdown(report)
