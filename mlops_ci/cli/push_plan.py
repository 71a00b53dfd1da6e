"""Executes a plan: builds git objects that no ref names yet, then publishes all of them with one push or one transaction.

If the process is killed before the push, nothing has changed. If it is killed after the push, everything is published, and
the next fetch updates this clone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.leftovers import scratch_folder_beside
from mlops_ci.core.notifications import Notification
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import (
    AppendLedger,
    AppendLog,
    Commit,
    CreateRef,
    CreateTag,
    DropFit,
    ExportFile,
    KeepFit,
    KeepLocalCopy,
    PrepareRepository,
    Push,
    RemoveObject,
    RemoveRef,
    StoreRun,
    Upload,
    WriteBundle,
    WriteFile,
    describe_write,
    resolve_placeholders,
)
from mlops_ci.registry import holdout_ledger, kept_fits, object_store, run_store
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository, require_identity
from mlops_ci.repository.git_values import ZERO_OID, Person, RefUpdate, tag_content
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.signing import sign_tag


@dataclass(frozen=True)
class ApplyResult:
    """How the plan ended. `raced`: another write came first; `refused`: the remote said no. Neither wrote anything.

    `is_branch_protected`: a rule of the branch refused it, so that a pull request may do.
    """

    state: Literal["done", "raced", "refused"]
    detail: str = ""
    notes: tuple[Diagnostic, ...] = ()  # notifications that failed
    is_branch_protected: bool = False


Notifier = Callable[[Notification], Diagnostic | None]  # notifies the git host; returns a warning if that failed


def no_notifier(one: Notification) -> Diagnostic:
    """Return a warning that nothing was sent: there is no git host, or no token for it."""
    return Diagnostic(
        "host-not-told",
        f"the git host was not notified, because there is no token: {describe_write(one)}",
        help="in GitHub Actions, give the step a token: `env: GITHUB_TOKEN: ${{ github.token }}`",
        severity="warning",
    )


@dataclass
class _BuiltObjects:
    """The objects built so far: the updates of the refs that will name them, and the tags by name."""

    updates: list[RefUpdate] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    date: int = (
        0  # of the newest tag; the tags of a plan are one second apart, so that sorting by date keeps their order
    )


# a run's commit depends on its content only, not on the person who ran it
_TOOL_AUTHOR = Person("mlops-ci", "mlops-ci@localhost")
_MOST_REFS = 6


def apply_plan(
    plan: Plan,
    root: Path,
    repo: Repository | None,
    person: Person | None,
    clock: Callable[[], datetime],
    observe: Callable[[str], None],
    notifier: Notifier = no_notifier,
) -> ApplyResult:
    """Execute a plan's writes in order.

    `observe` is called with a description of each write before the write; `notifier` sends notifications to the git host.
    Raises EnvironmentProblem when the remote cannot be reached or a file cannot be written, and UsageProblem when there is
    no identity for the author of a commit or tag.
    """
    building = _BuiltObjects()
    notes: list[Diagnostic] = []
    seconds = int(clock().timestamp())
    for write in plan.writes:
        observe(describe_write(write))
        match write:
            case WriteFile():
                _write_file(root, write)
            case PrepareRepository():
                folder = root / write.folder
                folder.mkdir(parents=True, exist_ok=True)
                created = git.find_repository(folder) or git.create_repository(folder)
                if (remote := created.default_remote()) is not None:
                    created.configure_registry_fetch(remote)
            case KeepLocalCopy():
                object_store.keep_copy(write.file, write.source, run_store.cache_folder(require_repository(repo)))
            case KeepFit():
                kept_fits.keep_fit(require_repository(repo), write)
            case DropFit():
                kept_fits.remove_fit(require_repository(repo), write.model, write.key)
            case Upload():
                object_store.upload_object(write.url, write.file, write.source, clock())
                object_store.remove_kept_copy(write.file, run_store.cache_folder(require_repository(repo)))
            case RemoveObject():
                object_store.remove_object(write.url, write.name, write.modified)
            case ExportFile():
                _export_file(write.path, partial(shutil.copyfile, write.source))
            case WriteBundle():
                _export_file(write.path, partial(_write_bundle, require_repository(repo), write.refs))
            case Push():
                answer = _publish(require_repository(repo), write.remote, building.updates, observe)
                if answer.state != "done":
                    return answer
                building.updates.clear()
            case StoreRun() | Commit() | CreateTag() | AppendLog() | AppendLedger() | CreateRef() | RemoveRef():
                _build_object(write, require_repository(repo), person, seconds, building)
            case _:
                notes += [warning] if (warning := notifier(write)) else []
    if building.updates:
        answer = _publish(require_repository(repo), None, building.updates, observe)
        if answer.state != "done":
            return answer
    return ApplyResult("done", notes=tuple(notes))


def _build_object(
    write: StoreRun | Commit | CreateTag | AppendLog | AppendLedger | CreateRef | RemoveRef,
    repo: Repository,
    person: Person | None,
    seconds: int,
    building: _BuiltObjects,
) -> None:
    match write:
        case StoreRun():
            tree = repo.write_tree(repo.write_blobs(write.files))
            oid = repo.write_commit(tree, (), write.title, _TOOL_AUTHOR, seconds)
            building.updates.append(RefUpdate(write.ref, oid, ZERO_OID))
        case Commit():
            tree = repo.write_tree(repo.write_blobs(write.files), base=write.parent, folder=write.folder)
            oid = repo.write_commit(tree, (write.parent,), write.message, require_identity(person), seconds)
            old = ZERO_OID if write.new_branch else write.parent
            building.updates.append(RefUpdate(f"refs/heads/{write.branch}", oid, old))
        case CreateTag():
            building.date = max(seconds, write.dated_after + 1, building.date + 1)
            message = resolve_placeholders(write.message, building.tags)
            text = (write.name, write.target, message, require_identity(person), building.date)
            content = sign_tag(repo, write.signing, *text)[0] if write.signing else tag_content(*text)
            oid = repo.store_tag(content)
            building.tags[write.name] = oid
            building.updates.append(RefUpdate(f"{write.ref_namespace}{write.name}", oid, ZERO_OID))
        case AppendLog():
            files = repo.write_blobs(
                {
                    "record.json": resolve_placeholders(canonical_json(write.record), building.tags).encode(),
                    "tag": f"{write.tag_oid or building.tags[write.tag]} {write.tag}\n".encode(),
                }
            )
            log = f"refs/mlops/log/{write.model}"
            _append_commit(
                repo, building, _ChainLink(log, write.parent, files, write.tag, require_identity(person)), seconds
            )
        case AppendLedger():
            files = repo.write_blobs({holdout_ledger.LEDGER_ENTRY_FILE: canonical_json(write.question).encode()})
            _append_commit(
                repo, building, _ChainLink(write.ref, write.parent, files, write.title, _TOOL_AUTHOR), seconds
            )
        case CreateRef():
            building.updates.append(RefUpdate(write.ref, write.target, ZERO_OID))
        case RemoveRef():
            building.updates.append(RefUpdate(write.ref, ZERO_OID, write.old))


class _ChainLink(NamedTuple):
    """A commit to add to the chain at `ref`: its parent, its blobs by path, its message and its author."""

    ref: str
    parent: str | None
    files: dict[str, str]
    message: str
    by: Person


def _append_commit(repo: Repository, building: _BuiltObjects, link: _ChainLink, seconds: int) -> None:
    """Add a commit to a chain, after the commits that the same plan has already added."""
    before = next((update for update in building.updates if update.ref == link.ref), None)
    if before is not None:
        building.updates.remove(before)
    head = before.new if before else link.parent
    oid = repo.write_commit(repo.write_tree(link.files), (head,) if head else (), link.message, link.by, seconds)
    building.updates.append(RefUpdate(link.ref, oid, before.old if before else link.parent or ZERO_OID))


def _publish(
    repo: Repository, remote: str | None, updates: list[RefUpdate], observe: Callable[[str], None]
) -> ApplyResult:
    if remote is None:
        return _publish_locally(repo, updates, observe)
    answer = repo.push(remote, updates)
    if answer.state == "partial":
        raise EnvironmentProblem.of(
            "push-incomplete",
            f"a part of the push is at '{remote}' ({_list_names(answer.arrived)}), and {_list_names(answer.missing)} is not:"
            f" {answer.detail}",
            help=f"let the remote take and show refs/mlops/* (receive.hideRefs, transfer.hideRefs), then run the same command again:"
            f" it writes what is missing. To see what is there: git ls-remote {remote}",
        )
    if answer.state == "failed":
        raise _unanswered_error(remote, answer.detail, f"'{remote}' has nothing of it so far")
    if answer.state == "unknown":
        raise _unanswered_error(
            remote, answer.detail, f"whether it arrived is not known, because '{remote}' cannot be asked"
        )
    if answer.state == "done":
        observe("refs     update this clone")
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
                if update.new != ZERO_OID  # a ref that the plan removes at the remote stays in this clone
            ]
        )
    return ApplyResult(answer.state, answer.detail, is_branch_protected=answer.is_branch_protected)


def _unanswered_error(remote: str, detail: str, arrived: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "remote-unreachable",
        f"the push to '{remote}' got no answer: {detail}; {arrived}",
        help="check the network and your access rights (git push --dry-run), then run the same command again. The push is atomic: if"
        " it succeeded in spite of this error, the second run finds its result and changes nothing",
    )


def _list_names(refs: Sequence[str]) -> str:
    return (
        ", ".join(refs[:_MOST_REFS]) + (f" and {len(refs) - _MOST_REFS} more" if len(refs) > _MOST_REFS else "")
        or "nothing"
    )


def _publish_locally(repo: Repository, updates: list[RefUpdate], observe: Callable[[str], None]) -> ApplyResult:
    branches = [update for update in updates if update.ref.startswith("refs/heads/")]
    checked_out = f"refs/heads/{repo.current_branch()}" if branches else None
    for update in branches:
        branch = update.ref.removeprefix("refs/heads/")
        if (tree := repo.other_worktree(branch)) is not None:
            raise EnvironmentProblem.of(
                "branch-checked-out",
                f"branch '{branch}' is checked out in the work tree {tree}, whose files would not match the new commit",
                help=f"run the command in that work tree: -C {tree}",
            )
    if not repo.update_refs(updates):
        return ApplyResult("raced", "another command changed a ref in the meantime")
    for update in branches:
        if update.ref == checked_out and update.old not in (None, ZERO_OID):
            observe("files    update the work tree to the new commit of its branch")
            if not repo.fast_forward(str(update.old), update.new):
                return ApplyResult(
                    "done",
                    f"local changes prevented the update of the work tree to commit {update.new[:10]}: git restore --staged .",
                )
    return ApplyResult("done")


def _write_file(root: Path, write: WriteFile) -> None:
    path = root / write.path
    if path.is_symlink() or (path.exists() and not write.replace):
        raise UsageProblem.of(
            "file-exists",
            f"{write.path} exists already and is not overwritten",
            help="move the file away, or name another folder",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder_beside(path) as folder:
            (folder / "file").write_bytes(write.content)
            (folder / "file").chmod(0o644)
            (folder / "file").replace(path)
    except OSError as error:
        raise EnvironmentProblem.of(
            "file-not-written",
            f"{write.path} could not be written: {error.strerror}",
            help="check the disk and the folder's permissions",
        ) from error


def _export_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file to a path that the user named, atomically."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder_beside(path) as folder:
            write(folder / "file")
            (folder / "file").replace(path)
    except OSError as error:
        raise EnvironmentProblem.of(
            "file-not-written",
            f"{path} could not be written: {error.strerror}",
            help="check the disk and the folder's permissions",
        ) from error


def _write_bundle(repo: Repository, refs: tuple[str, ...], path: Path) -> None:
    repo.write_bundle(path, refs)
