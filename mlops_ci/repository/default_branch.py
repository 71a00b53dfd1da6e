"""The branch that counts: what is merged there is judged by its rules, released from it, and deployed to it.

It is the remote's default branch, or the one that mlops.yaml names there. What a change says about it counts once it is merged.
"""

from __future__ import annotations

from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import parse_project

_USUAL_NAMES = ("main", "master")


def find_default_branch(project: Project, repo: Repository) -> str | None:
    """Return the branch's name; None where there is a remote, and nothing tells which of its branches it is."""
    own, remote = project.specs.project.spec.branch, repo.default_remote()
    if remote is None:
        return own or repo.current_branch()
    place = f"refs/remotes/{remote}/"
    default = repo.remote_default_branch(remote).name
    default = default or next((name for name in _USUAL_NAMES if repo.resolve(f"{place}{name}^{{commit}}")), None)
    if default is None:
        return None if repo.refs(place) else own or repo.current_branch()  # nothing has been pushed yet
    commit = repo.resolve(f"{place}{default}^{{commit}}")
    path = (project.context.root / project.specs.project.path).resolve().relative_to(repo.root.resolve()).as_posix()
    content = repo.read_blob(f"{commit}:{path}") if commit else None
    there = parse_project(content) if content is not None else None
    if there is None:  # the project is new
        return own or default
    return there.spec.branch or default
