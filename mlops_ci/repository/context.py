"""What a step is given: the project's specs and the world around it. Data, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlops_ci.core.choices import Trust
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.records.base import ProjectRef, Provenance
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person
from mlops_ci.repository.project_identity import ProjectIdentity
from mlops_ci.spec.load import Specs
from mlops_ci.spec.spec_types import Delivery


@dataclass(frozen=True)
class Workspace:
    """Where a command runs; queries need no more. `root` holds mlops.yaml, or is the repository's where there is none.

    `start_folder` is the folder that the command was started in: paths on its command line count from it.
    """

    root: Path
    start_folder: Path
    repo: Repository | None


@dataclass(frozen=True)
class Context(Workspace):
    """The world, as the edge found it: steps read no clock, no environment, and no current directory.

    `scratch` is a private folder that is removed when the command ends; `cache` is one that may vanish at any time.
    """

    scratch: Path
    cache: Path | None
    clock: Callable[[], datetime]
    provenance: Provenance
    offline: bool  # the remote did not answer, so the registry is what this clone last knew
    progress: Callable[[str], None]
    person: Person | None = None  # whom git names as tagger
    job: CiJob | None = None  # the CI job that this runs in
    # whether the remote is asked for its default branch: never, where it answers, or else the command fails
    asks_remote: Literal["no", "try", "must"] = "no"
    trust: Trust = "local"  # how far it can be trusted what is judged here
    is_branch_protected: bool = False  # the remote refused a push to the branch: manifests travel by pull request
    # what the git host says of this repository: is given a path below it, such as `/rulesets`, and answers with decoded JSON of
    # all pages; raises HostProblem. None where there is no token
    github: Callable[[str], Any] | None = None
    whole_specs: Path | None = None  # a copy of the specs and their code, where the work tree leaves some of them out

    @property
    def spec_root(self) -> Path:
        """The folder in which every spec is, and the code that specs name: `root`, unless the work tree leaves some out."""
        return self.whole_specs or self.root

    @property
    def base_branch(self) -> str | None:
        """The branch that CI says this change is to be merged into."""
        return self.job.base if self.job else None


@dataclass(frozen=True)
class Project:
    """A repository whose specs are valid, and the world around it."""

    specs: Specs
    context: Context

    @property
    def delivery(self) -> Delivery:
        """How manifests get to the branch: as the project says, and by pull request where the branch takes no push."""
        return "pull-request" if self.context.is_branch_protected else self.specs.project.spec.delivery

    @property
    def reference(self) -> ProjectRef:
        """What records call it: its name, and the folder of its mlops.yaml in the repository."""
        repo, root = self.context.repo, self.context.root.resolve()
        top = repo.root.resolve() if repo is not None else root
        folder = (
            root.relative_to(top).as_posix() if root.is_relative_to(top) else "."
        )  # else a copy of the project's files
        return ProjectRef(self.specs.project.name, folder)

    @property
    def identity(self) -> ProjectIdentity:
        """What the registry knows it by: every question to the registry is asked with it."""
        return ProjectIdentity(self.reference, self.specs.project.spec.formerly)
