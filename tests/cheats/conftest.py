"""A change that tries to pass the gate without being better; and the jobs that it meets."""

from __future__ import annotations

from tests.functional.conftest import gated, world_of_gated
from tests.functional.test_separated import jobs

__all__ = ["gated", "jobs", "world_of_gated"]  # fixtures
