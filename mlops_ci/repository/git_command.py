"""Runs git: with a clean environment, within limits, and with an error for every failure that the caller does not expect."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import TRANSFER_LIMITS, TRUSTED_LIMITS, ProcessLimits, run_trusted
from mlops_ci.repository import ref_listing
from mlops_ci.repository.git_values import GitResult

T = TypeVar("T")


@dataclass(frozen=True)
class Credentials:
    """What git is lent for one command, by its environment alone: it stands in no file, no argument and no log.

    `remote` are the variables with which it reaches the remote. `key` is a public OpenSSH key whose private half the agent at
    `agent` (a socket) has; where there is none, the user's own configuration says what is signed with.
    """

    remote_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    signing_key: str | None = None
    agent_socket: str | None = None


class Memory:
    """Answers that hold for one command, so that git is asked once: of its configuration for good, of refs until they move."""

    def __init__(self) -> None:
        self._lasting: dict[str, Any] = {}
        self._of_refs: dict[str, Any] = {}

    def recall(self, question: str, ask: Callable[[], T], *, of_refs: bool = False) -> T:
        """Return the answer to a question, which is asked only the first time; a failure is not remembered."""
        known = self._of_refs if of_refs else self._lasting
        if question not in known:
            known[question] = ask()
        answer: T = known[question]
        return answer

    def forget_refs(self) -> None:
        """Forget what depends on refs: they may have moved."""
        self._of_refs.clear()


@dataclass(frozen=True)
class GitFolder:
    """A git repository with a work tree at `root`; `common_dir` is shared by its linked work trees.

    A bare one (a mirror) has no work tree: its root is the repository itself. Only who works on it alone for a while, such
    as one command, gives it a `memory`.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    bare: bool = False
    credentials: Credentials = field(default=Credentials(), compare=False)
    memory: Memory | None = field(default=None, compare=False, repr=False)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        limits: ProcessLimits = TRUSTED_LIMITS,
    ) -> GitResult:
        """Run a git command here; raises EnvironmentProblem `git-failed` on a non-zero exit when `check`."""
        # explicit values win over whatever a hook or an outer git left in the environment
        own = {"GIT_DIR": str(self.git_dir), "GIT_INDEX_FILE": str(self.git_dir / "index")}
        if not self.bare:
            own["GIT_WORK_TREE"] = str(self.root)
        answer = run_git(self.root, args, stdin, {**own, **(env or {})}, limits)
        if check and answer.status != 0:
            raise git_error(args, answer)
        return answer

    def run_with_credentials(self, *args: str, check: bool = False) -> GitResult:
        """Run a git command that speaks with a remote."""
        return self.run(*args, env=self.credentials.remote_variables, check=check, limits=TRANSFER_LIMITS)

    def recall(self, question: str, ask: Callable[[], T], *, of_refs: bool = False) -> T:
        """Return the answer to a question about the repository, from its memory where it has one."""
        return ask() if self.memory is None else self.memory.recall(question, ask, of_refs=of_refs)

    def forget_refs(self) -> None:
        """Forget what is remembered of refs: they may have moved."""
        if self.memory is not None:
            self.memory.forget_refs()


def run_git(
    cwd: Path, args: Sequence[str], stdin: bytes, env: Mapping[str, str], limits: ProcessLimits = TRUSTED_LIMITS
) -> GitResult:
    """Run a git command in a folder, wherever its repository is; raises EnvironmentProblem `git-missing` without git."""
    own = {**ref_listing.git_environment(os.environ), **env}
    try:
        status, out, err = run_trusted([*ref_listing.GIT_COMMAND, *args], cwd=cwd, env=own, stdin=stdin, limits=limits)
    except FileNotFoundError as error:
        raise EnvironmentProblem.of(
            "git-missing", "git is not installed or not on PATH", help="install git 2.34 or newer"
        ) from error
    return GitResult(status, out, err.decode("utf-8", "replace"))


def git_error(args: Sequence[str], answer: GitResult) -> EnvironmentProblem:
    """Return the problem that a git command failed, with git's own last words."""
    said = answer.err.strip().splitlines()
    return EnvironmentProblem.of(
        "git-failed",
        f"git {args[0]} failed: {said[-1] if said else f'exit code {answer.status}'}",
        help="check that the repository is not damaged (git fsck), and that the disk is writable and not full",
    )
