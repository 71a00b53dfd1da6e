"""The branch that counts: what is merged there is judged by its rules, released from it, and deployed to it.

It is the remote's default branch, or the one that mlops.yaml names there. What a change says about it counts once it is merged.
"""

from __future__ import annotations

from mlops_ci.core.age import describe_age
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.context import Context, Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.remote_head import RemoteHead, ask_remote_head, remembered_remote_head
from mlops_ci.spec.load import parse_project

_REMEMBERED = "remembered head that was used"


def find_default_branch(project: Project, repo: Repository) -> str | None:
    """Return the branch's name; None where there is no remote and HEAD is detached.

    Raises EnvironmentProblem `default-branch-unknown` where there is a remote and nothing tells which of its branches it is.
    """
    own, remote = project.specs.project.spec.branch, repo.default_remote()
    if remote is None:
        return own or repo.current_branch()
    default = find_remote_head(project.context, repo, remote).branch
    if default is None:
        if not repo.has_refs(f"refs/remotes/{remote}/"):  # nothing has been pushed yet
            return own or repo.current_branch()
        raise headless_remote_problem(remote)
    commit = repo.resolve(f"refs/remotes/{remote}/{default}^{{commit}}")
    path = (project.context.root / project.specs.project.path).resolve().relative_to(repo.root.resolve()).as_posix()
    content = repo.read_blob(f"{commit}:{path}") if commit else None
    there = parse_project(content) if content is not None else None
    if there is None:  # the project is new
        return own or default
    return there.spec.branch or default


def find_remote_head(context: Context, repo: Repository, remote: str) -> RemoteHead:
    """Return the remote's default branch: as it says now, or what it last said where this command asks no remote.

    Raises EnvironmentProblem `default-branch-unknown` where it does not say now, and has said nothing to an earlier command.
    """
    if context.asks_remote == "must" or (context.asks_remote == "try" and not context.offline):
        try:
            return ask_remote_head(repo, remote, context.clock())
        except EnvironmentProblem:
            if context.asks_remote == "must" or remembered_remote_head(repo, remote) is None:
                raise
    head = remembered_remote_head(repo, remote)
    if head is None:
        could_ask = context.asks_remote == "no"
        why = "this command did not ask the remote" if could_ask else "the remote does not answer now"
        raise EnvironmentProblem.of(
            "default-branch-unknown",
            f"the default branch of '{remote}' is unknown: {why}, and no earlier command of this clone has asked it",
            help="mlops-ci doctor asks the remote; then run the same command again"
            if could_ask
            else f"run the same command again when the remote answers (git ls-remote {remote}); its answer is kept for the next time",
        )
    return repo.recall(_REMEMBERED, lambda: head)


def headless_remote_problem(remote: str) -> EnvironmentProblem:
    """Return the problem that a remote has branches, and its HEAD leads to none of them."""
    return EnvironmentProblem.of(
        "default-branch-unknown",
        f"'{remote}' has no default branch: its HEAD leads to no branch that exists",
        help="set the default branch at the git host; on a server of your own: git symbolic-ref HEAD refs/heads/main",
    )


def remembered_head_notes(context: Context, repo: Repository) -> tuple[Diagnostic, ...]:
    """Return a note with the age of the answer, where this command wanted to ask, and has used what an earlier one was told."""
    head: RemoteHead | None = repo.recall(_REMEMBERED, lambda: None) if context.asks_remote != "no" else None
    if head is None:
        return ()
    age = describe_age((context.clock() - head.asked).total_seconds())
    return (
        Diagnostic(
            "default-branch-remembered",
            f"the remote was not asked for its default branch: it said '{head.branch}' {age}",
            help="mlops-ci doctor asks the remote",
            severity="note",
        ),
    )
