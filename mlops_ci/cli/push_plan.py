"""Executes a plan. Objects are built by plumbing, which nobody sees; then one push, or one transaction, shows them all.

Killed before the push: nothing has happened. Killed after it: everything has, and the next fetch brings it here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.notifications import Announcement
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import (
    AppendLedger,
    AppendLog,
    Commit,
    CopyOut,
    CreateTag,
    KeepCopy,
    PrepareRepository,
    Push,
    RemoveObject,
    RemoveRef,
    SetRef,
    StoreRun,
    Upload,
    WriteBundle,
    WriteFile,
    describe,
    linked,
)
from mlops_ci.registry import holdout_ledger as ledger
from mlops_ci.registry import object_store as artifacts
from mlops_ci.registry import run_store as store
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository, named
from mlops_ci.repository.git_values import ZERO, Person, RefUpdate, tag_content
from mlops_ci.repository.signing import sign


@dataclass(frozen=True)
class Applied:
    """How it ended. `raced`: somebody was first and nothing was written; `refused`: the remote's branch rules said no."""

    state: Literal["done", "raced", "refused"]
    detail: str = ""
    notes: tuple[Diagnostic, ...] = ()  # what the git host could not be told


Host = Callable[[Announcement], Diagnostic | None]  # tells the git host; what it returns says why that failed


def nobody(one: Announcement) -> Diagnostic:
    """Stand in for a git host where there is none to tell."""
    return Diagnostic(
        "host-not-told",
        f"nobody was told: {describe(one)}",
        help="in GitHub Actions, give the step a token: `env: GITHUB_TOKEN: ${{ github.token }}`",
        severity="warning",
    )


@dataclass
class _Building:
    """Objects built so far: the refs that will name them, and tags by name for the log."""

    updates: list[RefUpdate] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    date: int = 0  # of the newest tag: those of one plan are a second apart, for readers who sort by clock


# runs are named by what went in, not by who ran them
_TOOL = Person("mlops-ci", "mlops-ci@localhost")


def apply(
    plan: Plan,
    root: Path,
    repo: Repository | None,
    person: Person | None,
    clock: Callable[[], datetime],
    observe: Callable[[str], None],
    host: Host = nobody,
) -> Applied:
    """Make a plan's writes, in order; `observe` is told of each before it is made, `host` tells the git host what is to be told.

    Raises EnvironmentProblem when the remote cannot be reached or the disk cannot be written, and UsageProblem when
    there is nobody to sign for a commit or tag.
    """
    building = _Building()
    notes: list[Diagnostic] = []
    seconds = int(clock().timestamp())
    for write in plan.writes:
        observe(describe(write))
        match write:
            case WriteFile():
                _write_file(root, write)
            case PrepareRepository():
                folder = root / write.folder
                folder.mkdir(parents=True, exist_ok=True)
                found = git.find(folder) or git.create(folder)
                if (remote := found.remote()) is not None:
                    found.keep_fetching_registry(remote)
            case KeepCopy():
                artifacts.keep(write.file, write.source, store.cache(_need(repo)))
            case Upload():
                artifacts.upload(write.url, write.file, write.source, clock())
                artifacts.uploaded(write.file, store.cache(_need(repo)))
            case RemoveObject():
                artifacts.remove(write.url, write.name, write.modified)
            case CopyOut():
                _out(write.path, partial(shutil.copyfile, write.source))
            case WriteBundle():
                _out(write.path, partial(_bundled, _need(repo), write.refs))
            case Push():
                answer = _publish(_need(repo), write.remote, building.updates, observe)
                if answer.state != "done":
                    return answer
                building.updates.clear()
            case StoreRun() | Commit() | CreateTag() | AppendLog() | AppendLedger() | SetRef() | RemoveRef():
                _build(write, _need(repo), person, seconds, building)
            case _:
                notes += [said] if (said := host(write)) else []
    if building.updates:
        answer = _publish(_need(repo), None, building.updates, observe)
        if answer.state != "done":
            return answer
    return Applied("done", notes=tuple(notes))


def _build(
    write: StoreRun | Commit | CreateTag | AppendLog | AppendLedger | SetRef | RemoveRef,
    repo: Repository,
    person: Person | None,
    seconds: int,
    building: _Building,
) -> None:
    match write:
        case StoreRun():
            tree = repo.write_tree({path: repo.write_blob(content) for path, content in write.files.items()})
            oid = repo.write_commit(tree, (), write.title, _TOOL, seconds)
            building.updates.append(RefUpdate(write.ref, oid, ZERO))
        case Commit():
            blobs = {path: repo.write_blob(content) for path, content in write.files.items()}
            tree = repo.write_tree(blobs, base=write.parent, folder=write.folder)
            oid = repo.write_commit(tree, (write.parent,), write.message, named(person), seconds)
            old = ZERO if write.new_branch else write.parent
            building.updates.append(RefUpdate(f"refs/heads/{write.branch}", oid, old))
        case CreateTag():
            building.date = max(seconds, write.dated_after + 1, building.date + 1)
            message = linked(write.message, building.tags)
            text = (write.name, write.target, message, named(person), building.date)
            content = sign(repo, write.signing, *text)[0] if write.signing else tag_content(*text)
            oid = repo.store_tag(content)
            building.tags[write.name] = oid
            building.updates.append(RefUpdate(f"{write.under}{write.name}", oid, ZERO))
        case AppendLog():
            files = {
                "record.json": repo.write_blob(linked(canonical_json(write.record), building.tags).encode()),
                "tag": repo.write_blob(f"{building.tags[write.tag]} {write.tag}\n".encode()),
            }
            log = f"refs/mlops/log/{write.model}"
            _append(repo, building, log, write.parent, files, write.tag, named(person), seconds)
        case AppendLedger():
            files = {ledger.ENTRY: repo.write_blob(canonical_json(write.question).encode())}
            _append(repo, building, write.ref, write.parent, files, write.title, _TOOL, seconds)
        case SetRef():
            building.updates.append(RefUpdate(write.ref, write.target, ZERO))
        case RemoveRef():
            building.updates.append(RefUpdate(write.ref, ZERO, write.old))


def _append(
    repo: Repository,
    building: _Building,
    ref: str,
    parent: str | None,
    files: dict[str, str],
    message: str,
    by: Person,
    seconds: int,
) -> None:
    """Add a commit to a chain, after one that the same plan added before."""
    before = next((update for update in building.updates if update.ref == ref), None)
    if before is not None:
        building.updates.remove(before)
    head = before.new if before else parent
    oid = repo.write_commit(repo.write_tree(files), (head,) if head else (), message, by, seconds)
    building.updates.append(RefUpdate(ref, oid, before.old if before else parent or ZERO))


def _publish(repo: Repository, remote: str | None, updates: list[RefUpdate], observe: Callable[[str], None]) -> Applied:
    if remote is None:
        return _publish_here(repo, updates, observe)
    answer = repo.push(remote, updates)
    if answer.state == "failed":
        raise EnvironmentProblem.of(
            "remote-unreachable",
            f"the push to '{remote}' failed: {answer.detail.splitlines()[-1] if answer.detail else 'no reason given'}",
            help="check the network and your rights (git push --dry-run), then run the same command again. A push arrives as a"
            " whole or not at all; should it have arrived, the second run finds it and changes nothing",
        )
    if answer.state == "done":
        observe("refs     this clone follows")
        heads = "refs/heads/"
        repo.update_refs(
            [
                RefUpdate(
                    f"refs/remotes/{remote}/{update.ref.removeprefix(heads)}"
                    if update.ref.startswith(heads)
                    else update.ref,
                    update.new,
                    None,
                )
                for update in updates
                if update.new != ZERO  # what is removed there may still be wanted here
            ]
        )
    return Applied(answer.state, answer.detail)


def _publish_here(repo: Repository, updates: list[RefUpdate], observe: Callable[[str], None]) -> Applied:
    checked_out = f"refs/heads/{repo.branch()}"
    for update in updates:
        branch = update.ref.removeprefix("refs/heads/")
        if branch != update.ref and (tree := repo.elsewhere(branch)) is not None:
            raise EnvironmentProblem.of(
                "branch-checked-out",
                f"'{branch}' is checked out in {tree}, where the new commit would look like its own undoing",
                help=f"run the command there: -C {tree}",
            )
    if not repo.update_refs(updates):
        return Applied("raced", "a ref moved meanwhile")
    for update in updates:
        if update.ref == checked_out and update.old not in (None, ZERO):
            observe("files    the work tree follows its branch")
            if not repo.fast_forward(str(update.old), update.new):
                return Applied(
                    "done", f"local changes are in the way of commit {update.new[:10]}: git restore --staged ."
                )
    return Applied("done")


def _write_file(root: Path, write: WriteFile) -> None:
    path = root / write.path
    if path.is_symlink() or (path.exists() and not write.replace):
        raise UsageProblem.of(
            "file-exists",
            f"{write.path} exists already and is not overwritten",
            help="move it away, or name another folder",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(write.content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise EnvironmentProblem.of(
            "file-not-written",
            f"{write.path} could not be written: {error.strerror}",
            help="check the disk and the folder's rights",
        ) from error


def _out(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file where somebody asked for it, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlops-ci-") as folder:
            write(Path(folder) / "file")
            (Path(folder) / "file").replace(path)
    except OSError as error:
        raise EnvironmentProblem.of(
            "file-not-written",
            f"{path} could not be written: {error.strerror}",
            help="check the disk and the folder's rights",
        ) from error


def _bundled(repo: Repository, refs: tuple[str, ...], path: Path) -> None:
    repo.bundle(path, refs)


def _need(repo: Repository | None) -> Repository:
    if repo is None:
        raise UsageProblem.of(
            "repository-missing", "this folder is not in a git repository", help="run `git init` and commit your files"
        )
    return repo
