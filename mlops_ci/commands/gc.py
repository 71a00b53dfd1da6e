"""`gc`: deletes old runs that were never released, and the objects in the store that only those runs use."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import PlannedWrite, Push, RemoveObject, RemoveRef
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.lifecycle import GcReport, SweepResult
from mlops_ci.core.verbs import ALL_SURFACES, ActionOutput, Option, TokenPermission, Verb
from mlops_ci.data.row_rules import parse_duration
from mlops_ci.registry import object_store, run_store
from mlops_ci.registry import state as registry
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository

SPEC = Verb(
    "gc",
    "Delete old runs that were never released.",
    (
        Option(
            "keep",
            "Runs younger than AGE are kept (units: s, m, h, d, w); 90d by default.",
            default="90d",
            metavar="AGE",
        ),
    ),
    writes=True,
    syncs="must",
    surfaces=ALL_SURFACES,
    permissions=(TokenPermission("contents", "write", "deletes the refs of old runs"),),
    outputs=(
        ActionOutput("removed", "The number of runs that were deleted."),
        ActionOutput("kept", "The number of runs that remain."),
    ),
    icon="trash-2",
    details="Deletes in this clone and at the remote. Everything that was ever released or deployed is kept, however old it is. If the project has a `store`"
    " URL, it also deletes stored objects older than AGE that no remaining run uses; other repositories must not share that URL.",
)

REFS_PER_COMMAND = 500  # at most, in one command line
RELEASED_REASON = "released or deployed"
FOREIGN_REASON = "of another project"


@dataclass(frozen=True)
class _ProtectedItems:
    """What releases protect forever: runs by ref or by commit, and objects by name."""

    refs: frozenset[str]
    oids: frozenset[str]
    objects: frozenset[str]


def gc(project: Project, *, keep: str = "90d") -> Outcome[GcReport]:
    """Plan the removal of a project's unreleased runs older than `keep`, here and at the remote, and of their stored objects.

    Runs of other projects stay, and with them what they need.

    Raises UsageProblem for an invalid duration, and EnvironmentProblem when an event, a run or a release's ref is missing or
    malformed: the released runs are then not fully known.
    """
    repo, context = require_repository(project.context.repo), project.context
    oldest = context.clock() - _parse_duration(keep)
    state = registry.read_registry(repo, None)
    _require_complete_registry(state)
    remote = repo.default_remote()
    patterns = (f"{run_store.RUN_PREFIX}*", f"{run_store.RELEASE_PREFIX}*")
    here = {ref.name: ref.oid for ref in repo.refs(run_store.RUN_PREFIX, run_store.RELEASE_PREFIX)}
    there = repo.remote_ref_oids(remote, *patterns) if remote is not None else {}
    dates = _commit_dates(repo, remote, here, there)
    protected = _protected_items(
        repo, state, {ref: oid for ref, oid in _all_refs(here, there) if ref.startswith(run_store.RELEASE_PREFIX)}
    )
    young = f"younger than {keep}"
    runs = [(ref, oid) for ref, oid in _all_refs(here, there) if ref.startswith(run_store.RUN_PREFIX)]
    old = {oid for _, oid in runs if dates[oid] < oldest.timestamp()}
    foreign = _foreign_runs(repo, project, sorted(old - protected.oids))

    def why(ref: str, oid: str) -> str | None:
        if ref in protected.refs or oid in protected.oids:
            return RELEASED_REASON
        return young if oid not in old else FOREIGN_REASON if oid in foreign else None

    kept = {ref: reason for ref, oid in runs if (reason := why(ref, oid))}
    gone_here, gone_there = (
        [(ref, oid) for ref, oid in sorted(refs.items()) if ref.startswith(run_store.RUN_PREFIX) and not why(ref, oid)]
        for refs in (here, there)
    )
    writes: list[PlannedWrite] = [*_plan_removals(gone_there, remote), *_plan_removals(gone_here, None)]
    swept = SweepResult(Counter(kept.values()), tuple(sorted({ref for ref, _ in (*gone_here, *gone_there)})))
    url = project.specs.project.spec.store.rstrip("/")
    if url == "git":
        return Outcome(GcReport(keep, swept), plan=Plan(tuple(writes)))
    needed = _needed_objects(repo, [(ref, oid) for ref, oid in runs if why(ref, oid)])
    found = object_store.list_objects(url)
    reasons = {
        one.name: RELEASED_REASON
        if one.name in protected.objects
        else "needed by a run that is kept"
        if one.name in needed
        else young
        for one in found
        if one.name in protected.objects | needed or one.modified >= oldest
    }
    unused = [one for one in found if one.name not in reasons]
    writes += [RemoveObject(url, one.name, one.size, one.modified.isoformat()) for one in unused]
    objects = SweepResult(Counter(reasons.values()), tuple(one.name for one in unused), sum(one.size for one in unused))
    return Outcome(GcReport(keep, swept, objects), plan=Plan(tuple(writes)))


def _parse_duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageProblem.of("gc-keep", f"--keep: {error}", help="mlops-ci gc --keep 90d") from error


def _all_refs(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every ref with its commit, twice where the remote has another commit at it."""
    yield from sorted({*here.items(), *there.items()})


def _require_complete_registry(state: RegistryState) -> None:
    """Raise EnvironmentProblem unless this clone has every event: a missing event may be the release of a run."""
    if lacking := [name for name, model in state.models.items() if model.gaps or model.is_log_missing]:
        raise _incomplete_problem(
            f"events of {', '.join(lacking)} are not in this clone", "fetch the tags and logs: git fetch --tags"
        )


def _commit_dates(
    repo: Repository, remote: str | None, here: Mapping[str, str], there: Mapping[str, str]
) -> Mapping[str, int]:
    """Return each commit's date; commits that only the remote has are fetched first, without a ref that would keep them."""
    oids = {*here.values(), *there.values()}
    dates = repo.commit_dates(oids)
    lacking = [ref for ref, oid in there.items() if oid not in dates]
    for at in range(0, len(lacking), REFS_PER_COMMAND):
        if remote is not None:
            repo.fetch(remote, *lacking[at : at + REFS_PER_COMMAND])
    dates = repo.commit_dates(oids) if lacking else dates
    if missing := oids - dates.keys():
        names = sorted(ref for ref, oid in _all_refs(here, there) if oid in missing)
        raise _incomplete_problem(
            f"the commits of {', '.join(names[:3])} cannot be read",
            "check the network, then run the same command again",
        )
    return dates


def _protected_items(repo: Repository, state: RegistryState, pins: Mapping[str, str]) -> _ProtectedItems:
    """Return the runs and objects that releases and assignments name, revoked or not, and those of releases without a tag."""
    refs: set[str] = set()
    oids: set[str] = set()
    objects: set[str] = set()
    for record in (event.record for model in state.models.values() for event in model.events):
        if isinstance(record, Release | Assignment):
            refs.add(run_store.run_ref(record.model, record.run_key))
            objects |= _object_names(record.model_files)
        if isinstance(record, Release):
            refs.add(record.run_ref)
            oids.add(record.run_oid)
    for ref, oid in pins.items():
        if oid in oids:
            continue
        stored = run_store.StoredRun(ref, oid, repo.list_files(oid))
        run = run_store.read_record(repo, stored, "run.json", TrainingRun)
        gate = run_store.read_record(repo, stored, "comparison.json", Comparison)
        refs |= {run_store.run_ref(run.model, run.key), run_store.run_ref(gate.model, gate.key)}
        objects |= _object_names(run.files)
        oids.add(oid)
    return _ProtectedItems(frozenset(refs), frozenset(oids), frozenset(objects))


def _foreign_runs(repo: Repository, project: Project, oids: Sequence[str]) -> frozenset[str]:
    """Return those of the runs that name another project of the repository: only that one may delete them."""
    contents = repo.read_objects([f"{oid}:run.json" for oid in oids], or_corrupt=True)
    found = set()
    for oid, content in zip(oids, contents, strict=True):
        try:
            run = json.loads(content or b"")
            owner = (str(run["model"]), str(run["project"]["name"]), str(run["project"]["path"]))
        except (ValueError, LookupError, TypeError, RecursionError):
            continue  # damaged: no project can use it
        if not project.identity.owns_model(
            *owner
        ):  # another version of the toolkit may have written the rest of the record
            found.add(oid)
    return frozenset(found)


def _needed_objects(repo: Repository, runs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the name of every object that the runs store at any URL."""
    stored = (run_store.StoredRun(ref, oid, repo.list_files(oid)) for ref, oid in runs)
    found = (run_store.external_files(repo, run) for run in stored)
    return frozenset(name for away in found if away for name in _object_names(away.files))


def _object_names(files: Iterable[FileDigest]) -> set[str]:
    return {object_store.object_name(file.sha256) for file in files}


def _plan_removals(gone: Sequence[tuple[str, str]], remote: str | None) -> Iterator[PlannedWrite]:
    """Yield the removals in batches; after each batch, the push that executes it (to None: a local transaction)."""
    for at in range(0, len(gone), REFS_PER_COMMAND):
        yield from (RemoveRef(ref, oid) for ref, oid in gone[at : at + REFS_PER_COMMAND])
        yield Push(remote)


def _incomplete_problem(message: str, help: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "registry-incomplete",
        f"{message}, so nothing is deleted: a release that is unknown here might need one of the runs",
        help=help,
    )
