"""The default branch of a remote, as the remote itself names it: asked once a command, and remembered for commands that ask nothing.

`refs/remotes/*/HEAD` is not read: git writes it when it clones, and never again, so it names a branch that may be renamed since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.leftovers import scratch_prefix
from mlops_ci.repository.git import Repository


@dataclass(frozen=True)
class RemoteHead:
    """What a remote named as its default branch, and when; `branch` is None where its HEAD leads to no branch that exists."""

    branch: str | None
    asked: datetime


def ask_remote_head(repo: Repository, remote: str, now: datetime) -> RemoteHead:
    """Ask a remote for its default branch, and remember the answer in the clone's own git folder; asked once a command.

    Raises EnvironmentProblem `default-branch-unknown` when the remote does not answer or denies access.
    """
    return repo.recall(f"head of {remote}", lambda: _ask(repo, remote, now))


def _ask(repo: Repository, remote: str, now: datetime) -> RemoteHead:
    answer = repo.ask_default_branch(remote)
    if answer.state not in ("found", "absent"):
        how = "refused access" if answer.state == "refused" else "could not be reached"
        raise EnvironmentProblem.of(
            "default-branch-unknown",
            f"the default branch of '{remote}' is unknown, because the remote {how}: {answer.detail}",
            help=f"check the network and your access to the remote (git ls-remote {remote}), then run the same command again",
        )
    head = RemoteHead(answer.name, now)
    _remember(_file(repo, remote), head)
    return head


def remembered_remote_head(repo: Repository, remote: str) -> RemoteHead | None:
    """Return what the remote last answered to a command in this clone; None where none has asked, or another URL is set since."""
    try:
        data = json.loads(_file(repo, remote).read_bytes())
        branch, asked = data["branch"], datetime.fromisoformat(data["asked"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not (branch is None or isinstance(branch, str)) or asked.tzinfo is None:
        return None
    return RemoteHead(branch, asked)


def _remember(file: Path, head: RemoteHead) -> None:
    """Write the answer in one atomic step. A folder that cannot be written is ignored: it only saves a question."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=scratch_prefix(), suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"branch": head.branch, "asked": head.asked.astimezone(UTC).isoformat()}, stream)
        Path(name).replace(file)


def _file(repo: Repository, remote: str) -> Path:
    """Return the file of an answer: that of a remote's URL, because another URL is another remote. The URL may hold a password."""
    url = hashlib.sha256(repo.remote_url(remote).encode("utf-8", "surrogateescape")).hexdigest()
    return repo.common_dir / "mlops-ci" / "remote-heads" / f"{url[:16]}.json"
