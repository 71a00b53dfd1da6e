"""Values of personal columns are found in a model file where fitting put them, and settings are not taken for values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from mlops_ci.training.packaging.personal_values import personal_columns_in
from mlops_ci.training.packaging.skops import write_skops_file

FRAME = pd.DataFrame(
    {
        "city": pd.Series(["Aville", "Btown", "auto"] * 10, dtype=object),
        "ssn": [7_310_000_017 + 137 * at for at in range(30)],
        "note": pd.Series([f"word{at} rare" for at in range(30)], dtype=object),
        "age": list(range(30)),
        "y": [0, 1] * 15,
    }
)


def found(tmp_path: Path, model: Any) -> tuple[str, ...]:
    FRAME[["city", "ssn", "note", "age"]].to_parquet(tmp_path / "personal.parquet")
    write_skops_file(model, tmp_path / "model.skops")
    return personal_columns_in(tmp_path / "model.skops", tmp_path / "personal.parquet")


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (OneHotEncoder().fit(FRAME[["city"]]), ("city",)),
        (OrdinalEncoder().fit(FRAME[["city"]]), ("city",)),
        (TfidfVectorizer().fit(FRAME["note"]), ("note",)),
        (LogisticRegression().fit(FRAME[["age"]], FRAME["city"]), ("city",)),
        (KNeighborsClassifier().fit(FRAME[["ssn"]], FRAME["y"]), ("ssn",)),
        (MinMaxScaler().fit(FRAME[["ssn"]]), ("ssn",)),
        (StandardScaler().fit(FRAME[["ssn", "age"]]), ()),  # a mean is not a value
        (LogisticRegression().fit(FRAME[["age"]], FRAME["y"]), ()),
        (OneHotEncoder().fit(FRAME[["age"]]), ()),  # `categories="auto"` is a setting, and an age is short
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "-".join(value),
)
def test_a_value_is_found_where_fitting_put_it(tmp_path: Path, model: Any, columns: tuple[str, ...]) -> None:
    assert found(tmp_path, model) == columns


def test_a_file_of_another_format_is_read_as_words(tmp_path: Path) -> None:
    FRAME[["city", "note"]].to_parquet(tmp_path / "personal.parquet")
    (tmp_path / "model.bin").write_bytes(b"\x00\x01cats=['Btown', 'x']\x00" + np.arange(9).tobytes())
    assert personal_columns_in(tmp_path / "model.bin", tmp_path / "personal.parquet") == ("city",)


@pytest.mark.parametrize(
    "kept", [b"\x00\x05Aville\x01", b'{"categories": ["Aville"]}', "x=1\n" * 60 + '[["Aville","Btown"]]']
)
def test_a_value_in_a_model_of_another_library_is_found(tmp_path: Path, kept: Any) -> None:
    """A class of the repository may keep a model as bytes or as a text, as docs/estimators.md shows."""
    model = LogisticRegression().fit(FRAME[["age"]], FRAME["y"])
    model.model_ = kept
    assert found(tmp_path, model) == ("city",)
    model.model_ = kept.replace(b"Aville", b"") if isinstance(kept, bytes) else kept[:240]
    assert found(tmp_path, model) == ()
