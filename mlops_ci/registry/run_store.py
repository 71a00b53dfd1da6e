"""The store: runs as parentless commits under refs/mlops/*, their files verified on every read.

Model files that are too large for git are at a URL (`artifacts`); `store.json` in the run's tree says which, and where.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlops_ci.core.codec import DecodeError, decode, encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import FileContent, KeepLocalCopy, Push, StoreRun, Upload
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import StoredFiles
from mlops_ci.registry import object_store
from mlops_ci.repository.git import Repository
from mlops_ci.spec.spec_types import ProjectSpec

T = TypeVar("T")
MODEL_FOLDER = "model/"  # the folder of a run's tree that holds the packaged model
CODE_FOLDER = "code"  # the folder in it for the repository's own code that the model is made of, if any
EXTERNAL_FILES_RECORD = "store.json"  # what a run's tree says about the model files that it leaves out
RUN_PREFIX, RELEASE_PREFIX = "refs/mlops/runs/", "refs/mlops/releases/"


@dataclass(frozen=True)
class StoredRun:
    """A run that the repository holds: its ref, its commit, and its files as path to blob id."""

    ref: str
    oid: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class StoreTarget:
    """Where a run's files go: files of more than `limit_mb` megabytes to `url`, the others to git; `git`: there is no such place."""

    url: str
    limit_mb: int


def store_target(project: ProjectSpec) -> StoreTarget:
    """Return where a project keeps its runs."""
    return StoreTarget(project.store, project.store_limit_mb)


def run_ref(model: str, key: str) -> str:
    """Return the ref of a run."""
    return f"{RUN_PREFIX}{model}/{key}"


def release_ref(model: str, version: str) -> str:
    """Return the ref that pins a released run."""
    return f"{RELEASE_PREFIX}{model}/v{version}"


def find_run(repo: Repository | None, ref: str, *, fetch: bool = False) -> StoredRun | None:
    """Return the run at a ref, asking the remote for it when it is not here and `fetch`; None when there is none.

    Raises EnvironmentProblem `remote-unreachable` when the remote could not be asked: that is not "none".
    """
    if repo is None:
        return None
    oid = repo.resolve(f"{ref}^{{commit}}")
    if oid is None and fetch and (remote := repo.default_remote()) is not None:
        answer = repo.fetch(remote, f"{ref}:{ref}")
        if answer.state not in ("done", "absent"):
            raise EnvironmentProblem.of(
                "remote-unreachable",
                f"{ref} is not in this clone, and '{remote}' could not be asked for it",
                help="check the network and your rights (git fetch), then run the same command again",
            )
        oid = repo.resolve(f"{ref}^{{commit}}")
    return StoredRun(ref, oid, repo.list_files(oid)) if oid else None


def released_run(repo: Repository, release: Release) -> StoredRun:
    """Return the run that a release names and pins, from the remote if need be.

    Raises EnvironmentProblem: `store-missing` when it is nowhere, `store-corrupt` when the pin holds another one.
    """
    ref = release_ref(release.model, release.version)
    run = find_run(repo, ref, fetch=True)
    if run is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"the files of {release.model}@v{release.version} are not in this clone, nor at its remote",
            help=f"git fetch origin {ref}",
        )
    if run.oid != release.run_oid:
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"{ref} is at {run.oid[:10]}, and the release names {release.run_oid[:10]}",
            help="somebody moved it: compare with another clone (git ls-remote), and put it back where the release says",
        )
    return run


def read_record(repo: Repository, run: StoredRun, path: str, kind: type[T]) -> T:
    """Return a JSON record of a run; raises EnvironmentProblem `store-corrupt` when it is missing or not in its form."""
    blob = repo.read_blob(run.files[path]) if path in run.files else None
    if blob is None:
        raise _corruption_error(run, path, "it is missing")
    try:
        return decode(kind, json.loads(blob))
    except (DecodeError, ValueError, RecursionError) as error:
        raise _corruption_error(run, path, str(error)) from error


def external_files(repo: Repository, run: StoredRun) -> StoredFiles | None:
    """Return which of a run's files are at a URL; None when all are in its tree.

    Raises EnvironmentProblem `store-corrupt` when what the run says about it is not in its form.
    """
    return read_record(repo, run, EXTERNAL_FILES_RECORD, StoredFiles) if EXTERNAL_FILES_RECORD in run.files else None


def cache_folder(repo: Repository) -> Path:
    """Return where a clone keeps copies of large files: what was downloaded, and what is to be uploaded."""
    return repo.common_dir / "mlops-ci" / "store"


def write_model_files(repo: Repository, run: StoredRun, files: Iterable[FileDigest], folder: Path) -> None:
    """Write a run's model files into a folder, from its tree or from where it says, each only if its bytes are as recorded.

    Raises EnvironmentProblem `store-corrupt` for a missing, truncated or changed file, and what `artifacts.fetch` raises;
    nothing of that file is written then.
    """
    away = external_files(repo, run)
    uploaded = {file.path: file for file in away.files} if away else {}
    files = tuple(files)
    held = [name for file in files if (name := f"{MODEL_FOLDER}{file.path}") in run.files]
    contents = dict(zip(held, repo.read_objects([run.files[name] for name in held]), strict=True))
    for file in files:
        name = f"{MODEL_FOLDER}{file.path}"
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if away is not None and name not in run.files and file.path in uploaded:
            if uploaded[file.path] != file:
                raise _corruption_error(run, EXTERNAL_FILES_RECORD, f"it names another {file.path} than was recorded")
            object_store.download_object(away.url, file, cache_folder(repo), path)
            continue
        content = contents.get(name)
        if content is None:
            raise _corruption_error(run, name, "it is missing")
        if len(content) != file.size or digest_bytes(content) != file.sha256:
            raise _corruption_error(run, name, "its bytes are not those that were recorded")
        path.write_bytes(content)


def plan_store(
    ref: str, title: str, files: Mapping[str, FileContent], model: Sequence[FileDigest], folder: Path, to: StoreTarget
) -> Plan:
    """Plan a run: what git takes of its files, and then the uploads of the model's files that are too large for git.

    The run is stored first, with copies of those files in this clone: a cut upload takes no training away, and a release
    uploads what is not there before anybody else can see the run. `files` are the run's records, by path; the model's files are in `folder`. Raises Findings `model-file-too-large` where
    there is nowhere to upload to.
    """
    large = [file for file in model if file.size > to.limit_mb * 1_000_000]
    if large and to.url == "git":
        raise Findings([_too_large_finding(file, to.limit_mb) for file in large])
    tree = {f"{MODEL_FOLDER}{file.path}": folder / file.path for file in model if file not in large}
    if not large:
        return Plan((StoreRun(ref, {**tree, **files}, title),))
    away = StoredFiles(to.url.rstrip("/"), tuple(large))
    tree_files: dict[str, FileContent] = {**tree, **files, EXTERNAL_FILES_RECORD: canonical_json(encode(away)).encode()}
    copies = (KeepLocalCopy(file, folder / file.path) for file in away.files)
    return Plan((*copies, StoreRun(ref, tree_files, title), Push(None), *_plan_uploads(away, folder)))


def plan_reupload(repo: Repository, run: StoredRun, folder: Path) -> Plan:
    """Plan the uploads of a run's files, which are in `folder`, once more: what is there and young is left alone.

    A release does this, so that no `gc` elsewhere that has just found them abandoned takes them away.
    """
    away = external_files(repo, run)
    return Plan(_plan_uploads(away, folder)) if away else Plan()


def _plan_uploads(away: StoredFiles, folder: Path) -> tuple[Upload, ...]:
    return tuple(Upload(away.url, file, folder / file.path) for file in away.files)


def _too_large_finding(file: FileDigest, limit_mb: int) -> Diagnostic:
    return Diagnostic(
        "model-file-too-large",
        f"{file.path} is {file.size / 1e6:,.1f} MB; git keeps files of up to {limit_mb} MB",
        help="make the model smaller (fewer or shallower trees, fewer categories), name a place for large files (`store:"
        " s3://bucket/prefix` in mlops.yaml), or raise `storeLimitMb` if your git host accepts it (GitHub refuses files over"
        " 100 MB)",
    )


def _corruption_error(run: StoredRun, path: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{run.ref} cannot be used: {path}: {why}",
        help="somebody changed the store, or it is damaged: compare with another clone (git ls-remote), and fetch again",
    )
