"""Runs that are carried from one clone to another in a file: a git bundle, read as what a stranger may have made.

Objects name themselves by their content, so that a bundle can hold wrong runs, and not wrong objects. It is taken without
making a ref, and no object is read before its size is known.
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

MAX_BUNDLE_BYTES = 8 << 30  # bytes of a bundle, and of the files that one run unfolds to
BUNDLE_TARGET = run_store.StoreTarget("git", MAX_BUNDLE_BYTES // 1_000_000)  # what is carried is all in git
_MAX_FILES = 2_000  # of one run
_MAX_RECORD_BYTES = 64 << 20  # bytes of whatever a run's tree holds beside the model
_RUN_REF = re.compile(r"refs/mlops/runs/(?P<model>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/(?P<key>[0-9a-f]{32})")
_FORBIDDEN_PARTS = frozenset({"", ".", "..", ".git"})


def read_bundle(repo: Repository, file: Path) -> tuple[run_store.StoredRun, ...]:
    """Return the runs that a bundle holds; their objects are in the repository then, and no ref is.

    Raises Findings `bundle-invalid` for what is no bundle, and for runs that are none: more than a name each, with parents,
    too large, or with paths that lead elsewhere.
    """
    try:
        size = file.stat().st_size if file.is_file() and not file.is_symlink() else None
    except OSError:
        size = None
    if size is None or size > MAX_BUNDLE_BYTES:
        raise invalid_bundle_error(file, "there is no such file" if size is None else f"it has {size:,} bytes")
    heads = repo.unbundle(file.resolve())
    if not heads:
        raise invalid_bundle_error(file, "it is no git bundle, or it is damaged")
    return tuple(_read_run(repo, file, ref, oid) for ref, oid in sorted(heads.items()))


def plan_bundle(plan: Plan, refs: Sequence[str], file: Path) -> Plan:
    """Plan a bundle of runs, those that a plan stores among them."""
    return Plan((*plan.writes, *((Push(None),) if plan else ()), WriteBundle(file, tuple(refs))))


def run_model_name(run: run_store.StoredRun) -> str:
    """Return the model that a taken run names."""
    return run.ref.removeprefix(run_store.RUN_PREFIX).partition("/")[0]


def _read_run(repo: Repository, file: Path, ref: str, oid: str) -> run_store.StoredRun:
    if not _RUN_REF.fullmatch(ref):
        raise invalid_bundle_error(file, f"'{ref[:200]}' is no run's name")
    if repo.object_type(oid) != "commit" or repo.resolve(f"{oid}^1") is not None:
        raise invalid_bundle_error(file, f"{ref} is not a commit without parents")
    files = repo.list_files(oid)
    if why := next(_find_problems(repo, files), None):
        raise invalid_bundle_error(file, f"{ref}: {why}")
    return run_store.StoredRun(ref, oid, files)


def _find_problems(repo: Repository, files: dict[str, str]) -> Iterator[str]:
    """Yield what a run's tree must not hold."""
    if len(files) > _MAX_FILES:
        yield f"it has {len(files):,} files"
        return
    if (
        run_store.EXTERNAL_FILES_RECORD in files
    ):  # a stranger must not say where this clone, with its credentials, fetches from
        yield "its files are somewhere else"
    for path in files:
        if _FORBIDDEN_PARTS & {part.lower() for part in path.split("/")} or "\\" in path or not path.isprintable():
            yield f"the path {path[:200]!r}"
    total = 0
    for path, found in zip(files, repo.read_object_infos(list(files.values())), strict=True):
        if found is None or found.type != "blob":
            yield f"{path} is not a file"
            return
        total += found.size
        if found.size > (MAX_BUNDLE_BYTES if path.startswith(run_store.MODEL_FOLDER) else _MAX_RECORD_BYTES):
            yield f"{path} has {found.size:,} bytes"
    if total > MAX_BUNDLE_BYTES:
        yield f"its files have {total:,} bytes"


def invalid_bundle_error(file: Path, why: str) -> Findings:
    """Return why a bundle is refused."""
    return Findings.of(
        "bundle-invalid",
        f"{file.name} does not hold runs that can be used: {why}",
        help="it comes from the job that trained or judged: look at that job's log, and run it again",
    )
