"""Runs git: with a clean environment, within limits, and with an error for every failure that the caller does not expect."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlops_ci.core.child_watch import verify_now
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import TRANSFER_LIMITS, TRUSTED_LIMITS, LimitProblem, ProcessLimits, run_trusted
from mlops_ci.repository import ref_listing
from mlops_ci.repository.git_values import GitResult

T = TypeVar("T")

_STOPPED = 124  # as timeout(1) has it
_SILENCE_REMEMBERED = 60.0  # seconds; later the remote may answer again
# curl waits for ever for a server that it is connected with, and ssh for one that has gone
_HTTP_PATIENCE = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "30"}
_PATIENT_SSH = "ssh -oConnectTimeout=25 -oServerAliveInterval=10 -oServerAliveCountMax=3"
_TIMED_OUT = re.compile("Operation too slow|[Tt]imed out")  # as curl, ssh and the kernel have it
# what the user has said of patience, and of another URL to push to
_REMOTE_SETTINGS = r"^(core\.sshcommand|http\.(.*\.)?lowspeed(limit|time)|remote\..*\.pushurl|url\..*\.pushinsteadof)$"


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
        self._silent: tuple[float, GitResult] | None = None

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

    def note_silence(self, answer: GitResult) -> None:
        """Note that the remote has not answered just now, and what was made of it."""
        self._silent = time.monotonic(), answer

    def recent_silence(self) -> GitResult | None:
        """Return what was made of a remote that did not answer, for a while: a command that goes on without it asks once."""
        if self._silent is None or time.monotonic() - self._silent[0] > _SILENCE_REMEMBERED:
            return None
        return self._silent[1]


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
        """Run a git command here; raises EnvironmentProblem `git-failed` on a non-zero exit when `check`.

        In a partial clone, git fetches what it needs and lacks as it reads: it is lent the credentials for this too. Raises
        EnvironmentProblem `objects-not-fetched` when that fails: whether the object exists is then not known; and `git-changed`
        as `run_with_credentials` does.
        """
        # explicit values win over whatever a hook or an outer git left in the environment
        own = {"GIT_DIR": str(self.git_dir), "GIT_INDEX_FILE": str(self.git_dir / "index")}
        if not self.bare:
            own["GIT_WORK_TREE"] = str(self.root)
        if args[0] != "config" and self.is_partial:  # what is lent depends on the configuration
            verify_now()
            own |= self._remote_variables()
        answer = run_git(self.root, args, stdin, {**own, **(env or {})}, limits)
        if answer.status != 0 and (lacking := _UNFETCHED.search(answer.err)) is not None:
            raise _unfetched_error(lacking[1], answer.err)
        if check and answer.status != 0:
            raise git_error(args, answer)
        return answer

    def run_with_credentials(self, *args: str, limits: ProcessLimits = TRANSFER_LIMITS) -> GitResult:
        """Run a git command that speaks with a remote. It has failed if the remote is silent for too long, and `err` says so.

        Raises EnvironmentProblem `git-changed` where a candidate's code has steered git since.
        """
        verify_now()
        if self.memory is not None and (known := self.memory.recent_silence()) is not None:
            return known
        try:
            answer = self.run(*args, env=self._remote_variables(), check=False, limits=limits)
            silent = answer.status != 0 and _TIMED_OUT.search(answer.err) is not None
        except LimitProblem as problem:
            silent, answer = (
                True,
                GitResult(_STOPPED, b"", f"fatal: the remote does not answer: git {args[0]} {problem.reason}\n"),
            )
        if silent and self.memory is not None:
            self.memory.note_silence(answer)
        return answer

    def _remote_variables(self) -> dict[str, str]:
        """Return what git is lent, and its patience. Where nothing is lent, the user's own helper (gh) may need the user's tokens."""
        tokens = {name: os.environ[name] for name in ref_listing.TOKEN_VARIABLES & set(os.environ)}
        return {**self._patience_variables(), **(self.credentials.remote_variables or tokens)}

    def _patience_variables(self) -> dict[str, str]:
        """Return the variables by which curl and ssh give up on a silent server themselves, where the user has said nothing of it."""
        known = self.remote_settings()
        own = {name: value for name, value in _HTTP_PATIENCE.items() if name not in os.environ}
        if any(key.startswith("http.") for key in known):
            own = {}
        if not {"GIT_SSH_COMMAND", "GIT_SSH"} & set(os.environ) and "core.sshcommand" not in known:
            own["GIT_SSH_COMMAND"] = _PATIENT_SSH
        return own

    def remote_settings(self) -> frozenset[str]:
        """Return the keys that are set of those that change how git speaks with a remote, and where it pushes to."""
        return self.recall("remote settings", self._find_remote_settings)

    def _find_remote_settings(self) -> frozenset[str]:
        listed = self.run("config", "-z", "--name-only", "--get-regexp", _REMOTE_SETTINGS, check=False).out
        return frozenset(listed.decode("utf-8", "replace").split("\0")[:-1])

    @property
    def is_partial(self) -> bool:
        """Whether this is a partial clone, whose missing objects git fetches when they are read."""
        return self.recall("is partial", self._has_promisor)

    def _has_promisor(self) -> bool:
        """Return whether `git clone --filter` has left its settings; to ask git would cost every command a process."""
        try:
            settings = (self.common_dir / "config").read_text("utf-8", "replace").lower()
        except OSError:
            return False
        return "promisor" in settings or "partialclone" in settings

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


_UNFETCHED = re.compile(r"could not fetch ([0-9a-f]{7,64}) from promisor remote|lazy fetching disabled")


def _unfetched_error(oid: str | None, err: str) -> EnvironmentProblem:
    """Return the problem that git could not fetch what this partial clone lacks, with the first reason that it gave."""
    reasons = [line for line in err.splitlines() if line.startswith(("fatal:", "ERROR:", "remote:"))]
    why = next((line for line in reasons if not _UNFETCHED.search(line)), "no reason given")
    return EnvironmentProblem.of(
        "objects-not-fetched",
        f"this partial clone lacks the object {(oid or 'that was read')[:12]}, and fetching it from its remote failed: {why}",
        help="check the network and your access to the remote, or fetch everything at once:"
        " git fetch --refetch --no-filter origin '+refs/heads/*:refs/remotes/origin/*' 'refs/mlops/*:refs/mlops/*'",
    )


def git_error(args: Sequence[str], answer: GitResult) -> EnvironmentProblem:
    """Return the problem that a git command failed, with git's own last words."""
    said = answer.err.strip().splitlines()
    return EnvironmentProblem.of(
        "git-failed",
        f"git {args[0]} failed: {said[-1] if said else f'exit code {answer.status}'}",
        help="check that the repository is not damaged (git fsck), and that the disk is writable and not full",
    )
