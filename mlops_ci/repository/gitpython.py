"""Refs as GitPython reads them: in this process, and only where its answer is the one that git would give.

Importing GitPython takes as long as the whole listing behind `show` and `history`, so this module is imported only where it is
used. GitPython cannot start a program here: what it is told to run does not exist. `plain_git` says what is left to git, and why.
"""

from __future__ import annotations

import configparser
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlops_ci.repository.git_command import GitFolder

_NO_PROGRAM = "/nonexistent/mlops-ci-runs-git-itself"
_ENVIRONMENT_LOCK = threading.Lock()


@contextmanager
def _no_git_variables() -> Iterator[None]:
    """Hide what would have GitPython work on another repository, and let the import of it find no git to run."""
    with _ENVIRONMENT_LOCK:
        hidden = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("GIT_")}
        own = {"GIT_PYTHON_GIT_EXECUTABLE": _NO_PROGRAM, "GIT_PYTHON_REFRESH": "quiet"}
        os.environ.update(own)
        try:
            yield
        finally:
            for name in own:
                os.environ.pop(name, None)
            os.environ.update(hidden)


with _no_git_variables():
    import git


class _NoGit(git.Git):
    """GitPython's way to run git, which finds none."""

    GIT_PYTHON_GIT_EXECUTABLE = _NO_PROGRAM


class RefReader(git.Repo):
    """A repository of which GitPython reads refs from their files."""

    GitCommandWrapperType = _NoGit

    def _config_reader(
        self, config_level: git.types.Lit_config_levels | None = None, git_dir: git.types.PathLike | None = None
    ) -> git.GitConfigParser:
        """Read the repository's own file alone, whatever is asked for: no ref depends on more, and an include may never end."""
        del config_level
        file = self._get_config_path("repository", git_dir)
        return git.GitConfigParser(file, read_only=True, merge_includes=False, repo=self)


# what GitPython raises for what is not there, is not what it should be, or is in a format that it does not know
_NO_ANSWER = (ValueError, TypeError, AssertionError, OSError, configparser.Error, git.GitError, git.ODBError)


def read_ref(folder: GitFolder, name: str) -> str | None:
    """Return the object that a ref of this full name (`HEAD`, `refs/...`) leads to; None where GitPython does not tell.

    That the object is here is not checked.
    """
    try:
        with _open(folder) as repo:
            oid = git.SymbolicReference.dereference_recursive(repo, name)
    except _NO_ANSWER:
        return None
    return oid if re.fullmatch("[0-9a-f]{40}", oid) else None


def read_symbolic_target(folder: GitFolder, name: str) -> str | None:
    """Return the ref that a symbolic ref of this full name leads to; None where GitPython does not tell."""
    holder = folder.git_dir if name == "HEAD" else folder.common_dir
    if (folder.common_dir / "reftable").exists() or (holder / name).is_symlink():
        return None  # with reftables HEAD names a branch that is none, and GitPython follows a link
    try:
        with _open(folder) as repo:
            target = git.SymbolicReference(repo, name).reference.path
    except _NO_ANSWER:
        return None
    return str(target)


def _open(folder: GitFolder) -> git.Repo:
    with _no_git_variables():
        return RefReader(folder.git_dir, expand_vars=False)
