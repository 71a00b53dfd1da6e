"""The holdout cut into slices: every row is in one slice of a column, and what is too small to be tested is only shown."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.evaluation.verdict.slices import cut_slices, format_slice_values

VALUES = st.lists(st.sampled_from(["JFK", "LGA", None, 1.0, 1.5, float("nan")]), min_size=1, max_size=40)


def test_slices_of_a_column_come_by_size_with_the_missing_ones_too() -> None:
    columns = {"origin": np.array(["LGA", "JFK", "LGA", None, "LGA", "JFK"], dtype=object)}
    found = [(one.name, one.rows.tolist(), one.is_testable) for one in cut_slices(columns, {}, 2)]
    assert found == [
        (("origin", "LGA"), [0, 2, 4], True),
        (("origin", "JFK"), [1, 5], True),
        (("origin", "(missing)"), [3], False),
    ]


def test_a_condition_is_a_slice_even_when_no_row_meets_it() -> None:
    conditions = {"long": np.array([True, False, True]), "never": np.zeros(3, dtype=bool)}
    found = [(one.name, one.rows.tolist(), one.is_testable) for one in cut_slices({}, conditions, 1)]
    assert found == [(("long",), [0, 2], True), (("never",), [], False)]


def test_of_too_many_small_slices_the_largest_are_shown_and_all_that_can_be_tested() -> None:
    many = np.array([str(number) for number in range(60)] * 2, dtype=object)
    assert len(list(cut_slices({"zip": many}, {}, 2))) == 60
    assert len(list(cut_slices({"zip": many}, {}, 3))) == 50


@given(VALUES, st.integers(1, 5))
def test_each_row_is_in_exactly_one_slice_of_a_column(values: list[object], least: int) -> None:
    rows = [one.rows for one in cut_slices({"x": np.array(values, dtype=object)}, {}, least)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(values)))


def test_values_are_named_as_people_write_them() -> None:
    assert format_slice_values([1.0, 1.5, None, float("nan"), "a", True]).tolist() == ["1", "1.5", "(missing)", "(missing)", "a", "True"]  # fmt: skip
