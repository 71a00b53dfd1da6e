"""Fetches the registry before a command reads it, as far as its verb needs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.events import Release
from mlops_ci.core.verbs import Verb
from mlops_ci.registry.events import parse_event_name
from mlops_ci.registry.run_store import RELEASE_PREFIX, RUN_PREFIX, release_ref
from mlops_ci.registry.state import ModelState, read_registry
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, RefUpdate
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX, LEDGER_PREFIX, LOG_PREFIX, TAG_PREFIX
from mlops_ci.repository.remotes import remote_problem


def has_whole_registry(repo: Repository | None) -> bool:
    """Return whether this clone has a registry, and no part of it is missing."""
    known = read_registry(repo, None)
    return bool(known.models) and not known.gap_warnings


def sync_registry(repo: Repository | None, verb: Verb) -> tuple[Diagnostic, ...]:
    """Fetch branches, tags and logs without force, and return a warning if the remote is unreachable.

    Queries fetch no branches. Raises EnvironmentProblem when the registries differ, or when the verb needs the remote.
    """
    remote = repo.default_remote() if repo and verb.syncs != "no" else None
    if repo is None or remote is None:
        return ()
    spaces = (
        TAG_PREFIX,
        LOG_PREFIX,
        APPROVAL_PREFIX,
        LEDGER_PREFIX,
        *((RELEASE_PREFIX,) if verb.syncs == "job" else ()),
    )
    refspecs = [f"{space}*:{space}*" for space in spaces]
    heads = None
    if verb.syncs != "gaps":
        heads = repo.fetch(remote, f"+refs/heads/*:refs/remotes/{remote}/*", prune=True)
    tags = repo.fetch(remote, *refspecs) if heads is None or heads.state == "done" else heads
    if moved := [
        name
        for name in tags.rejected_refs
        if name.startswith((LOG_PREFIX, LEDGER_PREFIX)) or parse_event_name(f"{TAG_PREFIX}{name}")
    ]:
        raise EnvironmentProblem.of(
            "registry-diverged",
            f"these refs differ between this clone and '{remote}', although such refs must never change: {', '.join(moved)}",
            help="somebody rewrote the registry in this clone or at the remote; compare both with another clone before you trust either of them",
        )
    if tags.state in ("done", "rejected"):  # tags of other tools may move
        if verb.syncs == "must":
            _require_all_published(repo, remote)
            _pin_known_runs(repo)
        return ()
    if verb.syncs in ("must", "job"):
        raise remote_problem(remote, tags.state, f"'{remote}' could not be fetched", tags.detail)
    return (
        Diagnostic(
            "registry-offline",
            f"'{remote}' could not be fetched, so the result is based on this clone's state: {tags.detail}",
            help="fetch (git fetch) and run again to compare with today's champion",
            severity="warning",
        ),
    )


def _pin_known_runs(repo: Repository) -> None:
    """Pin each released run that this clone has and does not pin: its release was published by a command that was killed then."""
    releases = {
        release_ref(event.model, event.version): event.record.run_oid
        for state in read_registry(repo, None).models.values()
        for event in state.releases.values()
        if isinstance(event.record, Release)
    }
    missing = releases.keys() - repo.ref_oids(RELEASE_PREFIX).keys() if releases else frozenset()
    known = set(repo.ref_oids(RUN_PREFIX).values()) if missing else frozenset()
    if updates := [RefUpdate(ref, releases[ref], ZERO_OID) for ref in sorted(missing) if releases[ref] in known]:
        repo.update_refs(updates)  # where another command has done so meanwhile, nothing is left to do


def _require_all_published(repo: Repository, remote: str) -> None:
    """Raise EnvironmentProblem unless the remote has every event and ledger of this clone, and shows the logs.

    Events from before the remote was added would otherwise be lost.
    """
    models = read_registry(repo, None).models
    mine = {
        f"{TAG_PREFIX}{event.name}": event
        for state in models.values()
        for event in state.events
        if event.record is not None
    }
    ledgers = repo.ref_oids(LEDGER_PREFIX)  # a release names an entry of its ledger
    spaces = (TAG_PREFIX, LEDGER_PREFIX, LOG_PREFIX)
    theirs = repo.remote_ref_names(remote, *(f"{space}*" for space in spaces)) if mine or ledgers else frozenset()
    missing, uncounted = sorted(set(mine) - theirs), sorted(set(ledgers) - theirs)
    if not missing and not uncounted:
        _require_logs_shown(remote, [models[name] for name in {event.model for event in mine.values()}], theirs)
        return
    lost = {mine[name].model for name in missing}
    pins = [release_ref(mine[name].model, mine[name].version) for name in missing if mine[name].kind == "release"]
    refs = [*missing, *(f"{LOG_PREFIX}{model}" for model in sorted(lost)), *pins, *uncounted]
    lacks = [name.removeprefix(TAG_PREFIX) for name in (*missing, *uncounted)]
    raise EnvironmentProblem.of(
        "registry-unpublished",
        f"'{remote}' lacks {len(lacks)} events or ledgers that this clone has: {', '.join(lacks[:5])}",
        help="they were recorded before the remote was added; publish them: git push --atomic "
        + " ".join([remote, "HEAD", *(shlex.quote(ref) for ref in refs)]),
    )


def _require_logs_shown(remote: str, states: Iterable[ModelState], theirs: AbstractSet[str]) -> None:
    """Raise EnvironmentProblem if the remote has a model's events and not its log; the first event may have arrived in part."""
    unseen = [
        f"{LOG_PREFIX}{state.model}"
        for state in states
        if f"{LOG_PREFIX}{state.model}" not in theirs and (state.log is not None or state.unlogged_event is None)
    ]
    if unseen:
        raise EnvironmentProblem.of(
            "registry-hidden",
            f"'{remote}' has the tags and does not show {', '.join(sorted(unseen))}: it hides the log, or somebody deleted it",
            help="ask whoever runs the remote to hide no refs/mlops/* (transfer.hideRefs, uploadpack.hideRefs). If the log was deleted,"
            f" push it from a clone that has it: git push {remote} 'refs/mlops/log/*:refs/mlops/log/*'",
        )
