"""The table of built-in targets, and the loader that also finds the targets of installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.plugins import Plugin, load, translate_plugin_errors
from mlops_ci.deployment.targets.kubernetes import KubernetesTarget
from mlops_ci.deployment.targets.protocol import Target
from mlops_ci.spec.spec_types import PluginTarget, TargetSpec

TARGETS: Mapping[str, Plugin[Target]] = {
    "kubernetes": Plugin("kubernetes", KubernetesTarget, TargetSpec, reads=("replicas", "resources", "rollout")),
}


def open_target(spec: TargetSpec | PluginTarget) -> Target:
    """Return the target that a spec describes; raises as `core.plugins.load` does."""
    if isinstance(spec, TargetSpec):
        return TARGETS[spec.type].make(spec)
    with translate_plugin_errors("mlops_ci.targets", spec.type):
        made = load(TARGETS, "mlops_ci.targets", spec.type).make(spec.options)
        if not callable(getattr(made, "plan", None)):
            raise TypeError(f"its `make` returned a value of type {type(made).__name__}, which is no target")
    return made
