"""The table of built-in targets, and the loader that also finds the targets of installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import Plugin, load
from mlops_ci.deployment.targets.kubernetes import KubernetesTarget
from mlops_ci.deployment.targets.protocol import Target
from mlops_ci.spec.spec_types import PluginTarget, TargetSpec

TARGETS: Mapping[str, Plugin[Target]] = {
    "kubernetes": Plugin("kubernetes", KubernetesTarget, TargetSpec, reads=("replicas", "resources", "rollout")),
}


def open_target(spec: TargetSpec | PluginTarget) -> Target:
    """Return the target that a spec describes; raises as `core.plugins.load` does."""
    options = spec if isinstance(spec, TargetSpec) else spec.options
    return load(TARGETS, "mlops_ci.targets", spec.type).make(options)
