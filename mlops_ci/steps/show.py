"""`show`: what is released, and what runs where."""

from __future__ import annotations

from mlops_ci.assignment import known_model
from mlops_ci.outcomes import ModelRow, ShowReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Project
from mlops_ci.records import Release
from mlops_ci.registry import read


def show(project: Project, *, model: str | None = None) -> Outcome[ShowReport]:
    """Return the registry as this clone knows it; raises UsageProblem for a model that is neither specified nor released."""
    registry = read(project.context.repo)
    states = [registry.model(known_model(project, registry, model))] if model else registry.models.values()
    rows = tuple(
        ModelRow(
            model=state.model,
            latest=state.latest.version,
            environments={name: event.version for name, event in state.assigned.items()},
            versions=tuple(state.releases),
            evidence=state.latest.record.evidence.sentence if isinstance(state.latest.record, Release) else None,
        )
        for state in states
        if state.latest is not None
    )
    return Outcome(ShowReport(project.specs.project.spec.environments, rows))
