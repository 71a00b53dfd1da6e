"""A spec with its typed value and the place of each field in its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mlops_ci.core.diagnostics import Location
from mlops_ci.spec.spec_types import DatasetSpec, DeploymentSpec, ModelSpec, ProjectSpec
from mlops_ci.spec.yaml.document import Document

S = TypeVar("S")


@dataclass(frozen=True)
class LocatedSpec(Generic[S]):
    """A valid spec.

    `path` is relative to the project's root (POSIX). `digest` covers kind, name and the spec as written.
    """

    kind: str
    name: str
    owner: str | None
    path: str
    digest: str
    spec: S
    document: Document

    def locate(self, *pointer: str | int, key: bool = False) -> Location:
        """Return the place of a value, or of its key, such as `locate("spec", "features", 2)`.

        When the file has no such value, return the place of the nearest existing parent's key.
        """
        return self.document.locate(pointer, key)

    def value(self, *pointer: str | int) -> Any:
        """Return the value at the pointer as the file has it, or None when the file has no such value."""
        node = self.document.root
        for part in pointer:
            if part not in node.children:
                return None
            node = node.children[part]
        return node.data


@dataclass(frozen=True)
class Specs:
    """All specs of a project. Each is valid, and their references are valid. Datasets, models, deployments are by name."""

    project: LocatedSpec[ProjectSpec]
    datasets: Mapping[str, LocatedSpec[DatasetSpec]]
    models: Mapping[str, LocatedSpec[ModelSpec]]
    deployments: Mapping[str, LocatedSpec[DeploymentSpec]]
