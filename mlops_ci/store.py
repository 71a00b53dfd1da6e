"""The `git` store: runs as parentless commits under refs/mlops/*, their files verified on every read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlops_ci.codec import DecodeError, decode
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.digest import digest_bytes
from mlops_ci.errors import EnvironmentProblem
from mlops_ci.git import Repository
from mlops_ci.records import FileDigest

T = TypeVar("T")
MODEL = "model/"  # the folder of a run's tree that holds the packaged model
CODE = "code"  # the folder in it for the repository's own code that the model is made of, if any


@dataclass(frozen=True)
class StoredRun:
    """A run that the repository holds: its ref, its commit, and its files as path to blob id."""

    ref: str
    oid: str
    files: Mapping[str, str]


def run_ref(model: str, key: str) -> str:
    """Return the ref of a run."""
    return f"refs/mlops/runs/{model}/{key}"


def release_ref(model: str, version: str) -> str:
    """Return the ref that pins a released run."""
    return f"refs/mlops/releases/{model}/v{version}"


def find(repo: Repository | None, ref: str, *, fetch: bool = False) -> StoredRun | None:
    """Return the run at a ref, asking the remote for it when it is not here and `fetch`; None when there is none.

    Raises EnvironmentProblem `remote-unreachable` when the remote could not be asked: that is not "none".
    """
    if repo is None:
        return None
    oid = repo.resolve(f"{ref}^{{commit}}")
    if oid is None and fetch and (remote := repo.remote()) is not None:
        answer = repo.fetch(remote, f"{ref}:{ref}")
        if answer.status != 0 and "couldn't find remote ref" not in answer.err:
            raise EnvironmentProblem.of(
                "remote-unreachable",
                f"{ref} is not in this clone, and '{remote}' could not be asked for it",
                help="check the network and your rights (git fetch), then run the same command again",
            )
        oid = repo.resolve(f"{ref}^{{commit}}")
    return StoredRun(ref, oid, repo.tree(oid)) if oid else None


def read_record(repo: Repository, run: StoredRun, path: str, kind: type[T]) -> T:
    """Return a JSON record of a run; raises EnvironmentProblem `store-corrupt` when it is missing or not in its form."""
    blob = repo.read(run.files[path]) if path in run.files else None
    if blob is None:
        raise _corrupt(run, path, "it is missing")
    try:
        return decode(kind, json.loads(blob))
    except (DecodeError, ValueError, RecursionError) as error:
        raise _corrupt(run, path, str(error)) from error


def materialise(repo: Repository, run: StoredRun, files: Iterable[FileDigest], folder: Path) -> None:
    """Write a run's model files into a folder, each only if its bytes are what the record says.

    Raises EnvironmentProblem `store-corrupt` for a missing, truncated or changed file; nothing of it is written then.
    """
    for file in files:
        name = f"{MODEL}{file.path}"
        content = repo.read(run.files[name]) if name in run.files else None
        if content is None:
            raise _corrupt(run, name, "it is missing")
        if len(content) != file.size or digest_bytes(content) != file.sha256:
            raise _corrupt(run, name, "its bytes are not those that were recorded")
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def oversized(files: Iterable[FileDigest], limit_mb: int) -> tuple[Diagnostic, ...]:
    """Return an error for each file that is too large to keep in git."""
    return tuple(
        Diagnostic(
            "model-file-too-large",
            f"{file.path} is {file.size / 1e6:,.1f} MB; the git store takes files of up to {limit_mb} MB",
            help="make the model smaller (fewer or shallower trees, fewer categories), or raise `storeLimitMb` in"
            " mlops.yaml if your git host accepts it (GitHub refuses files over 100 MB)",
        )
        for file in files
        if file.size > limit_mb * 1_000_000
    )


def _corrupt(run: StoredRun, path: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{run.ref} cannot be used: {path}: {why}",
        help="somebody changed the store, or it is damaged: compare with another clone (git ls-remote), and fetch again",
    )
