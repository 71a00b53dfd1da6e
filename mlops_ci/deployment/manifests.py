"""Release + Deployment spec -> the bytes of every manifest: a pure function, the same bytes for the same input."""

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
    """Return the manifests that run a release as a Deployment spec says, by path relative to `deploy/<environment>/<model>/`.

    `name` is the spec's own name; `repository` is the URL to fetch from where the spec names none, and is written without
    its credentials. Raises what the target's `validate` raises, EnvironmentProblem `release-record-unsafe` for a record
    that this toolkit would not have written, and `plugin-failed` for a package's target that plans no files, or others
    than below that folder.
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
            f"the target '{deployment.target.type}' of {distribution_of('mlops_ci.targets', deployment.target.type)} plans"
            f" no files, or others than plain paths with bytes: {', '.join(map(repr, files)) or 'none'}",
            help="tell its author: mlops_ci.testing checks a target",
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
            help="the tag was damaged or written by something else: compare it with another clone, and release again",
        )
