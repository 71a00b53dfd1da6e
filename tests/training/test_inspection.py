"""What is believed of a model file: its classes, and which rows it is asked about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import Task
from mlops_ci.training.golden import select_golden_rows
from mlops_ci.training.inspection import classes_problem
from mlops_ci.training.packaging.package_files import MAX_GOLDEN_ROWS

TEXT, NUMBER = ModelField("y", "string"), ModelField("y", "integer")


@pytest.mark.parametrize(
    ("task", "classes", "output"),
    [
        ("regression", (), NUMBER),
        ("binary-classification", (0, 1), NUMBER),
        ("binary-classification", ("no", "yes"), TEXT),
        ("multiclass-classification", ("a", "b", "c"), TEXT),
    ],
)
def test_classes_that_the_target_can_have_are_no_problem(
    task: Task, classes: tuple[str | int | bool, ...], output: ModelField
) -> None:
    assert classes_problem(classes, task, output) is None


@pytest.mark.parametrize(
    ("task", "classes", "output", "said"),
    [
        ("regression", (0, 1), NUMBER, "those of a classifier"),
        ("binary-classification", (0,), NUMBER, "have 1 labels"),
        ("binary-classification", (0, 1, 2), NUMBER, "have 3 labels"),
        ("multiclass-classification", (), NUMBER, "have 0 labels"),
        ("binary-classification", ("no", "yes"), NUMBER, "not values of 'y'"),
        ("binary-classification", (0, 1), TEXT, "not values of 'y'"),
        ("multiclass-classification", ("a", "b", "a"), TEXT, "repeated labels"),
        ("binary-classification", (1, True), NUMBER, "repeated labels, or labels of several types"),
    ],
)
def test_other_classes_are_a_problem(
    task: Task, classes: tuple[str | int | bool, ...], output: ModelField, said: str
) -> None:
    assert said in str(classes_problem(classes, task, output))


@pytest.mark.parametrize("rows", [0, 1, 3, MAX_GOLDEN_ROWS, MAX_GOLDEN_ROWS + 1, 10_000])
def test_golden_rows_are_spread_from_the_first_to_the_last(rows: int, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(rows), "y": range(rows)}), tmp_path / "train.parquet")
    golden = select_golden_rows(tmp_path / "train.parquet", [ModelField("a", "integer")])
    assert golden.column_names == ["a"]
    found = golden["a"].to_pylist()
    assert len(found) == len(set(found)) == min(rows, MAX_GOLDEN_ROWS)
    assert found == sorted(found)
    assert found[:1] + found[-1:] == ([0, rows - 1] if rows else [])


def test_golden_rows_are_selected_without_pandas(tmp_path: Path) -> None:
    """Given a command that reads and selects rows, then it has not imported pandas, which takes half a second of CPU."""
    pq.write_table(pa.table({"a": range(3)}), tmp_path / "train.parquet")
    code = (
        "import sys\nfrom pathlib import Path\nfrom mlops_ci.core.records.training_run import ModelField\n"
        "from mlops_ci.training.golden import select_golden_rows\n"
        "select_golden_rows(Path('train.parquet'), [ModelField('a', 'integer')])\nprint('pandas' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "False\n"
