"""Release + Deployment spec -> the bytes of every manifest: a pure function, the same bytes for the same input."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.records import Release
from mlops_ci.deployment.public_urls import without_credentials
from mlops_ci.deployment.targets import kubernetes
from mlops_ci.spec.spec_types import DeploymentSpec

__all__ = ["TARGETS", "render_manifests", "without_credentials"]

TargetRenderer = Callable[[Release, DeploymentSpec, str, str], Mapping[str, Mapping[str, Any]]]
TARGETS: Mapping[str, TargetRenderer] = {"kubernetes": kubernetes.kustomize_documents}

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def render_manifests(
    release: Release, deployment: DeploymentSpec, name: str, *, repository: str
) -> Mapping[str, bytes]:
    """Return the manifests that run a release as a Deployment spec says, by path relative to `deploy/<environment>/<model>/`.

    `name` is the spec's own name; `repository` is the URL to fetch from where the spec names none, and is written without
    its credentials. Raises UsageProblem `deployment-name-invalid` or `deployment-repository-missing`, and EnvironmentProblem
    `release-record-unsafe` for a record that this toolkit would not have written.
    """
    _ensure_valid_names(deployment, name)
    _ensure_safe_record(release, deployment)
    if not (deployment.target.repository or repository).strip():
        raise UsageProblem.of(
            "deployment-repository-missing",
            f"'{name}' has no repository to fetch '{deployment.model}' from: the spec names none and this one has no remote",
            help="set `spec.target.repository` to a URL that the cluster can reach, or add a remote: git remote add origin URL",
        )
    header = f"# Written by mlops-ci from the Deployment spec '{name}'; change the spec instead.\n"
    documents = TARGETS[deployment.target.type](release, deployment, name, repository)
    return {path: (header + _dump(document)).encode() for path, document in documents.items()}


def _ensure_valid_names(deployment: DeploymentSpec, name: str) -> None:
    rules = (
        ("the model's name", deployment.model, _SERVICE),
        ("the environment's name", deployment.environment, _LABEL),
        ("the namespace", deployment.target.namespace, _LABEL),
        ("the spec's name", name, _LABEL),
    )
    for what, value, rule in rules:
        if not rule.fullmatch(value):
            raise UsageProblem.of(
                "deployment-name-invalid",
                f"{what}, {value!r}, cannot be used in Kubernetes",
                help="use lower-case letters, digits and hyphens, at most 63 characters, no hyphen at either end;"
                " a model's name is its Service's, and must start with a letter",
            )


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


class _Dumper(yaml.SafeDumper):
    """Block scalars for several lines; no aliases; quotes wherever any YAML reader might see something other than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the name and parameters are PyYAML's
        return True


# PyYAML's idea of what needs quotes is narrower than that of Kubernetes' reader: 1e10 and y are text to the first only
_AMBIGUOUS = re.compile(r"[-+.0-9].*|y|n|Y|N", re.DOTALL)
_ESCAPED = re.compile(
    "[^\\n -~\u00a0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)  # controls and odd line breaks


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _ESCAPED.search(value) else "|" if "\n" in value else "'" if _AMBIGUOUS.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
