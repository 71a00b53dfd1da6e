"""A change that tries to pass the gate without being better; and the jobs that it meets."""

from __future__ import annotations

from tests.e2e.keep.conftest import jobs, made

__all__ = ["jobs", "made"]  # fixtures
