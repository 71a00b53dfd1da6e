"""Finds the commits that a change starts from, and the paths that have changed since.

When the start is unknown, the result is a reason in words; the caller must then treat everything as changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.leftovers import scratch_folder
from mlops_ci.evaluation.base_branch_rules import find_base
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import PathChange


@dataclass(frozen=True)
class ChangeStart:
    """The start of a change: the best common ancestors of the change and its base, and the base's display name."""

    commits: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        """Return the base's name and the short ids of the commits."""
        return f"{self.name} ({', '.join(commit[:10] for commit in self.commits)})"


def find_change_start(project: Project, repo: Repository, ref: str | None = None) -> ChangeStart | str:
    """Return the start of the change in the work tree, or a text with the reason why the start is unknown.

    The start is the merge base of HEAD with `ref`; else with the commit that CI's event names; else, outside of CI, with
    the branch that the change is to be merged into. Commits that others have merged there in the meantime do not count.
    Raises EnvironmentProblem `base-missing` when this clone lacks `ref`, or when a shallow clone lacks the history.
    """
    job, head = project.context.job, repo.head()
    if head is None:
        return "there is no commit yet"
    if ref is not None:
        return _common_start(repo, ref, _resolve_ref(repo, ref), head)
    if job is None:
        return _start_from_base(project, repo, head)
    parents = repo.parents(head)
    # HEAD is the test merge that GitHub makes of a pull request
    if job.pull is not None and len(parents) == 2 and parents[1] == job.commit:
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
    return f"a '{job.event}' event does not name the commit from which the change starts"


def changes(repo: Repository, start: str, job: CiJob | None) -> tuple[PathChange, ...]:
    """Return the paths that have changed since the commit `start`: up to HEAD in CI, else up to the work tree."""
    if job:
        return repo.diff(start, repo.head())
    with scratch_folder("index") as scratch:
        return repo.diff(start, None, repo.index_without_flags(scratch))


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
    # the remote's branch takes precedence; but HEAD and HEAD~1 mean the commit that is checked out
    is_remote_branch = remote is not None and ref != "HEAD" and place in repo.ref_oids(place)
    commit = repo.resolve(f"{place if is_remote_branch else ref}^{{commit}}")
    if commit is None:
        raise EnvironmentProblem.of(
            "base-missing",
            f"this clone has no '{ref}' to compare with",
            help=f"git fetch {remote or 'origin'} BRANCH; in GitHub Actions, set `fetch-depth: 0` for actions/checkout",
        )
    return commit


def _common_start(repo: Repository, name: str, commit: str, head: str) -> ChangeStart | str:
    merge_bases = repo.merge_bases(commit, head)
    if repo.is_shallow and merge_bases != (commit,):  # a nearer ancestor may be missing
        raise _shallow_clone_problem(f"the common history of HEAD and {name}")
    return (
        ChangeStart(merge_bases, name) if merge_bases else f"HEAD and {name} ({commit[:10]}) have no history in common"
    )


def _missing_commit_reason(repo: Repository, job: CiJob) -> str:
    if repo.is_shallow:
        raise _shallow_clone_problem("the commit that this change starts from")
    return f"the commit from which the '{job.event}' event starts does not exist any more (this happens after a forced push)"


def _shallow_clone_problem(what: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "base-missing",
        f"this clone is shallow and lacks {what}",
        help="in GitHub Actions, set `fetch-depth: 0` for actions/checkout; elsewhere: git fetch --unshallow",
    )
