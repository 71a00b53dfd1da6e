"""Which mlops-ci a text asks for."""

from __future__ import annotations

import pytest

from mlops_ci.repository.toolkit_pins import ToolkitPin, find_toolkit_pins, find_toolkit_versions

SHA = "3d3c42e5aac5ba805825da76410c181273ba90b1"


def test_a_use_is_found_with_its_line_and_is_fixed_only_by_a_commit() -> None:
    text = f"""\
jobs:
  gate:
    uses: mlops-ci/mlops-ci/.github/workflows/gate.yml@{SHA} # v1.2.0
    # uses: mlops-ci/mlops-ci@v0
  steps:
    - {{uses: "Acme/MLOps-CI/actions/gate@v1.2"}}
    - uses: acme/mlops-ci-fork/x@v1
"""
    found = find_toolkit_pins(text)
    assert found == (
        ToolkitPin("mlops-ci/mlops-ci/.github/workflows/gate.yml", SHA, 3),
        ToolkitPin("Acme/MLOps-CI/actions/gate", "v1.2", 6),
    )
    assert [pin.is_immutable for pin in found] == [True, False]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("session.install('mlops-ci==1.2')", {"mlops-ci==1.2"}),
        ("mlops_ci[s3] >= 1.2, < 2", {"mlops_ci[s3]>=1.2,<2"}),
        ("pip install 'mlops-ci @ git+https://github.com/a/mlops-ci@v1'", {"mlops-ci@git+https://github.com/a/mlops-ci@v1", "v1"}),
        ("  # mlops-ci==1.2", set()),
        ("import mlops_ci.nox", set()),
        ("name: mlops-ci", set()),
    ],
)  # fmt: skip
def test_a_requirement_counts_as_it_is_written_without_its_spaces(text: str, asked: set[str]) -> None:
    assert find_toolkit_versions(text) == asked


def test_a_long_text_takes_no_longer_than_it_is_long() -> None:
    assert (
        find_toolkit_versions("a" * 1_000_000 + "\n" + "mlops-ci " * 10_000 + "\n" + "a/mlops-ci/" * 10_000)
        == frozenset()
    )
