"""A user's own metric: asked in a process of its own, which leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.spec.spec_types import CustomMetric
from mlops_ci.training.inference.custom_metrics import LabelledRows, custom_metric_values
from mlops_ci.training.predictions import Floats, Predictions

LABELS = pa.array(["no", "yes", "yes", "no"])
ROWS = pa.table({"amount": [1.0, 2.0, 3.0, 4.0]})
SURE = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])


def asked(folder: Path, code: str, of: Any = "predictions") -> tuple[dict[str, Floats], ...]:
    """Ask two models, of which the second says no to everything; insist that no file is left."""
    (folder / "metrics.py").write_text(code)
    scratch = folder / "scratch"
    scratch.mkdir()
    one = Predictions(labels=SURE.argmax(axis=1), probabilities=SURE)
    other = Predictions(labels=np.zeros(4, dtype=np.int64), probabilities=SURE[:, ::-1])
    try:
        return custom_metric_values(
            {"own": CustomMetric("metrics.py:own", "higher", of), "two": CustomMetric("metrics.py:two", "higher")},
            [("new", one, ("no", "yes")), ("old", other, ("no", "yes"))],
            LabelledRows("binary-classification", LABELS, ROWS),
            root=folder,
            scratch=scratch,
        )
    finally:
        assert list(scratch.rglob("*")) == []  # the labels were in there


TWO = "\n\ndef two(y_true, y_pred, rows):\n    return rows['amount']\n"


def test_a_function_gets_labels_predictions_and_rows_and_its_answers_are_by_model(tmp_path: Path) -> None:
    one, other = asked(tmp_path, "def own(y_true, y_pred, rows):\n    return (y_true == y_pred) * rows['amount']" + TWO)
    assert one["own"].tolist() == [1, 2, 3, 0]
    assert other["own"].tolist() == [1, 0, 0, 4]
    assert one["two"].tolist() == other["two"].tolist() == [1, 2, 3, 4]


def test_of_two_classes_the_seconds_probability_is_given(tmp_path: Path) -> None:
    one, other = asked(tmp_path, "def own(y_true, y_pred, rows):\n    return y_pred" + TWO, "probabilities")
    assert (one["own"].tolist(), other["own"].tolist()) == (SURE[:, 1].tolist(), SURE[:, 0].tolist())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1.0", "returned an array of shape () for 4 rows"),
        ("return [1, 2]", "returned an array of shape (2,) for 4 rows"),
        ("return [1, 2, float('nan'), 4]", "is NaN or infinite for 1 of 4 rows (the first is holdout row 3)"),
        ("raise KeyError('x')", "metrics.py:own failed: KeyError"),
        ("import os; os._exit(7)", "ended with exit code 7 and gave no result"),
        ("return ['a'] * 4", "metrics.py:own failed: ValueError"),
    ],
)
def test_what_is_no_number_for_each_row_is_a_finding(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(Findings) as found:
        asked(tmp_path, f"def own(y_true, y_pred, rows):\n    {body}" + TWO)
    (finding,) = found.value.diagnostics
    assert (finding.id, said in finding.message) == ("metric-failed", True), finding.message


def test_one_model_cannot_change_what_the_next_is_asked_about(tmp_path: Path) -> None:
    code = (
        "def own(y_true, y_pred, rows):\n    y_true[:] = 'no'\n    rows['amount'] = 9.0\n    return y_pred == y_true"
        + TWO
    )
    one, other = asked(tmp_path, code)
    assert other["own"].tolist() == [1, 1, 1, 1]  # its own copy was changed, and so was the first one's only
    assert one["two"].tolist() == [1, 2, 3, 4]
