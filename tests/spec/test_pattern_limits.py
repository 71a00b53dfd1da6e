"""The patterns of a spec are validated in bounded time, whatever they are."""

from __future__ import annotations

import time

import pytest

from mlops_ci.core.diagnostics import Location
from mlops_ci.spec.validation.dataset import _pattern_findings

AT = Location("data/x.yaml")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)" + "[a-\U0010ffff]" * 190,
        "(" * 480 + "a" + ")*" * 480,
        "(a*)*" * 190,
        "((((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}){1,1000})",
        "|".join("a" * 500),
        "[a-\U0010ffff]{1000}" * 50,
    ],
    ids=["classes", "groups", "stars", "counts", "alternatives", "counted classes"],
)
def test_a_large_pattern_takes_no_time(pattern: str) -> None:
    began = time.process_time()
    for _ in range(10):
        list(_pattern_findings(pattern, AT))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", ["(a", "[z-a]", "a**", "a{99999999999}", "(?P<n>a)(?P<n>b)", "(?i)(a"])
def test_a_pattern_that_is_wrong_is_still_found(pattern: str) -> None:
    assert [one.id for one in _pattern_findings(pattern, AT)] == ["column-pattern"]
