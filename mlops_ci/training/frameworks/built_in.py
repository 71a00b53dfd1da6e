"""The frameworks that need no plugin."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import load
from mlops_ci.training.frameworks.protocol import Framework
from mlops_ci.training.frameworks.sklearn import SKLEARN

FRAMEWORKS: Mapping[str, Framework] = {SKLEARN.name: SKLEARN}


def load_framework(name: str) -> Framework:
    """Return a framework: ours, or an installed package's; raises as `plugins.load` does."""
    return load(FRAMEWORKS, "mlops_ci.frameworks", name)
