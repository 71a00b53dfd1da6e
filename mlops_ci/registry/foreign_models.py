"""What a command says when it is asked for a model of another project."""

from __future__ import annotations

import posixpath

from mlops_ci.core.errors import Findings
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState
from mlops_ci.repository.project_identity import ProjectIdentity


def foreign_model_error(state: ModelState, foreign: Event, mine: ProjectIdentity) -> Findings:
    """Return the error for a model with an event of another project; it names the project that has the model now."""
    here = mine.reference
    others = dict.fromkeys(
        event.project
        for event in state.events_in_force
        if event.project and not mine.owns_model(state.model, *event.project)
    )
    owner = state.project if state.project in others else foreign.project
    name, path = owner or ("", "")
    witness = next((event for event in state.events_in_force if event.project == owner), foreign)
    former = ", ".join(f"{{name: {name}, path: {path}}}" for name, path in filter(None, others))
    return Findings.of(
        "model-of-another-project",
        f"'{state.model}' is a model of project '{name}' in {path}: {witness.name} names it. This is project '{here.name}' in {here.path}",
        help=f"for the other project's model, in this project's folder: -C {posixpath.relpath(path, here.path)}. All models of a repository"
        f" share its tags, so this project's needs another name.\n"
        f"If this project was renamed or moved, say so below `spec` in its mlops.yaml: formerly: [{former}]",
    )
