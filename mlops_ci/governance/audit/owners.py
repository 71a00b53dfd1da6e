"""Which project of the branch each model belongs to, and events that name another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.project_identity import find_owner
from mlops_ci.repository.ref_listing import TAG_PREFIX


class Owners(NamedTuple):
    """The models of each project of the branch, and the findings by model. `certain`: the models whose first event names their project."""

    models: dict[ProjectAtTip, tuple[ModelInventory, ...]]
    findings: dict[str, tuple[Diagnostic, ...]]
    certain: frozenset[str] = frozenset()


def group_by_owner(projects: Sequence[ProjectAtTip], helds: Iterable[ModelInventory]) -> Owners:
    """Return the project that each model belongs to: the one that its first event names, or that continues it by its `formerly`.

    A model that names none of the branch's projects is checked against the one that has its spec, else against the first: its
    records may lie.
    """
    found: dict[ProjectAtTip, list[ModelInventory]] = {project: [] for project in projects}
    findings: dict[str, tuple[Diagnostic, ...]] = {}
    certain: set[str] = set()
    identities = {project: project.identity for project in projects}
    for held in helds:
        owner = next((event.project for event in held.state.events if event.project), None)
        heir = find_owner(identities.values(), held.model, owner) if owner else None
        own = next((one for one, identity in identities.items() if identity is heir), None)
        by_spec = next((one for one in projects if held.model in one.specs.models), None)
        checked = own or by_spec or next(iter(projects), None)
        if checked is None:
            continue
        found[checked].append(held)
        if own is not None:
            certain.add(held.model)
        if owner and own is None and not by_spec:
            findings[held.model] = (_unknown_finding(held.model, *owner),)
        else:
            findings[held.model] = tuple(_foreign_findings(held, checked))
    return Owners({project: tuple(models) for project, models in found.items()}, findings, frozenset(certain))


def _unknown_finding(model: str, name: str, path: str) -> Diagnostic:
    return Diagnostic(
        "audit-project-unknown",
        f"'{model}' is a model of project '{name}' in {path}, which the branch does not have, and no other project has a spec of it",
        help=f"if that project was renamed or moved, name it in mlops.yaml of the project that continues it: formerly: [{{name: {name},"
        f" path: {path}}}]",
        severity="warning",
    )


def _foreign_findings(held: ModelInventory, project: ProjectAtTip) -> Iterable[Diagnostic]:
    """Yield a finding for each event that names another project than the one that the model belongs to."""
    here = project.identity.reference
    for event in held.state.events:
        owner = event.project
        if owner is not None and not project.identity.owns_model(held.model, *owner):
            name, path = owner
            yield Diagnostic(
                "audit-project-foreign",
                f"{event.name} names project '{name}' in {path}, but '{held.model}' is a model of project '{here.name}' in {here.path}",
                help="no command writes such an event: inspect it (git show), and find out who pushed it. If the project was renamed or"
                f" moved: formerly: [{{name: {name}, path: {path}}}]",
                about=f"{TAG_PREFIX}{event.name}",
            )
