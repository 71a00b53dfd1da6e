"""What is known of held-out rows beside their labels: weights that are weights, and rows that depend on each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings
from mlops_ci.evaluation.base_branch_rules import RowDependence
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.holdout.row_metadata import dependence_groups, distinct_values, row_metadata, row_weights
from mlops_ci.evaluation.verdict.slices import cut_slices
from mlops_ci.spec.spec_types import EvaluateSpec, SliceSpec
from tests.evaluation.conftest import identify, write_project


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """A candidate that the tests read, and vary in copies."""
    root = tmp_path_factory.mktemp("air")
    write_project(root)
    return identify(root)


def with_rules(candidate: Candidate, **changes: Any) -> Candidate:
    return replace(candidate, rules=replace(candidate.rules, **changes))


def weighted(candidate: Candidate, values: list[Any]) -> Any:
    return row_weights(with_rules(candidate, evaluate=EvaluateSpec(weights="w")), pa.table({"w": values}))


def grouped(candidate: Candidate, dependence: RowDependence, **columns: Any) -> list[int] | None:
    found = dependence_groups(with_rules(candidate, dependence=dependence), pa.table(columns))
    return None if found is None else found.tolist()


def test_rows_without_weights_count_alike(candidate: Candidate) -> None:
    assert row_weights(candidate, pa.table({"w": [1, 2]})) is None
    assert weighted(candidate, [1, 0, 2]).tolist() == [1.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1.0, None, 2.0], "1 holdout row has no valid weight"),
        ([1.0, -1.0, float("nan"), float("inf")], "3 holdout rows have no valid weight"),
        ([0, 0], "all weights are 0"),
        (["a", "b"], "2 holdout rows have no valid weight"),
    ],
)
def test_what_is_no_weight_is_refused_at_its_place(candidate: Candidate, values: list[Any], why: str) -> None:
    with pytest.raises(Findings) as caught:
        weighted(candidate, values)
    (found,) = caught.value.diagnostics
    assert (found.id, found.message) == ("weights-invalid", f"the column 'w' cannot be used as weights: {why}")


def test_rows_of_a_group_share_a_number_and_rows_without_one_have_their_own(candidate: Candidate) -> None:
    found = grouped(candidate, RowDependence(group="g"), g=["a", "b", None, "a", None])
    assert found is not None
    assert found[0] == found[3]
    assert len(set(found)) == 4


@given(values=st.lists(st.one_of(st.none(), st.sampled_from("abc")), min_size=1))
def test_two_rows_share_a_number_exactly_if_they_share_a_value(candidate: Candidate, values: list[str | None]) -> None:
    found = grouped(candidate, RowDependence(group="g"), g=pa.array(values, pa.string()))
    assert found is not None
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            assert (found[i] == found[j]) == (i == j or (one is not None and one == other))


def test_rows_of_a_block_of_time_depend_on_each_other(candidate: Candidate) -> None:
    times = np.array(["2026-01-01T00:10", "2026-01-01T05:59", "2026-01-01T06:00", "2026-01-02T00:10"], "datetime64[us]")
    found = grouped(candidate, RowDependence(blocks="6h", time="t"), t=times)
    assert found is not None
    assert [found[0] == other for other in found] == [True, True, False, False]
    assert len(set(found)) == 3


def test_text_cannot_be_cut_into_blocks_of_time(candidate: Candidate) -> None:
    with pytest.raises(
        Findings, match=r"the time column 't' has the type string, which cannot be divided into blocks of 6h"
    ) as caught:
        grouped(candidate, RowDependence(blocks="6h", time="t"), t=["noon", "later"])
    assert caught.value.diagnostics[0].id == "blocks-time-type"


def test_rows_of_no_dataset_that_says_so_are_independent(candidate: Candidate) -> None:
    assert grouped(candidate, RowDependence(), g=["a", "a"]) is None


def test_slices_are_columns_as_they_are_and_conditions_as_masks(candidate: Candidate) -> None:
    evaluate = EvaluateSpec(slices=("origin", SliceSpec("night", "hour >= 22 or hour < 5")))
    table = pa.table({"origin": ["JFK", "EWR", "JFK"], "hour": [23, 12, 4]})
    found = row_metadata(with_rules(candidate, evaluate=evaluate), table)
    assert {name: values.tolist() for name, values in found.slices.items()} == {"origin": ["JFK", "EWR", "JFK"]}
    assert {name: mask.tolist() for name, mask in found.conditions.items()} == {"night": [True, False, True]}
    assert (found.weights, found.groups, dict(found.fairness_columns)) == (None, None, {})


def test_a_condition_that_does_not_fit_the_rows_is_refused_by_the_slices_name(candidate: Candidate) -> None:
    evaluate = EvaluateSpec(slices=(SliceSpec("night", "hour >= 22"),))
    with pytest.raises(Findings, match=r"^the condition of the slice 'night' does not fit these data: ") as caught:
        row_metadata(with_rules(candidate, evaluate=evaluate), pa.table({"hour": ["late", "early"]}))
    assert caught.value.diagnostics[0].id == "slice-condition-invalid"


SECOND = 1_700_000_000 * 10**9  # nanoseconds since 1970 at 2023-11-14 22:13:20


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pa.array([2**53 + 1, 2**53, None]), ["(missing)", "9007199254740992", "9007199254740993"]),
        (pa.array([2**64 - 1, 2**64 - 2, None], pa.uint64()), ["(missing)", str(2**64 - 2), str(2**64 - 1)]),
        (
            pa.array([SECOND, SECOND + 1, SECOND + 500_000_000, None], pa.timestamp("ns")),
            ["(missing)", "2023-11-14 22:13:20", "2023-11-14 22:13:20.000000001", "2023-11-14 22:13:20.5"],
        ),
        (pa.array([1, 2, 2]), ["1", "2"]),
        (pa.array([True, None, False]), ["(missing)", "False", "True"]),
    ],
)
def test_different_values_are_different_slices(column: Any, names: list[str]) -> None:
    values = distinct_values(pa.chunked_array([column]))
    assert sorted(one.name[1] for one in cut_slices({"x": values}, {}, 1)) == names
