"""Docker Compose: one file for each environment of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plugins import Plugin
from mlops_ci.deployment.targets.protocol import DeploymentRequest, Target


@dataclass(frozen=True)
class Compose:
    """The port that the model is served at."""

    host_port: int = 8080

    def validate(self, request: DeploymentRequest) -> None:
        if not request.repository:
            raise UsageProblem.of("deployment-repository-missing", "Compose fetches the model from a repository")

    def plan(self, request: DeploymentRequest) -> Mapping[str, bytes]:
        service = {
            "image": f"models/{request.release.model}:{request.release.version}",
            "ports": [f"{self.host_port}:80"],
        }
        return {"compose.yaml": json.dumps({"services": {request.release.model: service}}, indent=1).encode()}


def _make(options: Compose) -> Target:
    return options


COMPOSE = Plugin(
    "compose",
    make=_make,
    options=Compose,
    schema={"properties": {"hostPort": {"type": "integer", "minimum": 1, "description": "The port of the host."}}},
    reads=("resources",),
)
