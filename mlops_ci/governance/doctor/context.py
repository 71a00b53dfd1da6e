"""The input of the checks: the project, its repository at the default branch, and GitHub."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cached_property

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.governance.doctor.host import HostReader
from mlops_ci.repository.branch_specs import list_project_folders
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository

MAX_EXAMINED_BYTES = 3_000_000  # a larger file is not read


@dataclass(frozen=True)
class DoctorContext:
    """A project, its repository, and the reader of GitHub's API. Paths are relative to the repository."""

    project: Project
    repo: Repository
    host: HostReader

    @cached_property
    def remote(self) -> str | None:
        """The default remote; None if there is none or it cannot be determined."""
        try:
            return self.repo.default_remote()
        except EnvironmentProblem:
            return None

    @cached_property
    def branch(self) -> str | None:
        """The default branch; None if it cannot be determined."""
        found = self.branch_or_problem
        return None if isinstance(found, EnvironmentProblem) else found

    @cached_property
    def branch_or_problem(self) -> str | EnvironmentProblem | None:
        """The default branch, or the problem that it cannot be determined; None on a detached HEAD without a remote."""
        try:
            return find_default_branch(self.project, self.repo)
        except EnvironmentProblem as problem:
            return problem

    @cached_property
    def commit(self) -> str | None:
        """The branch's newest commit in this clone; None if this clone does not have the branch."""
        if self.branch is None:
            return None
        place = f"refs/remotes/{self.remote}/{self.branch}" if self.remote else f"refs/heads/{self.branch}"
        return self.repo.resolve(f"{place}^{{commit}}")

    @property
    def source_phrase(self) -> str:
        """A phrase for the place that files are read from: the branch, because an unmerged change must not set its own rules."""
        return f"on {self.branch}" if self.commit else "in the work tree"

    @cached_property
    def files(self) -> frozenset[str]:
        """The paths of all files on the branch; of the tracked files if this clone does not have the branch."""
        return frozenset(self.repo.list_files(self.commit) if self.commit else self.repo.tracked_file_modes())

    @cached_property
    def workflows(self) -> tuple[str, ...]:
        """The paths of the GitHub Actions workflows."""
        inside = (path for path in self.files if posixpath.dirname(path) == ".github/workflows")
        return tuple(sorted(path for path in inside if path.endswith((".yml", ".yaml")) and "\n" not in path))

    @cached_property
    def projects(self) -> tuple[str, ...]:
        """The folders of the repository's projects; `.` is the top."""
        return tuple(folder or "." for folder in list_project_folders(self.files))

    def read_file(self, path: str) -> bytes | None:
        """Return a file's content; None if the file does not exist or is too large."""
        if self.commit is not None:
            (found,) = self.repo.read_object_infos([f"{self.commit}:{path}"])
            return self.repo.read_blob(found.oid) if found is not None and found.size <= MAX_EXAMINED_BYTES else None
        file = self.repo.root / path
        inside = file.is_file() and file.resolve().is_relative_to(self.repo.root.resolve())
        return file.read_bytes() if inside and file.stat().st_size <= MAX_EXAMINED_BYTES else None

    def repository_path(self, path: str) -> str:
        """Return a project path relative to the repository."""
        folder = self.project.context.root.resolve().relative_to(self.repo.root.resolve()).as_posix()
        return posixpath.normpath(posixpath.join(folder, path))
