"""`show`: what is released, and what runs where; or the experiments behind it."""

from __future__ import annotations

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.queries import RunsReport
from mlops_ci.core.results.registry import ShowReport
from mlops_ci.registry import views as overview
from mlops_ci.registry.state import read
from mlops_ci.repository.context import Place


def show(
    place: Place, *, model: str | None = None, at: str | None = None, runs: bool = False
) -> Outcome[ShowReport | RunsReport]:
    """Return each released model, or one, with its newest version and what each environment runs; with `runs` the experiments.

    `at` takes the registry as it was. Raises UsageProblem for a model of which nothing is recorded, and for an `at` that is neither a
    time nor a commit.
    """
    if runs:
        return _experiments(place, model, at)
    registry = now = read(place.repo)
    moment = None
    if at is not None:
        from mlops_ci.registry.point_in_time import as_it_was

        registry, moment = as_it_was(place.repo, now, at)
    if model:
        now.known(model)
    return Outcome(overview.models(registry, model, moment), now.gaps)


def _experiments(place: Place, model: str | None, at: str | None) -> Outcome[ShowReport | RunsReport]:
    if at is not None:
        raise UsageProblem.of(
            "options-conflict",
            "--runs and --at do not go together: runs are no events, and are not kept in order",
            help="leave out one of the two; each run says when it was trained",
        )
    from mlops_ci.registry.experiments import experiments, table

    if place.repo is None:
        return Outcome(RunsReport(()))
    registry, found, unreadable = experiments(place.repo, model)
    if model is not None and not found and not unreadable:
        registry.known(model)
    names = sorted({one.run.model for one in found})
    tables = tuple(table(name, [one for one in found if one.run.model == name]) for name in names)
    remotes = sorted(place.repo.remotes(), key=lambda name: name != "origin")
    fetch = f"git fetch {remotes[0]} 'refs/mlops/runs/*:refs/mlops/runs/*'" if remotes else None
    return Outcome(RunsReport(tables, fetch), unreadable)
