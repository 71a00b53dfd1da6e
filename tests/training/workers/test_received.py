"""What a process that ran a stranger's code left behind: read as data, or refused."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from mlops_ci.core.diagnostics import Diagnostic, Location, has_errors
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings
from mlops_ci.training.packaging import skops as package
from mlops_ci.training.workers import protocol, untrusted_files


def linked(path: Path) -> None:
    path.symlink_to("/proc/self/environ")


def long(path: Path) -> None:
    path.write_bytes(b"x" * 101)


NOT_FILES: list[Callable[[Path], Any]] = [linked, os.mkfifo, Path.mkdir, long, str]


@pytest.mark.parametrize("make", NOT_FILES, ids=["link", "pipe", "folder", "long", "absent"])
def test_only_a_file_of_bounded_size_is_copied(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path / "source")
    with pytest.raises((OSError, ValueError)):
        untrusted_files.copy_untrusted_file(tmp_path / "source", tmp_path / "target", 100)
    assert not (tmp_path / "target").exists()


def test_a_copy_is_named_by_what_was_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 100)
    file = untrusted_files.copy_untrusted_file(tmp_path / "source", tmp_path / "target", 100)
    assert (file.path, file.sha256, file.size) == ("target", digest_file(tmp_path / "source"), 100)
    with pytest.raises(FileExistsError):
        untrusted_files.copy_untrusted_file(tmp_path / "source", tmp_path / "target", 100)


@pytest.mark.parametrize("make", NOT_FILES[:3], ids=["link", "pipe", "folder"])
def test_an_answer_that_is_no_file_is_none(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path / protocol.ANSWER_FILE)
    assert protocol.read_answer(protocol.TrainAnswer, tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"seconds": Infinity}',
        '{"seconds": NaN}',
        '{"seconds": 1e999}',
        '{"seconds": 1' + "0" * 400 + "}",
        '{"seconds": 1' + "0" * 5000 + "}",
        '{"estimator": "\\ud800"}',
        '{"diagnostics": [{"id": "a", "message": "\\udc00"}]}',
        '{"diagnostics": ' * 50_000,
        "[" * 50_000,
        '{"trusted": ["os.system"]}',
    ],
    ids=lambda text: text[:24],
)
def test_an_answer_that_is_not_in_order_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / protocol.ANSWER_FILE).write_text(text)
    assert protocol.read_answer(protocol.TrainAnswer, tmp_path) is None


def test_an_answer_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / protocol.ANSWER_FILE).write_text(json.dumps({"estimator": "x" * 100}))
    assert protocol.read_answer(protocol.TrainAnswer, tmp_path) is not None
    monkeypatch.setattr(protocol, "ANSWER_LIMIT", 99)
    assert protocol.read_answer(protocol.TrainAnswer, tmp_path) is None


def test_no_line_that_a_child_tells_commands_the_runner() -> None:
    (told,) = protocol.printable_errors(
        [Diagnostic("train-failed", "no", help="first\n::error::forged\n  ##[error]forged")]
    )
    assert told.help == "| first\n| ::error::forged\n|   ##[error]forged"
    assert protocol.as_quote("") == ""


def test_a_child_tells_few_and_short_errors() -> None:
    far = Location("a.py", 3, 10**12, text="x")
    (told,) = protocol.printable_errors([Diagnostic("a", "m" * 10_000, far, "h" * 10_000), Diagnostic("::error", "no")])
    assert (len(told.message), len(told.help or ""), told.location) == (4000, 4000, None)
    near = Location("a.py", 3, 1, text="x")
    assert [one.location for one in protocol.printable_errors([Diagnostic("a", "m", near)] * 50)] == [near] * 20
    assert not has_errors(protocol.printable_errors([Diagnostic("a", "m", severity="note")]))


def predictions(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "predictions.parquet"
    pq.write_table(pa.table({name.replace("_", "."): values for name, values in columns.items()}), path)
    return path


PROBABILITIES = {"prediction_probability_0": [0.5], "prediction_probability_1": [0.5]}


@pytest.mark.parametrize(
    "columns",
    [
        {"prediction_label": [True]},
        {"prediction_label": ["a"], **PROBABILITIES},
        {"prediction_label": [1], "prediction_score": [0.1]},
    ],
)
def test_predictions_are_read(columns: dict[str, Any], tmp_path: Path) -> None:
    path = predictions(tmp_path, **columns)
    table = untrusted_files.read_prediction_table(path, task="binary-classification", classes=(0, 1), rows=1)
    assert table.equals(pq.read_table(path))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"prediction_label": [1, 1]}, "exactly one prediction for each of the 1 rows"),
        (
            {"prediction_value": [1.0]},
            "its columns are not the columns of predictions for binary-classification: prediction.value",
        ),
        ({**PROBABILITIES}, "its columns are not the columns of"),
        ({"prediction_label": [1], "prediction_probability_0": [1.0]}, "its columns are not the columns of"),
        (
            {"prediction_label": [1], **PROBABILITIES, "prediction_probability_2": [0.0]},
            "its columns are not the columns of",
        ),
        ({"prediction_label": [1], "a": [1]}, "its columns are not the columns of"),
        ({"prediction_label": [[1]]}, "the column prediction.label has the unexpected type list"),
        (
            {"prediction_label": [1], "prediction_score": ["0.1"]},
            "the column prediction.score has the unexpected type string",
        ),
    ],
)
def test_other_columns_are_no_predictions(columns: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        untrusted_files.read_prediction_table(
            predictions(tmp_path, **columns), task="binary-classification", classes=(0, 1), rows=1
        )


@pytest.mark.parametrize("make", NOT_FILES[:3], ids=["link", "pipe", "folder"])
def test_predictions_are_in_a_file(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path / "predictions.parquet")
    with pytest.raises(ValueError, match=r"predictions\.parquet"):
        untrusted_files.read_prediction_table(tmp_path / "predictions.parquet", task="regression", classes=(), rows=1)


def test_a_damaged_file_has_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(ValueError, match="Arrow"):
        untrusted_files.read_prediction_table(tmp_path / "bad.parquet", task="regression", classes=(), rows=1)


def test_a_type_is_a_name_before_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    model = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    skops.io.dump(model, path)
    assert package.find_untrusted_types(path) == ()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"].replace(b'"LogisticRegression"', b'"x\\n::error::forged"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "schema.json": schema}.items():
            archive.writestr(name, content)
    with pytest.raises(Findings) as caught:
        package.find_untrusted_types(path)
    (found,) = caught.value.diagnostics
    assert found.id == "model-file-unreadable"
    assert "\n" not in found.message
