"""`show`: what is released, and what runs where; or the experiments behind it."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops_ci.errors import UsageProblem
from mlops_ci.message import rollback_in, sentence_in
from mlops_ci.outcomes.proofs import Running, RunsReport
from mlops_ci.outcomes.registry import ModelRow, ShowReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Place
from mlops_ci.registry import Event, ModelState, read


def show(
    place: Place, *, model: str | None = None, at: str | None = None, runs: bool = False
) -> Outcome[ShowReport | RunsReport]:
    """Return each released model, or one, with its newest version and what each environment runs; with `runs` the experiments.

    Environments come in the order in which they were first used, which is that of promotion. As with GTO, a deprecated
    model is shown where it is named only. Of one model it is told, too, since when and why something runs. `at` takes the
    registry as it was. Raises UsageProblem for a model of which nothing is recorded, and for an `at` that is neither a
    time nor a commit.
    """
    if runs:
        return _experiments(place, model, at)
    registry = now = read(place.repo)
    moment = None
    if at is not None:
        from mlops_ci.past import as_it_was

        registry, moment = as_it_was(place.repo, now, at)
    if model:
        now.known(model)
    states = [registry.model(model)] if model else list(registry.models.values())
    environments = dict.fromkeys(event.environment for state in states for event in state.events if event.environment)
    rows = tuple(_row(state) for state in states if state.events and (model or not state.deprecated))
    running = tuple(_running(states[0], event) for event in states[0].assigned.values()) if model else ()
    return Outcome(ShowReport(tuple(environments), rows, running, moment), now.gaps)


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


def _running(state: ModelState, event: Event) -> Running:
    """Tell all that the records say of an assignment that stands, and of the release that it is of."""
    from mlops_ci.records import Assignment, Release

    told = event.record if isinstance(event.record, Assignment) else None
    release = state.releases.get(event.version)
    proof = release.record if release and isinstance(release.record, Release) else None
    return Running(
        environment=event.environment or "",
        version=event.version,
        since=_iso(_first(state, event)),
        assigned_on=_iso(event),
        event="rollback" if rollback_in(event.contents) else "deploy",
        by=told.made_by.actor if told else event.actor,
        tag=event.ref,
        commit=event.commit,
        reason=told.reason if told else None,
        rollback_of=told.rollback_of if told else None,
        run_url=told.made_by.run_url if told else None,
        approvals=told.approvals if told else (),
        approvals_required=told.approvals_required if told else 0,
        release=release.ref if release else None,
        released_on=_iso(release) if release else None,
        released_by=proof.made_by.actor if proof else release.actor if release else None,
        verdict=proof.evidence.verdict if proof else None,
        evidence=proof.evidence.sentence if proof else None,
        data=proof.data if proof else (),
        spec_path=proof.spec_path if proof else None,
        model_digest=proof.model_digest if proof else None,
        model_files=proof.model_files if proof else (),
        run=proof.run_key if proof else None,
        again=f"mlops-ci reproduce {state.model}@v{event.version}" if proof else None,
    )


def _first(state: ModelState, event: Event) -> Event:
    """Return the assignment that brought the version that still runs: it may have been assigned again since."""
    found = event
    for earlier in reversed([one for one in state.events if one.environment == event.environment]):
        if (earlier.kind, earlier.version) != ("assignment", event.version):
            break
        found = earlier
    return found


def _iso(event: Event) -> str:
    return datetime.fromtimestamp(event.date, UTC).isoformat(timespec="seconds")


def _experiments(place: Place, model: str | None, at: str | None) -> Outcome[ShowReport | RunsReport]:
    if at is not None:
        raise UsageProblem.of(
            "options-conflict",
            "--runs and --at do not go together: runs are no events, and are not kept in order",
            help="leave out one of the two; each run says when it was trained",
        )
    from mlops_ci.experiments import experiments, table

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
