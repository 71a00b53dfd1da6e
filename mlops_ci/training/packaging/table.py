"""The table of built-in model formats."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import load
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.skops import SKOPS

PACKAGERS: Mapping[str, Packager] = {SKOPS.name: SKOPS}


def load_packager(name: str) -> Packager:
    """Return the packager of a built-in format or of an installed package; raises as `plugins.load` does."""
    return load(PACKAGERS, "mlops_ci.packagers", name)
