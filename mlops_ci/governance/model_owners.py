"""The project of the branch that a model belongs to, and the events that name another one."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.records.base import ProjectRef
from mlops_ci.governance.event_faults import EventFault
from mlops_ci.registry.state import ModelState
from mlops_ci.repository.branch_specs import list_project_folders
from mlops_ci.repository.git import Repository
from mlops_ci.repository.project_identity import ProjectIdentity, find_owner
from mlops_ci.spec.load import PROJECT_FILE, parse_project


def find_model_owner(repo: Repository, tip: str | None, state: ModelState) -> ProjectIdentity | None:
    """Return the project at a commit that a model belongs to; None if its events name one project only, or no project has it.

    Only for events of several projects the commit's projects are read.
    """
    named = list(dict.fromkeys(event.project for event in state.events if event.project))
    if tip is None or len(named) < 2:
        return None
    identities = repo.recall(f"projects at {tip}", lambda: tuple(_read_identities(repo, tip)))
    return find_owner(identities, state.model, named[0])


def find_foreign_faults(state: ModelState, owner: ProjectIdentity | None) -> Iterator[EventFault]:
    """Yield a fault for each event that names another project than the model's."""
    if owner is None:
        return
    for event in state.events:
        if event.project is not None and not owner.owns_model(state.model, *event.project):
            name, path = event.project
            here = owner.reference
            why = f"it names project '{name}' in {path}, but '{state.model}' is a model of project '{here.name}' in {here.path}"
            yield EventFault("audit-project-foreign", event, why)


def _read_identities(repo: Repository, commit: str) -> Iterator[ProjectIdentity]:
    files = repo.list_files(commit)
    for folder in list_project_folders(files):
        project = parse_project(repo.read_blob(files[f"{folder}/{PROJECT_FILE}".lstrip("/")]) or b"")
        if project is not None:
            yield ProjectIdentity(ProjectRef(project.name, folder or "."), project.spec.formerly)
