"""What a change consists of: the commits that it starts from, and the paths that have another content since.

Where nothing tells what a change starts from, there is a reason in words, and whoever asks must take everything for changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.evaluation.base_branch_rules import find_base
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import PathChange


@dataclass(frozen=True)
class ChangeStart:
    """Where a change starts: the best common ancestors of it and of what it is to be merged into, and what people call that."""

    commits: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        """Return how people call it."""
        return f"{self.name} ({', '.join(commit[:10] for commit in self.commits)})"


def find_change_start(project: Project, repo: Repository, ref: str | None = None) -> ChangeStart | str:
    """Return where the change in the work tree starts; a text that says why nothing tells.

    It is what the work tree has in common with `ref`, or with the commit that CI's event names, or, outside of CI, with the
    branch that the change is to be merged into: what others have merged there meanwhile does not count. Raises
    EnvironmentProblem `base-missing` when `ref` is not here, and when history that would tell was left out of a shallow clone.
    """
    job, head = project.context.job, repo.head()
    if head is None:
        return "there is no commit yet"
    if ref is not None:
        return _common_start(repo, ref, _resolve_ref(repo, ref), head)
    if job is None:
        return _start_from_base(project, repo, head)
    parents = repo.parents(head)
    if (
        job.pull is not None and len(parents) == 2 and parents[1] == job.commit
    ):  # the merge that GitHub makes to test it
        return (
            ChangeStart(parents[:1], job.base or "the base")
            if repo.resolve(f"{parents[0]}^{{tree}}")
            else _missing_commit_reason(repo, job)
        )
    if job.base_commit is not None:
        known = repo.resolve(f"{job.base_commit}^{{commit}}")
        return (
            _common_start(repo, job.base or "the commit before", known, head)
            if known
            else _missing_commit_reason(repo, job)
        )
    if job.base is not None:
        return _start_from_base(project, repo, head)
    return f"a '{job.event}' event names no commit that a change would start from"


def changes(repo: Repository, start: str, job: CiJob | None) -> tuple[PathChange, ...]:
    """Return the paths that have another content than in the commit `start`: in CI in HEAD, else in the work tree."""
    return repo.diff(start, repo.head() if job else None)


def _start_from_base(project: Project, repo: Repository, head: str) -> ChangeStart | str:
    try:
        base = find_base(project)
    except EnvironmentProblem as problem:
        if repo.is_shallow:
            raise
        return str(problem)
    return (
        "there is no remote with a branch to compare with"
        if base is None
        else _common_start(repo, base.name, base.commit, head)
    )


def _resolve_ref(repo: Repository, ref: str) -> str:
    remote = repo.default_remote()
    place = f"refs/remotes/{remote}/{ref}"
    # a branch as the remote has it comes first; but HEAD, or HEAD~1, is the one that is checked out
    known = remote is not None and ref != "HEAD" and place in repo.ref_oids(place)
    commit = repo.resolve(f"{place if known else ref}^{{commit}}")
    if commit is None:
        raise EnvironmentProblem.of(
            "base-missing",
            f"this clone has no '{ref}' to compare with",
            help=f"git fetch {remote or 'origin'} BRANCH; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    return commit


def _common_start(repo: Repository, name: str, commit: str, head: str) -> ChangeStart | str:
    found = repo.merge_bases(commit, head)
    if repo.is_shallow and found != (commit,):  # a nearer ancestor may have been left out
        raise _shallow_clone_problem(f"what HEAD has in common with {name}")
    return ChangeStart(found, name) if found else f"HEAD and {name} ({commit[:10]}) have no history in common"


def _missing_commit_reason(repo: Repository, job: CiJob) -> str:
    if repo.is_shallow:
        raise _shallow_clone_problem("the commit that this change starts from")
    return f"the commit that the '{job.event}' event starts from is gone, as after a forced push"


def _shallow_clone_problem(what: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "base-missing",
        f"this clone is shallow, and {what} was left out of it",
        help="actions/checkout with `fetch-depth: 0`; elsewhere: git fetch --unshallow",
    )
