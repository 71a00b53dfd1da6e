"""Affected models in batches: jobs of one matrix, which GitHub limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.results.impact import MATRIX_LIMIT, AffectedItem, AffectedReport


def batches(count: int) -> tuple[tuple[str, ...], ...]:
    models = tuple(AffectedItem(f"m{number}", ("its spec",)) for number in range(count))
    return AffectedReport(models, (), (), count).batches


def test_no_models_need_no_job() -> None:
    assert batches(0) == ()


def test_few_models_have_a_job_each() -> None:
    assert batches(3) == (("m0",), ("m1",), ("m2",))
    assert len(batches(256)) == 256


@given(st.integers(1, 2000))
def test_each_model_is_in_one_batch_and_batches_differ_by_one_model_at_most(count: int) -> None:
    found = batches(count)
    assert [name for batch in found for name in batch] == [f"m{number}" for number in range(count)]
    assert len(found) == min(count, MATRIX_LIMIT)
    sizes = {len(batch) for batch in found}
    assert max(sizes) - min(sizes) <= 1
