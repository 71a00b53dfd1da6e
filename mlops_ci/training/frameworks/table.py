"""The table of built-in frameworks."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import load
from mlops_ci.training.frameworks.protocol import Framework
from mlops_ci.training.frameworks.sklearn import SKLEARN

FRAMEWORKS: Mapping[str, Framework] = {SKLEARN.name: SKLEARN}


def load_framework(name: str) -> Framework:
    """Return a built-in framework, or one of an installed package; raises as `plugins.load` does."""
    return load(FRAMEWORKS, "mlops_ci.frameworks", name)
