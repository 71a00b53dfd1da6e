"""Golden rows: when two models' answers are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_ci.training.packaging.golden_rows import GOLDEN_TOLERANCE, GoldenAgreement, compare_golden_rows
from mlops_ci.training.packaging.package_files import GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE

ROWS = pd.DataFrame(
    {"a": [1.0, np.nan, 3.0], "prediction.label": ["x", "y", "x"], "prediction.probability.0": [0.2, 0.5, 1.0]}
)


def compared(tmp_path: Path, made: Any, recorded: Any = ROWS) -> GoldenAgreement:
    for name, rows in (("recorded", recorded), ("made", made)):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        rows[["a"]].to_parquet(folder / GOLDEN_FILE)
        rows.drop(columns="a").to_parquet(folder / GOLDEN_PREDICTIONS_FILE)
    return compare_golden_rows(tmp_path / "recorded", tmp_path / "made", ["a"])


def test_the_same_answers_agree(tmp_path: Path) -> None:
    assert compared(tmp_path, ROWS) == GoldenAgreement(3, 0, 0.0)


@pytest.mark.parametrize(("apart", "close"), [(GOLDEN_TOLERANCE / 2, True), (GOLDEN_TOLERANCE * 2, False)])
def test_answers_within_the_tolerance_are_close(tmp_path: Path, apart: float, close: bool) -> None:
    made = ROWS.assign(**{"prediction.probability.0": [0.2, 0.5 + apart, 1.0]})
    found = compared(tmp_path, made)
    assert (found.changed_rows, found.is_close) == (0, close)
    assert found.largest_difference == pytest.approx(apart, rel=1e-6)


def test_another_label_is_a_changed_row_however_close_the_probabilities(tmp_path: Path) -> None:
    found = compared(tmp_path, ROWS.assign(**{"prediction.label": ["x", "x", "x"]}))
    assert (found, found.is_close) == (GoldenAgreement(3, 1, 0.0), False)


def test_large_values_are_compared_by_their_size(tmp_path: Path) -> None:
    recorded = pd.DataFrame({"a": [1.0, 2.0], "prediction.value": [1e9, -4.0]})
    found = compared(tmp_path, recorded.assign(**{"prediction.value": [1e9 + 0.5, -4.0]}), recorded)
    assert found.largest_difference == pytest.approx(5e-10)
    assert found.is_close


def test_what_is_not_a_number_equals_only_itself(tmp_path: Path) -> None:
    recorded = pd.DataFrame({"a": [1.0, 2.0, 3.0], "prediction.value": [np.nan, np.inf, 1.0]})
    assert compared(tmp_path, recorded, recorded) == GoldenAgreement(3, 0, 0.0)
    made = recorded.assign(**{"prediction.value": [0.0, -np.inf, np.nan]})
    assert compared(tmp_path, made, recorded).changed_rows == 3


@pytest.mark.parametrize(
    "made",
    [ROWS.head(2), ROWS.assign(a=[1.0, np.nan, 4.0]), ROWS.drop(columns="prediction.probability.0"), ROWS.iloc[::-1]],
    ids=["fewer rows", "another feature", "another kind of answer", "another order"],
)
def test_answers_to_other_questions_are_not_compared(tmp_path: Path, made: Any) -> None:
    found = compared(tmp_path, made)
    assert (found.largest_difference, found.is_close) == (None, False)


def test_a_damaged_or_swollen_file_agrees_with_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, ROWS, pd.concat([ROWS] * 200)).largest_difference is None
    for file in (GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE):
        assert compared(tmp_path, ROWS).is_close
        (tmp_path / "recorded" / file).write_bytes(b"PAR1")
        assert compare_golden_rows(tmp_path / "recorded", tmp_path / "made", ["a"]) == GoldenAgreement(0)
