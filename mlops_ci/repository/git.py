"""The user's repository as one value: every answer about it, and everything that is written to it, is a method in a file of its own.

Git is run by `git_command` alone.
"""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.commit_history import CommitHistory
from mlops_ci.repository.git_command import Credentials, Memory, git_error, run_git
from mlops_ci.repository.git_values import ObjectFormat, Person
from mlops_ci.repository.object_writer import ObjectWriter
from mlops_ci.repository.remotes import REGISTRY_REFSPECS, Remotes
from mlops_ci.repository.work_tree import WorkTree

__all__ = [
    "REGISTRY_REFSPECS", "Credentials", "Memory", "Repository", "create_repository", "find_repository", "require_identity"
]  # fmt: skip


class Repository(Remotes, CommitHistory, WorkTree, ObjectWriter):
    """A git repository: its configuration, refs, remotes, objects, history and work tree."""


def find_repository(start: Path) -> Repository | None:
    """Return the repository that holds the folder, or None; a bare one too.

    Raises EnvironmentProblem `repository-not-trusted` where git refuses to work for the repository belongs to somebody else,
    and `git-failed` where there is one that git cannot read.
    """
    asked = (
        "--is-bare-repository",
        "--absolute-git-dir",
        "--path-format=absolute",
        "--git-common-dir",
        "--show-toplevel",
    )
    answer = run_git(start, ("rev-parse", *asked), b"", {})
    if "dubious ownership" in answer.err:
        raise EnvironmentProblem.of(
            "repository-not-trusted",
            f"git does not work in {start}, because the repository belongs to another user",
            help=f"if you trust the repository: git config --global --add safe.directory {start}",
        )
    match answer.text.split("\n"):
        case ["true", git_dir, common_dir, *_]:
            return Repository(Path(git_dir), Path(git_dir), Path(common_dir), bare=True)
        case ["false", git_dir, common_dir, top]:
            return Repository(Path(top), Path(git_dir), Path(common_dir))
        case _ if answer.status == 0 or any(said in answer.err for said in _OUTSIDE):
            return None
        case _:
            raise git_error(("rev-parse",), answer)


# what git says where there is no repository, or only the inside of one
_OUTSIDE = ("not a git repository", "must be run in a work tree")


def require_identity(person: Person | None) -> Person:
    """Return who writes; raises EnvironmentProblem `git-identity-missing` where git does not know."""
    if person is None:
        raise EnvironmentProblem.of(
            "git-identity-missing",
            "git has no user name and e-mail address, and commits and tags need an author",
            help='git config user.name "Your Name" && git config user.email you@example.org',
        )
    return person


def create_repository(root: Path, object_format: ObjectFormat | None = None) -> Repository:
    """Make a repository with the branch `main` and return it; its objects have the user's format if none is given."""
    flags = (f"--object-format={object_format}",) if object_format else ()
    answer = run_git(root, ("init", "--quiet", "--initial-branch=main", *flags), b"", {})
    made = find_repository(root) if answer.status == 0 else None
    if made is None:
        raise git_error(("init",), answer)
    return made
