"""What a target is: a release and a Deployment spec in, the files that a delivery tool applies out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mlops_ci.core.records.events import Release
from mlops_ci.spec.spec_types import DeploymentSpec


@dataclass(frozen=True)
class DeploymentRequest:
    """What is to run: a release, as the Deployment spec `name` says.

    `repository` is the URL of the repository, without credentials; empty where there is no remote.
    """

    release: Release
    deployment: DeploymentSpec
    name: str
    repository: str


@runtime_checkable
class Target(Protocol):
    """A target. It is pure: it reads neither files nor clock, and the same request gives the same bytes."""

    def validate(self, request: DeploymentRequest) -> None:
        """Raise UsageProblem where the request cannot run on this platform."""
        ...

    def plan(self, request: DeploymentRequest) -> Mapping[str, bytes]:
        """Return the files that run the release, by path below `deploy/<environment>/<model>/`."""
        ...
