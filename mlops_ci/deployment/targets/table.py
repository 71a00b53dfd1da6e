"""The table of built-in targets, and the loader that also finds the targets of installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import Plugin, make
from mlops_ci.deployment.targets.kubernetes import KubernetesTarget
from mlops_ci.deployment.targets.protocol import Target
from mlops_ci.spec.spec_types import PluginTarget, TargetSpec

TARGETS: Mapping[str, Plugin[Target]] = {
    "kubernetes": Plugin("kubernetes", KubernetesTarget, TargetSpec, reads=("replicas", "resources", "rollout")),
}


def open_target(spec: TargetSpec | PluginTarget) -> Target:
    """Return the target that a spec describes; raises as `core.plugins.make` does."""
    if isinstance(spec, TargetSpec):
        return TARGETS[spec.type].make(spec)
    return make("mlops_ci.targets", spec.type, spec.options, Target)  # type: ignore[type-abstract]  # a protocol
