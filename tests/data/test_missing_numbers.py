"""NaN is missing, in parquet as in CSV: writers leave it out of a file's statistics, and an engine may believe those."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mlops_ci.spec.spec_types import ColumnSpec, Nulls

NAN = float("nan")


@pytest.mark.parametrize("type", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_in_a_parquet_file_is_missing_for_every_check(parquet_bench: Any, type: pa.DataType) -> None:
    parquet_bench.parquet({"x": pa.array([1.0, NAN, 2.0, NAN, -0.0, None], type)})
    record, findings = parquet_bench.snapshot(columns={"x": ColumnSpec("number", nulls=Nulls(0), unique=True, max=2)})
    assert [(found.id, found.message) for found in findings] == [
        ("check-nulls", "column 'x': 3 of 6 rows (50 %) fail 'at most 0 % missing'")
    ]
    (column,) = record.columns
    assert (column.nulls, column.minimum, column.maximum) == (3, 0.0, 2.0)


def test_nan_is_no_key(parquet_bench: Any) -> None:
    parquet_bench.parquet({"x": [1.0, NAN, NAN]})
    assert parquet_bench.ids(key=("x",)) == ["check-nulls"]


def test_nan_in_parquet_and_an_empty_field_of_csv_are_the_same(bench: Any, parquet_bench: Any) -> None:
    parquet_bench.parquet({"x": [1.5, NAN, None]})
    bench.csv("x\n1.5\nnan\n\n")
    assert bench.content() == parquet_bench.content()
