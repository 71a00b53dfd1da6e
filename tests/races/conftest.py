from __future__ import annotations

from tests.functional.conftest import gated, world_of_gated

__all__ = ["gated", "world_of_gated"]  # fixtures of the functional tests that these stand on too
