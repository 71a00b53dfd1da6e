"""The folder of manifests on the branch that clusters follow, and the commit or pull request that changes it."""

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
from mlops_ci.repository.git_values import PLAIN_FILE
from mlops_ci.spec.load import LocatedSpec
from mlops_ci.spec.spec_types import DeploymentSpec

REQUEST_PREFIX = "mlops-ci/"  # of the branches of pull requests


@dataclass(frozen=True)
class ManifestBranch:
    """The branch for manifests, with its newest commit in this clone."""

    name: str
    tip: str
    remote: str | None


@dataclass(frozen=True)
class ManifestFolder:
    """The wanted content of a folder of the branch: exactly `files`, by path below it; without files, no folder.

    `path` is relative to the root of the repository.
    """

    branch: ManifestBranch
    path: str
    files: Mapping[str, bytes]


def require_manifest_branch(project: Project, repo: Repository) -> ManifestBranch:
    """Return the project's branch; raises Findings when it is unknown or does not exist."""
    remote = repo.default_remote()
    name = find_default_branch(project, repo)
    if name is None:
        raise Findings.of(
            "branch-unknown",
            "HEAD is detached and nothing has been pushed to a remote, so there is no branch to write manifests to",
            help="set `branch: main` in mlops.yaml, or check out a branch (git switch main)",
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
    """Raise Findings unless the branch has the same Deployment spec: only a reviewed spec may be deployed."""
    path = repository_path(project, repo, spec.path)
    local = (project.context.spec_root / spec.path).read_bytes()
    if repo.read_blob(f"{branch.tip}:{path}") != local:
        raise Findings.of(
            "spec-not-on-branch",
            f"{spec.path} in this clone differs from branch '{branch.name}'",
            location=spec.locate("metadata", "name"),
            help="commit and push the file, or update this clone (git pull), then deploy again",
        )


def is_folder_up_to_date(repo: Repository, folder: ManifestFolder) -> bool:
    """Return whether the branch already has exactly the folder's files."""
    return _has_same_files(repo, folder.branch.tip, folder)


def plan_folder_commit(repo: Repository, folder: ManifestFolder, message: str) -> Commit:
    """Plan the commit that gives the folder its content; raises Findings `folder-taken` if a file has the folder's path."""
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
    """Return the name of a branch for a pull request, and the plan that gives the folder its content there.

    If such a branch already waits for its merge, no new branch is planned. `message` is the commit's message; git hosts offer
    it as the pull request's title and text. With `body`, the plan also opens the pull request. With `gate`, it starts that
    workflow, because a pull request that a job opens starts none. Raises Findings `folder-taken` if a file has the folder's
    path.
    """
    _ensure_folder_free(repo, folder)
    branch = folder.branch
    prefix = f"refs/remotes/{branch.remote}/" if branch.remote else "refs/heads/"
    name_prefix = f"{REQUEST_PREFIX}{topic}-"
    taken = [ref.name.removeprefix(prefix) for ref in repo.refs(f"{prefix}{name_prefix}*")]
    for existing in taken:
        if not repo.contains_commit(branch.tip, f"{prefix}{existing}") and _has_same_files(
            repo, f"{prefix}{existing}", folder
        ):
            return existing, Plan(_pull_request_notifications(existing, branch, message, body))
    # the number may be used by a pull request for another version
    suffixes = chain([""], map("-{}".format, count(2)))
    name = next(name for suffix in suffixes if (name := f"{name_prefix}{number}{suffix}") not in taken)
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
    """Return a warning if a killed command updated the local branch but not the work tree."""
    branch = folder.branch
    if branch.remote is not None or repo.current_branch() != branch.name:
        return ()
    exists = (repo.root / folder.path).exists()
    if not (repo.uncommitted_paths([f"{folder.path}/{path}" for path in folder.files]) if folder.files else exists):
        return ()
    return (
        Diagnostic(
            "worktree-behind",
            f"the files in {folder.path}/ differ from branch '{branch.name}'",
            help=f"git restore --staged --worktree {folder.path}",
            severity="warning",
        ),
    )


def repository_path(project: Project, repo: Repository, path: str) -> str:
    """Return a path of the project, relative to the root of the repository."""
    return (project.context.root / path).relative_to(repo.root).as_posix()


def _has_same_files(repo: Repository, tip: str, folder: ManifestFolder) -> bool:
    current = repo.list_entries(tip, folder.path)  # a link or an executable is another file, whatever its content
    return set(current) == set(folder.files) and all(
        mode == PLAIN_FILE and repo.read_blob(oid) == folder.files[path] for path, (mode, oid) in current.items()
    )


def _ensure_folder_free(repo: Repository, folder: ManifestFolder) -> None:
    """Raise Findings if a file of the branch has the path of the manifests' folder: git would replace it silently."""
    parts = folder.path.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        if repo.object_type(f"{folder.branch.tip}:{path}") not in (None, "tree"):
            raise Findings.of(
                "folder-taken",
                f"branch '{folder.branch.name}' has a file '{path}', but the manifests need a folder with this name",
                help=f"rename the file (git mv {path} ...), commit and push",
            )
