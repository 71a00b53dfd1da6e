"""Renders a release and a Deployment spec to manifests. The function is pure: the same input gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import distribution_of, translate_plugin_errors
from mlops_ci.core.records.events import Release
from mlops_ci.deployment.public_urls import without_credentials
from mlops_ci.deployment.targets.protocol import DeploymentRequest
from mlops_ci.deployment.targets.table import open_target
from mlops_ci.spec.spec_types import DeploymentSpec

__all__ = ["render_manifests", "without_credentials"]

_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def render_manifests(
    release: Release, deployment: DeploymentSpec, name: str, *, repository: str
) -> Mapping[str, bytes]:
    """Return the manifests of a release by path relative to `deploy/<environment>/<model>/`.

    `name` is the name of the Deployment spec. `repository` is the URL to fetch from if the spec has none; it is written
    without credentials. Raises the errors of the target's `validate`; EnvironmentProblem `release-record-unsafe` for a record
    that this toolkit would not write; and `plugin-failed` if a plugin's target returns no files, or paths outside the folder.
    """
    _ensure_safe_record(release, deployment)
    request = DeploymentRequest(release, deployment, name, repository)
    with translate_plugin_errors("mlops_ci.targets", deployment.target.type):
        target = open_target(deployment.target)
        target.validate(request)
        files = dict(target.plan(request))
    if not files or any(not _PATH.fullmatch(path) or not isinstance(files[path], bytes) for path in files):
        raise EnvironmentProblem.of(
            "plugin-failed",
            f"the target '{deployment.target.type}' of {distribution_of('mlops_ci.targets', deployment.target.type)}"
            f" returned no files, or invalid paths or contents: {', '.join(map(repr, files)) or 'none'}",
            help="report it to the plugin's author; mlops_ci.testing checks a target",
        )
    return files


def _ensure_safe_record(release: Release, deployment: DeploymentSpec) -> None:
    wrong = [f"version {release.version!r}"] if not _VERSION.fullmatch(release.version) else []
    wrong += [f"model {release.model!r}"] if release.model != deployment.model else []
    wrong += [f"path {file.path!r}" for file in release.model_files if not _PATH.fullmatch(file.path)]
    wrong += [f"digest {file.sha256!r}" for file in release.model_files if not _SHA256.fullmatch(file.sha256)]
    wrong += ["no model files"] if not release.model_files else []
    if wrong:
        raise EnvironmentProblem.of(
            "release-record-unsafe",
            f"the record of {deployment.model}@v{release.version} cannot be deployed: {wrong[0]}",
            help="the tag was damaged, or another tool wrote it: compare it with another clone, and release again",
        )
