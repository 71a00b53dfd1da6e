"""The protocol of targets: from a release and a Deployment spec to the files that a delivery tool applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mlops_ci.core.records.events import Release
from mlops_ci.spec.spec_types import DeploymentSpec


@dataclass(frozen=True)
class DeploymentRequest:
    """A release to deploy, with the Deployment spec `name`.

    `repository` is the URL of the repository, without credentials; empty if there is no remote.
    """

    release: Release
    deployment: DeploymentSpec
    name: str
    repository: str


@runtime_checkable
class Target(Protocol):
    """A target. It is pure: it reads no files and no clock, and the same request gives the same bytes."""

    def validate(self, request: DeploymentRequest) -> None:
        """Raise UsageProblem if the request cannot run on this platform."""
        ...

    def plan(self, request: DeploymentRequest) -> Mapping[str, bytes]:
        """Return the files that run the release, by path below `deploy/<environment>/<model>/`."""
        ...
