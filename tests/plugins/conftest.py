"""A package of plugins that is installed beside the toolkit: its folder is on the path, with what an installer writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ACME = Path(__file__).parent / "acme"


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the package importable, and its entry points found."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ACME)])
    return ACME
