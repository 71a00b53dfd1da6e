"""Every example spec prints exactly what stands beside it; `python -m tests.spec.regenerate` writes that anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.spec.load import load_specs
from tests.support.examples import cases, expected, lay_out, printed


@pytest.mark.parametrize("case", cases("invalid"), ids=lambda case: case.stem)
def test_an_invalid_spec_prints_exactly_the_text_beside_it(case: Path, tmp_path: Path) -> None:
    assert printed(case, tmp_path / "repo") == expected(case).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", cases("valid"), ids=lambda case: case.stem)
def test_a_valid_spec_is_read_without_a_word(case: Path, tmp_path: Path) -> None:
    specs, diagnostics = load_specs(lay_out(case, tmp_path / "repo"))
    assert diagnostics == ()
    assert specs is not None


def test_there_are_enough_examples_and_each_text_belongs_to_one() -> None:
    invalid = cases("invalid")
    assert len(invalid) >= 40
    assert len(cases("valid")) >= 15
    assert {expected(case) for case in invalid} == set(invalid[0].parent.glob("*.txt"))


def test_the_smallest_model_has_ten_lines() -> None:
    smallest = next(case for case in cases("valid") if case.stem.endswith("smallest-model"))
    assert len(smallest.read_text().splitlines()) == 10
