"""What the checks look at: the project, its repository as the branch that counts has it, and GitHub."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cached_property

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.governance.doctor.host import HostReader
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository

MAX_EXAMINED_BYTES = 3_000_000  # bytes of a file that is looked at


@dataclass(frozen=True)
class DoctorContext:
    """A project, its repository, and GitHub as far as there is a token. Paths are those of the repository."""

    project: Project
    repo: Repository
    host: HostReader

    @cached_property
    def remote(self) -> str | None:
        """The remote; None where there is none, or nothing tells which it is."""
        try:
            return self.repo.default_remote()
        except EnvironmentProblem:
            return None

    @cached_property
    def branch(self) -> str | None:
        """The branch that counts; None where nothing tells which it is."""
        try:
            return find_default_branch(self.project, self.repo)
        except EnvironmentProblem:
            return None

    @cached_property
    def commit(self) -> str | None:
        """Its newest commit that this clone knows of."""
        if self.branch is None:
            return None
        place = f"refs/remotes/{self.remote}/{self.branch}" if self.remote else f"refs/heads/{self.branch}"
        return self.repo.resolve(f"{place}^{{commit}}")

    @property
    def source_phrase(self) -> str:
        """Where files are read: on the branch, since what a change says of its own review does not count yet."""
        return f"on {self.branch}" if self.commit else "in the work tree"

    @cached_property
    def files(self) -> frozenset[str]:
        """The paths of every file on the branch; of the work tree, where this clone does not have the branch."""
        return frozenset(self.repo.list_files(self.commit) if self.commit else self.repo.tracked_file_modes())

    @cached_property
    def workflows(self) -> tuple[str, ...]:
        """The paths of the workflows."""
        inside = (path for path in self.files if posixpath.dirname(path) == ".github/workflows")
        return tuple(sorted(path for path in inside if path.endswith((".yml", ".yaml")) and "\n" not in path))

    def read_file(self, path: str) -> bytes | None:
        """Return a file's content; None where there is none, or a larger one than is looked at."""
        if self.commit is not None:
            (found,) = self.repo.read_object_infos([f"{self.commit}:{path}"])
            return self.repo.read_blob(found.oid) if found is not None and found.size <= MAX_EXAMINED_BYTES else None
        file = self.repo.root / path
        inside = file.is_file() and file.resolve().is_relative_to(self.repo.root.resolve())
        return file.read_bytes() if inside and file.stat().st_size <= MAX_EXAMINED_BYTES else None

    def repository_path(self, path: str) -> str:
        """Return a path of the project as one of the repository."""
        folder = self.project.context.root.resolve().relative_to(self.repo.root.resolve()).as_posix()
        return posixpath.normpath(posixpath.join(folder, path))
