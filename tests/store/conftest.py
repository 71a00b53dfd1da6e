"""The object store that the tests of this folder stand on."""

from __future__ import annotations

from tests.objects import bucket, endpoint

__all__ = ["bucket", "endpoint"]
