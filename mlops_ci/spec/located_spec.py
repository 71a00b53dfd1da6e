"""Specs as read: the typed value together with the place that each field came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mlops_ci.core.diagnostics import Location
from mlops_ci.spec.spec_types import DatasetSpec, DeploymentSpec, ModelSpec, ProjectSpec
from mlops_ci.spec.yaml.document import Document

S = TypeVar("S")
AnySpec = ProjectSpec | DatasetSpec | ModelSpec | DeploymentSpec


@dataclass(frozen=True)
class LocatedSpec(Generic[S]):
    """A valid spec. `path` is relative to the project's root (POSIX); `digest` is of kind, name and spec as written."""

    kind: str
    name: str
    owner: str | None
    path: str
    digest: str
    spec: S
    document: Document

    def locate(self, *pointer: str | int, key: bool = False) -> Location:
        """Return the place of a value, or of its key, such as `locate("spec", "features", 2)`.

        What the file does not have is placed at the key of the nearest thing above it.
        """
        return self.document.locate(pointer, key)

    def value(self, *pointer: str | int) -> Any:
        """Return the value at the pointer as the file has it; None when it does not."""
        node = self.document.root
        for part in pointer:
            if part not in node.children:
                return None
            node = node.children[part]
        return node.data


@dataclass(frozen=True)
class Specs:
    """All specs of a project, valid by themselves and together; by name where there are several of a kind."""

    project: LocatedSpec[ProjectSpec]
    datasets: Mapping[str, LocatedSpec[DatasetSpec]]
    models: Mapping[str, LocatedSpec[ModelSpec]]
    deployments: Mapping[str, LocatedSpec[DeploymentSpec]]
