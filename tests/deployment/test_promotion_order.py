"""Which environments a version must have been in: those of today that its release knew, and that its model can be deployed to."""

from __future__ import annotations

import pytest

from mlops_ci.deployment.promotion_order import earlier_environments

THREE = ("staging", "canary", "prod")


@pytest.mark.parametrize(
    ("order", "environment", "deployable", "at_release", "expected"),
    [
        (("staging", "prod"), "prod", {"staging", "prod"}, ("staging", "prod"), ("staging",)),
        (("staging", "prod"), "staging", {"staging", "prod"}, ("staging", "prod"), ()),
        (THREE, "prod", set(THREE), THREE, ("staging", "canary")),
        (THREE, "prod", set(THREE), ("staging", "prod"), ("staging",)),  # canary is newer than the release
        (THREE, "canary", set(THREE), ("staging", "prod"), ("staging",)),
        (THREE, "prod", {"staging", "prod"}, THREE, ("staging",)),  # the model has no canary
        (THREE, "prod", {"prod"}, THREE, ()),
        (("dev", "staging", "prod"), "staging", {"dev", "staging", "prod"}, ("staging", "prod"), ()),
        (("staging", "prod"), "prod", {"staging", "prod"}, ("prod",), ()),
        (("test", "prod"), "prod", {"test", "prod"}, ("staging", "prod"), ("test",)),  # staging has another name now
        (THREE, "prod", set(THREE), None, ("staging", "canary")),  # what the release knew is not known
        (("staging", "live"), "live", {"staging", "live"}, ("staging", "prod"), ("staging",)),
    ],
)
def test_the_earlier_environments(
    order: tuple[str, ...],
    environment: str,
    deployable: set[str],
    at_release: tuple[str, ...] | None,
    expected: tuple[str, ...],
) -> None:
    assert earlier_environments(order, environment, deployable, at_release) == expected
