"""`show`: what is released, and what runs where."""

from __future__ import annotations

from mlops_ci.message import sentence_in
from mlops_ci.outcomes import ModelRow, ShowReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Context
from mlops_ci.registry import ModelState, read


def show(context: Context, *, model: str | None = None) -> Outcome[ShowReport]:
    """Return each released model, or one, with its newest version and what each environment runs.

    Environments come in the order in which they were first used, which is that of promotion. As with GTO, a deprecated
    model is shown where it is named only. Raises UsageProblem for a
    model of which nothing is recorded.
    """
    registry = read(context.repo)
    states = [registry.known(model)] if model else list(registry.models.values())
    environments = dict.fromkeys(event.environment for state in states for event in state.events if event.environment)
    rows = tuple(_row(state) for state in states if state.events and (model or not state.deprecated))
    return Outcome(ShowReport(tuple(environments), rows), registry.gaps)


def _row(state: ModelState) -> ModelRow:
    latest = state.latest
    return ModelRow(
        model=state.model,
        latest=latest.version if latest else None,
        environments={name: event.version for name, event in state.assigned.items()},
        versions=tuple(state.releases),
        evidence=sentence_in(latest.contents) if latest else None,
        deprecated=state.deprecated,
    )
