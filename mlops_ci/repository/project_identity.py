"""The identity of a project: its name and folder, and those that it had before. Events and runs belong to the project that they name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.records.base import ProjectRef
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import PROJECT_FILE, find_root, parse_project
from mlops_ci.spec.spec_types import FormerProject


@dataclass(frozen=True)
class ProjectIdentity:
    """A project as it is now, and the projects whose history it continues."""

    reference: ProjectRef
    formerly: tuple[FormerProject, ...] = ()

    def owns_model(self, model: str, name: str, path: str) -> bool:
        """Return whether records of a model that name a project, by name and folder, belong to this project."""
        return any(not models or model in models for models in self._find(name, path))

    def owns_dataset(self, name: str, path: str) -> bool:
        """Return whether records of a dataset that name a project, by name and folder, belong to this project."""
        return bool(self._find(name, path))

    def _find(self, name: str, path: str) -> list[tuple[str, ...]]:
        """Return the models of each project by that name and folder that this project is or was; nothing: all of them."""
        known = (FormerProject(self.reference.name, self.reference.path), *self.formerly)
        return [one.models for one in known if (one.name, one.path) == (name, path)]


def find_owner(identities: Iterable[ProjectIdentity], model: str, origin: tuple[str, str]) -> ProjectIdentity | None:
    """Return the project that a model belongs to whose first event names the project `origin`, by name and folder; None if none does.

    The first event counts, because anyone who may push can write a later one. A project that continues the model by its
    `formerly` comes before the one that the model came from.
    """
    owning = [one for one in identities if one.owns_model(model, *origin)]
    heirs = (one for one in owning if (one.reference.name, one.reference.path) != origin)
    return next(heirs, next(iter(owning), None))


def find_identity(repo: Repository | None, start: Path) -> ProjectIdentity | None:
    """Return the identity of the project that a folder of the repository is in.

    None in a bare repository, outside of every project, and for a project whose mlops.yaml is not valid.
    """
    if repo is None or repo.bare:
        return None
    top, root = repo.root.resolve(), find_root(start)
    if root is None or not root.is_relative_to(top):
        return None
    try:
        project = parse_project((root / PROJECT_FILE).read_bytes())
    except OSError:
        return None
    if project is None:
        return None
    return ProjectIdentity(ProjectRef(project.name, root.relative_to(top).as_posix()), project.spec.formerly)
