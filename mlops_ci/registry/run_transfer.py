"""Transfer of runs from one clone to another in a git bundle, which is treated as untrusted input.

Git names objects by their content, so a bundle can contain wrong runs but no wrong objects. Reading a bundle creates no
refs, and the size of every object is checked before its content is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops_ci.core.errors import Findings
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import Push, WriteBundle
from mlops_ci.registry import run_store
from mlops_ci.repository.git import Repository

MAX_BUNDLE_BYTES = 8 << 30  # limit in bytes for a bundle, and for the unpacked files of one run
BUNDLE_TARGET = run_store.StoreTarget(
    "git", MAX_BUNDLE_BYTES // 1_000_000
)  # a run in a bundle has all its files in git
_MAX_FILES = 2_000  # limit for one run
_MAX_RECORD_BYTES = 64 << 20  # limit in bytes for each file of a run outside the model folder
_RUN_REF = re.compile(r"refs/mlops/runs/(?P<model>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/(?P<key>[0-9a-f]{32})")
_FORBIDDEN_PARTS = frozenset({"", ".", "..", ".git"})


def read_bundle(repo: Repository, file: Path) -> tuple[run_store.StoredRun, ...]:
    """Return the runs in a bundle; their objects are added to the repository, but no refs are created.

    Raises Findings `bundle-invalid` when the file is not a bundle, or when a run in it has an invalid name, has parents, is
    too large, or has unsafe paths.
    """
    try:
        size = file.stat().st_size if file.is_file() and not file.is_symlink() else None
    except OSError:
        size = None
    if size is None or size > MAX_BUNDLE_BYTES:
        raise invalid_bundle_error(
            file, "the file does not exist" if size is None else f"it has {size:,} bytes, more than the limit"
        )
    heads = repo.unbundle(file.resolve())
    if not heads:
        raise invalid_bundle_error(file, "it is not a git bundle, or it is damaged")
    return tuple(_read_run(repo, file, ref, oid) for ref, oid in sorted(heads.items()))


def plan_bundle(plan: Plan, refs: Sequence[str], file: Path) -> Plan:
    """Add a bundle of runs to a plan; the bundle may contain runs that the plan stores."""
    return Plan((*plan.writes, *((Push(None),) if plan else ()), WriteBundle(file, tuple(refs))))


def run_model_name(run: run_store.StoredRun) -> str:
    """Return the model's name in the ref of a run from a bundle."""
    return run.ref.removeprefix(run_store.RUN_PREFIX).partition("/")[0]


def _read_run(repo: Repository, file: Path, ref: str, oid: str) -> run_store.StoredRun:
    if not _RUN_REF.fullmatch(ref):
        raise invalid_bundle_error(file, f"'{ref[:200]}' is not the name of a run")
    if repo.object_type(oid) != "commit" or repo.resolve(f"{oid}^1") is not None:
        raise invalid_bundle_error(file, f"{ref} is not a commit without parents")
    files = repo.list_files(oid)
    if why := next(_find_problems(repo, files), None):
        raise invalid_bundle_error(file, f"{ref}: {why}")
    return run_store.StoredRun(ref, oid, files)


def _find_problems(repo: Repository, files: dict[str, str]) -> Iterator[str]:
    """Yield the reasons why a run's tree is not accepted."""
    if len(files) > _MAX_FILES:
        yield f"it has {len(files):,} files, more than the limit"
        return
    # an untrusted bundle must not choose a URL that this clone reads with its credentials
    if run_store.EXTERNAL_FILES_RECORD in files:
        yield "its model files are in an object store, not in the bundle"
    for path in files:
        if _FORBIDDEN_PARTS & {part.lower() for part in path.split("/")} or "\\" in path or not path.isprintable():
            yield f"it has the unsafe path {path[:200]!r}"
    total = 0
    for path, found in zip(files, repo.read_object_infos(list(files.values())), strict=True):
        if found is None or found.type != "blob":
            yield f"{path} is not a file"
            return
        total += found.size
        if found.size > (MAX_BUNDLE_BYTES if path.startswith(run_store.MODEL_FOLDER) else _MAX_RECORD_BYTES):
            yield f"{path} has {found.size:,} bytes, more than the limit"
    if total > MAX_BUNDLE_BYTES:
        yield f"its files have {total:,} bytes in total, more than the limit"


def invalid_bundle_error(file: Path, why: str) -> Findings:
    """Return the error for a bundle that is not accepted."""
    return Findings.of(
        "bundle-invalid",
        f"the bundle {file.name} has no usable runs: {why}",
        help="a training or evaluation job wrote this bundle: read the log of that job, and run it again",
    )
