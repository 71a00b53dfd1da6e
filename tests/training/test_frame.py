"""Rows as a model sees them: nothing is cut, parsed or guessed to make today's data fit yesterday's model."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_ci.core.records.training_run import ModelField
from mlops_ci.training.frame import feature_frame, incompatible_inputs


def one(values: Any, type: str) -> Any:
    return feature_frame(pd.DataFrame({"a": values}), [ModelField("a", type)])["a"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int64"),
        ([1.0, 2.0], "int64"),
        ([1.0, np.nan], "float64"),
        ([1.0, 2.5], "float64"),
        ([1.0, np.inf], "float64"),
        ([Decimal(1), Decimal("2.5")], "float64"),
        (np.array([1, 2**63], dtype="uint64"), "float64"),
        ([2**62 + 1, 3], "int64"),
    ],
)
def test_an_integer_that_is_none_today_is_not_cut(values: Any, kind: str) -> None:
    found = one(values, "integer")
    assert found.dtype == kind
    assert np.array_equal(found.to_numpy(), pd.Series(values).to_numpy(dtype=kind), equal_nan=True)


@pytest.mark.parametrize(
    ("values", "type", "kind"),
    [
        (["1.5", "2"], "number", "string"),
        (["1", "2"], "integer", "string"),
        (["True", None], "boolean", "string"),
        ([1, "x"], "number", "mixed-integer"),
        ([1.0, 2.0], "string", "floating"),
        ([True, False], "string", "boolean"),
        (["2024-01-01"], "date", "string"),
    ],
)
def test_another_kind_of_values_is_refused_by_name(values: Any, type: str, kind: str) -> None:
    message = f"input 'a' was of type {type} in training, but now has {kind} values"
    with pytest.raises(ValueError, match=message):
        one(values, type)


def test_what_fits_stays_as_it_was() -> None:
    assert one([1, 2], "number").dtype == "float64"
    assert one([True, None], "boolean").tolist()[0] == 1.0
    assert one(["x", None], "string").tolist() == ["x", pytest.approx(np.nan, nan_ok=True)]
    assert one([None, None], "string").isna().all()
    assert one([None, None], "number").dtype == "float64"
    assert one([dt.date(2024, 1, 1), None], "date").iloc[0] == dt.date(2024, 1, 1)
    assert one(pd.to_datetime(["2024-01-01"]), "timestamp").dtype.kind == "M"


def test_inputs_of_another_type_are_named_with_both() -> None:
    inputs = [
        ModelField("a", "integer"),
        ModelField("b", "integer"),
        ModelField("c", "number"),
        ModelField("d", "string"),
        ModelField("e", "date"),
    ]
    today = {"a": "string", "b": "number", "c": "integer", "d": "string"}
    assert incompatible_inputs(inputs, today) == ("a (integer in training, string now)",)
    assert incompatible_inputs(inputs, {"e": "timestamp"}) == ("e (date in training, timestamp now)",)
