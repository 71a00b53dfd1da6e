"""`gc`: removes runs that were never released and are old, and what only they need of the store for large files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import Push, RemoveObject, RemoveRef, Write
from mlops_ci.core.records import Assignment, Comparison, FileDigest, Release, TrainingRun
from mlops_ci.core.results.lifecycle import GcReport, Swept
from mlops_ci.data.row_rules import age
from mlops_ci.deployment.assignment import needed_repository
from mlops_ci.registry import object_store as artifacts
from mlops_ci.registry import run_store as store
from mlops_ci.registry import state as registry
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository

BATCH = 500  # refs that one command line names
RELEASED = "released or deployed"


@dataclass(frozen=True)
class _Held:
    """What releases hold, for good: runs by ref or by commit, and objects by name."""

    refs: frozenset[str]
    oids: frozenset[str]
    objects: frozenset[str]


def gc(project: Project, *, keep: str = "90d") -> Outcome[GcReport]:
    """Plan the removal of runs, here and at the remote, that are older than `keep` and that no release holds; and of objects.

    Raises UsageProblem for a duration that is none, EnvironmentProblem when what is released cannot be known in full: an
    event, a run or a pin is out of reach, or is not in its form.
    """
    repo, context = needed_repository(project), project.context
    oldest = context.clock() - _duration(keep)
    state = registry.read(repo)
    _whole(state)
    remote = repo.remote()
    patterns = (f"{store.RUNS}*", f"{store.RELEASES}*")
    here = {ref.name: ref.oid for ref in repo.refs(store.RUNS, store.RELEASES)}
    there = repo.remote_oids(remote, *patterns) if remote is not None else {}
    dates = _dates(repo, remote, here, there)
    held = _held(repo, state, {ref: oid for ref, oid in _both(here, there) if ref.startswith(store.RELEASES)})
    young = f"younger than {keep}"

    def why(ref: str, oid: str) -> str | None:
        if ref in held.refs or oid in held.oids:
            return RELEASED
        return young if dates[oid] >= oldest.timestamp() else None

    runs = [(ref, oid) for ref, oid in _both(here, there) if ref.startswith(store.RUNS)]
    kept = {ref: reason for ref, oid in runs if (reason := why(ref, oid))}
    gone_here, gone_there = (
        [(ref, oid) for ref, oid in sorted(refs.items()) if ref.startswith(store.RUNS) and not why(ref, oid)]
        for refs in (here, there)
    )
    writes: list[Write] = [*_removals(gone_there, remote), *_removals(gone_here, None)]
    swept = Swept(Counter(kept.values()), tuple(sorted({ref for ref, _ in (*gone_here, *gone_there)})))
    url = project.specs.project.spec.store.rstrip("/")
    if url == "git":
        return Outcome(GcReport(keep, swept), plan=Plan(tuple(writes)))
    needed = _needed(repo, [(ref, oid) for ref, oid in runs if why(ref, oid)])
    found = artifacts.listing(url)
    reasons = {
        one.name: RELEASED
        if one.name in held.objects
        else "needed by a run that stays"
        if one.name in needed
        else young
        for one in found
        if one.name in held.objects | needed or one.modified >= oldest
    }
    lost = [one for one in found if one.name not in reasons]
    writes += [RemoveObject(url, one.name, one.size, one.modified.isoformat()) for one in lost]
    objects = Swept(Counter(reasons.values()), tuple(one.name for one in lost), sum(one.size for one in lost))
    return Outcome(GcReport(keep, swept, objects), plan=Plan(tuple(writes)))


def _duration(text: str) -> timedelta:
    try:
        return age(text)
    except ValueError as error:
        raise UsageProblem.of("gc-keep", f"--keep: {error}", help="mlops-ci gc --keep 90d") from error


def _both(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every ref with its commit, twice where the remote has another commit at it."""
    yield from sorted({*here.items(), *there.items()})


def _whole(state: RegistryState) -> None:
    """Insist that this clone has every event: one that is missing may be what releases a run."""
    if lacking := [name for name, model in state.models.items() if model.gaps or model.unlogged]:
        raise _incomplete(
            f"events of {', '.join(lacking)} are not in this clone", "fetch the tags and logs: git fetch --tags"
        )


def _dates(
    repo: Repository, remote: str | None, here: Mapping[str, str], there: Mapping[str, str]
) -> Mapping[str, int]:
    """Return each commit's date; what only the remote has is fetched first, without a ref that would keep it."""
    oids = {*here.values(), *there.values()}
    dates = repo.commit_dates(oids)
    lacking = [ref for ref, oid in there.items() if oid not in dates]
    for at in range(0, len(lacking), BATCH):
        if remote is not None:
            repo.fetch(remote, *lacking[at : at + BATCH])
    dates = repo.commit_dates(oids) if lacking else dates
    if missing := oids - dates.keys():
        names = sorted(ref for ref, oid in _both(here, there) if oid in missing)
        raise _incomplete(
            f"{', '.join(names[:3])} cannot be read", "check the network, then run the same command again"
        )
    return dates


def _held(repo: Repository, state: RegistryState, pins: Mapping[str, str]) -> _Held:
    """Return what releases and assignments name, deregistered or not, and what pins hold whose tag is gone."""
    refs: set[str] = set()
    oids: set[str] = set()
    objects: set[str] = set()
    for record in (event.record for model in state.models.values() for event in model.events):
        if isinstance(record, Release | Assignment):
            refs.add(store.run_ref(record.model, record.run_key))
            objects |= _names(record.model_files)
        if isinstance(record, Release):
            refs.add(record.run_ref)
            oids.add(record.run_oid)
    for ref, oid in pins.items():
        if oid in oids:
            continue
        stored = store.StoredRun(ref, oid, repo.tree(oid))
        run = store.read_record(repo, stored, "run.json", TrainingRun)
        gate = store.read_record(repo, stored, "comparison.json", Comparison)
        refs |= {store.run_ref(run.model, run.key), store.run_ref(gate.model, gate.key)}
        objects |= _names(run.files)
        oids.add(oid)
    return _Held(frozenset(refs), frozenset(oids), frozenset(objects))


def _needed(repo: Repository, runs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the name of every object that the runs keep at a URL, whichever that is."""
    stored = (store.StoredRun(ref, oid, repo.tree(oid)) for ref, oid in runs)
    found = (store.elsewhere(repo, run) for run in stored)
    return frozenset(name for away in found if away for name in _names(away.files))


def _names(files: Iterable[FileDigest]) -> set[str]:
    return {artifacts.object_name(file.sha256) for file in files}


def _removals(gone: Sequence[tuple[str, str]], remote: str | None) -> Iterator[Write]:
    """Yield removals, each batch with the push (None: the local transaction) that makes it."""
    for at in range(0, len(gone), BATCH):
        yield from (RemoveRef(ref, oid) for ref, oid in gone[at : at + BATCH])
        yield Push(remote)


def _incomplete(message: str, help: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "registry-incomplete", f"{message}, so nothing is removed: it might be what a release needs", help=help
    )
