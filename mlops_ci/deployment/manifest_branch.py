"""A folder of manifests on the branch that clusters follow: what it holds, and the commit or pull request that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.core.notifications import OpenPullRequest, StartWorkflow
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import Commit, Push
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import LocatedSpec
from mlops_ci.spec.spec_types import DeploymentSpec


@dataclass(frozen=True)
class ManifestBranch:
    """The branch that manifests are written to, and its newest commit that this clone knows."""

    name: str
    tip: str
    remote: str | None


@dataclass(frozen=True)
class ManifestFolder:
    """What a folder of the branch shall hold: `files` by path below it, and nothing else; none: it shall be gone.

    `path` counts from the root of the repository.
    """

    branch: ManifestBranch
    path: str
    files: Mapping[str, bytes]


def require_manifest_branch(project: Project, repo: Repository) -> ManifestBranch:
    """Return the project's branch; raises Findings when it cannot be told, or does not exist."""
    remote = repo.default_remote()
    name = find_default_branch(project, repo)
    if name is None:
        raise Findings.of(
            "branch-unknown",
            "HEAD is detached and there is no remote, so there is no branch to write manifests to",
            help="set `branch: main` in mlops.yaml, or check a branch out (git switch main)",
        )
    ref = f"refs/remotes/{remote}/{name}" if remote else f"refs/heads/{name}"
    tip = repo.resolve(f"{ref}^{{commit}}")
    if tip is None:
        raise Findings.of(
            "branch-missing",
            f"the branch '{name}' does not exist {f'on {remote!r}' if remote else 'here'} yet",
            help=f"git push {remote} HEAD:{name}" if remote else "commit your specs first",
        )
    return ManifestBranch(name, tip, remote)


def ensure_spec_on_branch(
    repo: Repository, branch: ManifestBranch, project: Project, spec: LocatedSpec[DeploymentSpec]
) -> None:
    """Insist that what is deployed is what was reviewed: the spec as the branch has it; raises Findings."""
    path = repository_path(project, repo, spec.path)
    local = (project.context.root / spec.path).read_bytes()
    if repo.read_blob(f"{branch.tip}:{path}") != local:
        raise Findings.of(
            "spec-not-on-branch",
            f"{spec.path} here is not what branch '{branch.name}' has",
            location=spec.locate("metadata", "name"),
            help="commit and push it, or bring this clone up to date (git pull), then deploy again",
        )


def is_folder_up_to_date(repo: Repository, folder: ManifestFolder) -> bool:
    """Tell whether the branch holds exactly the folder's files already."""
    return _has_same_files(repo, folder.branch.tip, folder)


def plan_folder_commit(repo: Repository, folder: ManifestFolder, message: str) -> Commit:
    """Plan the commit that makes the folder so; raises Findings `folder-taken` when a file stands in its place."""
    _ensure_folder_free(repo, folder)
    return Commit(folder.branch.name, folder.branch.tip, folder.path, folder.files, message)


def plan_pull_request(
    repo: Repository,
    folder: ManifestFolder,
    topic: str,
    number: int,
    message: str,
    body: str | None = None,
    gate: str | None = None,
) -> tuple[str, Plan]:
    """Plan a branch of its own that makes the folder so, for a pull request; return its name, too.

    No branch is planned where such a one waits for its merge already. Hosts offer a lone commit's message as the
    request's title and text; with `body`, the request itself is asked for, too, and with `gate` the workflow is started that a request which a job opens does
    not start. Raises Findings `folder-taken` when a file stands in the folder's place.
    """
    _ensure_folder_free(repo, folder)
    branch = folder.branch
    prefix = f"refs/remotes/{branch.remote}/" if branch.remote else "refs/heads/"
    ours = f"mlops-ci/{topic}-"
    taken = [ref.name.removeprefix(prefix) for ref in repo.refs(f"{prefix}{ours}*")]
    for known in taken:
        if not repo.contains_commit(branch.tip, f"{prefix}{known}") and _has_same_files(
            repo, f"{prefix}{known}", folder
        ):
            return known, Plan(_pull_request_notifications(known, branch, message, body))
    # the number may be taken by a request that waits for another version
    suffixes = chain([""], map("-{}".format, count(2)))
    name = next(name for suffix in suffixes if (name := f"{ours}{number}{suffix}") not in taken)
    change = Commit(name, branch.tip, folder.path, folder.files, message, new_branch=True)
    started = (StartWorkflow(gate, name),) if gate and body is not None else ()
    return name, Plan(
        (change, Push(branch.remote), *_pull_request_notifications(name, branch, message, body), *started)
    )


def _pull_request_notifications(
    name: str, branch: ManifestBranch, message: str, body: str | None
) -> tuple[OpenPullRequest, ...]:
    return () if body is None else (OpenPullRequest(name, branch.name, message.partition("\n")[0], body),)


def worktree_warnings(repo: Repository, folder: ManifestFolder) -> tuple[Diagnostic, ...]:
    """Notice a local command that was killed: it has moved the branch, but the work tree has not followed."""
    branch = folder.branch
    if branch.remote is not None or repo.current_branch() != branch.name:
        return ()
    there = (repo.root / folder.path).exists()
    if not (repo.uncommitted_paths([f"{folder.path}/{path}" for path in folder.files]) if folder.files else there):
        return ()
    return (
        Diagnostic(
            "worktree-behind",
            f"the files in {folder.path}/ are not what branch '{branch.name}' has",
            help=f"git restore --staged --worktree {folder.path}",
            severity="warning",
        ),
    )


def repository_path(project: Project, repo: Repository, path: str) -> str:
    """Return a path of the project as the repository has it."""
    return (project.context.root / path).relative_to(repo.root).as_posix()


def _has_same_files(repo: Repository, tip: str, folder: ManifestFolder) -> bool:
    there = repo.list_files(tip, folder.path)
    return set(there) == set(folder.files) and all(
        repo.read_blob(oid) == folder.files[path] for path, oid in there.items()
    )


def _ensure_folder_free(repo: Repository, folder: ManifestFolder) -> None:
    """Insist that no file of the branch stands where a folder of manifests must be: git would replace it silently."""
    parts = folder.path.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        if repo.object_type(f"{folder.branch.tip}:{path}") not in (None, "tree"):
            raise Findings.of(
                "folder-taken",
                f"branch '{folder.branch.name}' has a file '{path}', and manifests belong into a folder of that name",
                help=f"rename the file (git mv {path} ...), commit and push",
            )
