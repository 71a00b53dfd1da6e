"""The run store: each run is a commit without parents under refs/mlops/*. Every read of a file verifies its digest.

Model files that are too large for git are in an object store at a URL (`object_store`); `store.json` in the run's tree
lists them and the URL.
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
from mlops_ci.repository.remotes import remote_problem
from mlops_ci.spec.spec_types import ProjectSpec

T = TypeVar("T")
MODEL_FOLDER = "model/"  # the folder of a run's tree that holds the packaged model
CODE_FOLDER = "code"  # the subfolder of the model for the repository's own code that the model needs, if any
EXTERNAL_FILES_RECORD = "store.json"  # the record of the model files that are in an object store and not in the tree
RUN_PREFIX, RELEASE_PREFIX = "refs/mlops/runs/", "refs/mlops/releases/"


@dataclass(frozen=True)
class StoredRun:
    """A run in the repository: its ref, its commit, and its files as a map from path to blob id."""

    ref: str
    oid: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class StoreTarget:
    """Where a run's files are stored: files larger than `limit_mb` megabytes at `url`, the others in git.

    The `url` `git` means that there is no object store.
    """

    url: str
    limit_mb: int


def store_target(project: ProjectSpec) -> StoreTarget:
    """Return where a project stores its runs."""
    return StoreTarget(project.store, project.store_limit_mb)


def run_ref(model: str, key: str) -> str:
    """Return the ref of a run."""
    return f"{RUN_PREFIX}{model}/{key}"


def release_ref(model: str, version: str) -> str:
    """Return the ref that pins a released run."""
    return f"{RELEASE_PREFIX}{model}/v{version}"


def find_run(repo: Repository | None, ref: str, *, fetch: bool = False) -> StoredRun | None:
    """Return the run at a ref; None when there is none. With `fetch`, a run that this clone lacks is fetched from the remote.

    Raises EnvironmentProblem `remote-unreachable` or `remote-refused` when that fetch fails: whether the run exists is then unknown.
    """
    if repo is None:
        return None
    oid = repo.resolve(f"{ref}^{{commit}}")
    if oid is None and fetch and (remote := repo.default_remote()) is not None:
        answer = repo.fetch(remote, f"{ref}:{ref}")
        if answer.state not in ("done", "absent"):
            raise remote_problem(
                remote,
                answer.state,
                f"{ref} is not in this clone, and cannot be fetched from '{remote}'",
                answer.detail,
            )
        oid = repo.resolve(f"{ref}^{{commit}}")
    return StoredRun(ref, oid, repo.list_files(oid)) if oid else None


def released_run(repo: Repository, release: Release) -> StoredRun:
    """Return the run of a release, fetched from the remote if this clone lacks it.

    Raises EnvironmentProblem `store-missing` when neither has it, and `store-corrupt` when the release ref is at another
    commit than the release record names.
    """
    ref = release_ref(release.model, release.version)
    run = find_run(repo, ref, fetch=True)
    if run is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"the files of {release.model}@v{release.version} are neither in this clone nor at its remote",
            help=f"if the remote hides refs/mlops/* (transfer.hideRefs), let it show them; else look for a clone that has them"
            f" (git ls-remote URL {ref}), and push {ref} from there",
        )
    if run.oid != release.run_oid:
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"{ref} is at commit {run.oid[:10]}, but the release names {release.run_oid[:10]}",
            help="the ref was moved: compare it with another clone (git ls-remote), and move the ref back to the commit that the"
            " release names",
        )
    return run


def read_record(repo: Repository, run: StoredRun, path: str, kind: type[T]) -> T:
    """Return a JSON record of a run; raises EnvironmentProblem `store-corrupt` when it is missing or invalid."""
    blob = repo.read_blob(run.files[path]) if path in run.files else None
    if blob is None:
        raise _corruption_error(run, path, "the file is missing")
    try:
        return decode(kind, json.loads(blob))
    except (DecodeError, ValueError, RecursionError) as error:
        raise _corruption_error(run, path, str(error)) from error


def external_files(repo: Repository, run: StoredRun) -> StoredFiles | None:
    """Return the model files of a run that are in an object store; None when all are in its tree.

    Raises EnvironmentProblem `store-corrupt` when that record is invalid.
    """
    return read_record(repo, run, EXTERNAL_FILES_RECORD, StoredFiles) if EXTERNAL_FILES_RECORD in run.files else None


def cache_folder(repo: Repository) -> Path:
    """Return the folder for a clone's copies of large files: downloads, and files that wait for their upload."""
    return repo.common_dir / "mlops-ci" / "store"


def write_model_files(repo: Repository, run: StoredRun, files: Iterable[FileDigest], folder: Path) -> None:
    """Write a run's model files into a folder, from its tree or from its object store, and verify each against its digest.

    Raises EnvironmentProblem `store-corrupt` for a missing, truncated or changed file, and the errors of
    `object_store.download_object`. The faulty file is then not written.
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
                raise _corruption_error(
                    run,
                    EXTERNAL_FILES_RECORD,
                    f"the digest or the size of {file.path} in it differs from the recorded value",
                )
            object_store.download_object(away.url, file, cache_folder(repo), path)
            continue
        content = contents.get(name)
        if content is None:
            raise _corruption_error(run, name, "the file is missing")
        if len(content) != file.size or digest_bytes(content) != file.sha256:
            raise _corruption_error(run, name, "its content does not match the recorded digest")
        path.write_bytes(content)


def plan_store(
    ref: str, title: str, files: Mapping[str, FileContent], model: Sequence[FileDigest], folder: Path, to: StoreTarget
) -> Plan:
    """Plan the writes of a run: its commit in git, then the uploads of the model files that are too large for git.

    The run is stored first, and this clone keeps copies of the large files. So an interrupted upload does not lose the
    training, and a release uploads missing files before other users can see the run. `files` are the run's records by path;
    the model files are in `folder`. Raises Findings `model-file-too-large` when a file is too large and the project has no
    object store.
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
    """Plan the uploads of a run's large files in `folder` again; recently written objects are not sent again.

    A release does this so that a concurrent `gc` in another clone, which does not know the release yet, cannot delete them.
    """
    away = external_files(repo, run)
    return Plan(_plan_uploads(away, folder)) if away else Plan()


def _plan_uploads(away: StoredFiles, folder: Path) -> tuple[Upload, ...]:
    return tuple(Upload(away.url, file, folder / file.path) for file in away.files)


def _too_large_finding(file: FileDigest, limit_mb: int) -> Diagnostic:
    return Diagnostic(
        "model-file-too-large",
        f"{file.path} has {file.size / 1e6:,.1f} MB; the limit for a file in git is {limit_mb} MB",
        help="make the model smaller (fewer or shallower trees, fewer categories), configure an object store (`store:"
        " s3://bucket/prefix` in mlops.yaml), or raise `storeLimitMb` if your git host accepts it (GitHub refuses files over"
        " 100 MB)",
    )


def _corruption_error(run: StoredRun, path: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"the run {run.ref} cannot be used: {path}: {why}",
        help="the store was changed or is damaged: compare with another clone (git ls-remote), and fetch the run again",
    )
