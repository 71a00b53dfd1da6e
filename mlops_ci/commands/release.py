"""`release`: the gated candidate becomes a tag that carries its evidence. Nothing is trained or judged here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.notifications import Dispatch, Notification, PublishRelease
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLog, CreateRef, CreateTag, PlannedWrite, Push
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import DataRef, LedgerHead, Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.lifecycle import ReleaseReport, ReleaseResult
from mlops_ci.core.signers import Signing
from mlops_ci.core.verbs import (
    ALL_SURFACES,
    FORCE_OPTION,
    MODELS_OPTION,
    REASON_OPTION,
    ActionOutput,
    Option,
    TokenPermission,
    Verb,
)
from mlops_ci.evaluation.base_branch_rules import BaseBranch, find_base
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.opponents import find_opponents
from mlops_ci.evaluation.gated_run import require_gated_run
from mlops_ci.evaluation.holdout.sealed import open_candidate
from mlops_ci.governance.policy import BranchPolicy, ensure_trust, load_policy, signing_for, trust_at_least
from mlops_ci.governance.revocations import find_override, require_reason
from mlops_ci.registry import holdout_ledger, run_store
from mlops_ci.registry import state as registry
from mlops_ci.registry.events import next_version
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import encode_release, gate_evidence
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.reports.model_card import CardNotes, render_model_card
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository, select_models
from mlops_ci.training.packaging.table import load_packager

SPEC = Verb(
    "release",
    "Tag the gated candidate with its evidence.",
    (
        MODELS_OPTION,
        REASON_OPTION,
        FORCE_OPTION,
        Option("gated", "Skip models that have not passed the gate, with the reason, instead of failing.", kind="flag"),
    ),
    writes=True,
    syncs="must",
    signs=True,
    surfaces=ALL_SURFACES,
    outputs=(
        ActionOutput("released", "A JSON list of the releases, as MODEL@vVERSION."),
        ActionOutput(
            "ungated", "With `gated`: a JSON list of the models that the gate has not evaluated in their current state."
        ),
    ),
    permissions=(
        TokenPermission("contents", "write", "pushes the tag with its run and log, and creates the release page"),
    ),
    icon="tag",
    judges=True,
)


def release(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    reason: str | None = None,
    force: bool = False,
    gated: bool = False,
) -> Outcome[ReleaseReport]:
    """Plan the release of the models named, or all, as they stand in HEAD; `force` also of those that were taken back.

    With `gated` a model that cannot be released is left, and said to be, and stops no other. Without it, raises Findings when there is no commit, a model's files differ from it, it has not passed the gate as it is now
    (with today's champion), it was rolled back from or deprecated, or the commit has a version of the model already;
    UsageProblem when it is forced without a reason.
    """
    require_reason(reason, force=force)
    repo = require_repository(project.context.repo)
    head = repo.head()
    if head is None:
        raise Findings.of(
            "commit-missing", "there is no commit yet to put a release on", help="git add --all && git commit"
        )
    branch = _release_branch(project, repo)
    tip = repo.resolve(f"{branch}^{{commit}}") if branch else None
    rules = load_policy(project, repo, tip or head)
    signing, unsigned = signing_for(repo, rules)
    ground = _ReleaseContext(repo, head, branch, find_base(project), rules, signing)
    state = registry.read_registry(repo)
    released: list[ReleaseResult] = []
    writes: list[PlannedWrite] = []
    said: list[Notification] = []
    left: list[Diagnostic] = []
    for name in select_models(project, models):
        try:
            one = _plan_release(project, ground, state.model(name), reason, force=force)
        except Findings as found:
            if not gated:
                raise
            left += [replace(item, severity="warning") for item in found.diagnostics]
            released.append(_skipped_result(name, found.diagnostics))
            continue
        released.append(one.result)
        writes.extend(one.writes)
        said.extend(one.notifications)
    push = (Push(repo.default_remote()),) if writes else ()
    notes = (*left, *(unsigned if writes else ()))
    return Outcome(ReleaseReport(tuple(released)), notes, Plan((*writes, *push, *said)))


def _skipped_result(model: str, why: tuple[Diagnostic, ...]) -> ReleaseResult:
    """Describe a model that is left; one that waits for the gate's answer, from a place that counts, is `ungated`."""
    ungated = any(one.id in ("release-not-gated", "release-not-counted", "trust-too-low") for one in why)
    return ReleaseResult(model, "", "ungated" if ungated else "held", why[0].message)


@dataclass(frozen=True)
class _ReleaseContext:
    """What all releases of a command stand on: `head` on the ref `branch`, the rules of `base`, what it demands, and who signs."""

    repo: Repository
    head: str
    branch: str | None
    base: BaseBranch | None
    rules: BranchPolicy
    signing: Signing | None


@dataclass(frozen=True)
class _PlannedRelease:
    """What becomes of one model, the writes for it, and what the git host is told once they are made."""

    result: ReleaseResult
    writes: Sequence[PlannedWrite] = ()
    notifications: Sequence[Notification] = ()


def _plan_release(
    project: Project, ground: _ReleaseContext, state: ModelState, reason: str | None, *, force: bool
) -> _PlannedRelease:
    repo, head = ground.repo, ground.head
    with open_candidate(project, state.model, ground.base) as candidate:
        pass  # what it is judged on is all that is asked
    command = f"mlops-ci release {state.model}"
    for event in state.releases.values():
        if isinstance(event.record, Release) and event.record.run_key == candidate.key:
            if find_override(state, event.record.model_digest, command, force=force) is None:
                unchanged = ReleaseResult(state.model, event.version, "unchanged", event.record.evidence.sentence)
                pin = run_store.release_ref(state.model, event.version)
                kept = run_store.find_run(repo, pin, fetch=True) if project.context.job else None
                page = _plan_release_page(project, repo, candidate, event.record, kept)
                return _PlannedRelease(unchanged, notifications=page)
            break
    _require_committed(project, repo, candidate)
    _require_same_project(project, state)
    if taken := next((event for event in state.events if event.kind == "release" and event.commit == head), None):
        raise Findings.of(
            "release-commit-taken",
            f"commit {head[:10]} holds {taken.ref.name} already, and one commit holds one version of a model",
            help="commit the change that made the new candidate (a spec, code, or data), then release",
        )
    folder = Path(tempfile.mkdtemp(dir=project.context.scratch))
    opponents = find_opponents(
        state,
        candidate.rules,
        candidate.requirements,
        candidate.model.locate("spec", "gate", "anchor"),
        offline=project.context.offline,
    )
    accepted, every = trust_at_least(ground.rules.trust), trust_at_least("local")
    gated = require_gated_run(repo, candidate, opponents, accepted, every, folder)
    run, comparison, stored, data = gated.run, gated.comparison, gated.stored, candidate.snapshot
    ensure_trust(project, ground.rules, state.model, comparison.trust)
    asked = _require_counted_question(repo, candidate, run)
    overrides = find_override(state, run.model_digest, command, force=force)
    _require_merged(ground)
    version = next_version(state.highest_version, _version_bump(candidate, state))
    record = Release(
        model=state.model,
        version=version,
        commit=head,
        spec_path=candidate.model.path,
        spec_digest=candidate.model.digest,
        interface_digest=candidate.interface_digest,
        seed=run.seed,
        code=run.code,
        data=(DataRef(run.dataset, data.digest, data.rows, data.schema_digest),),
        environment_digest=digest_json(run.environment.identity),
        model_digest=run.model_digest,
        model_format=run.model_format,
        model_files=run.files,
        trusted=run.trusted,
        run_key=run.key,
        run_ref=run_store.run_ref(state.model, comparison.key),
        run_oid=stored.oid,
        evidence=gate_evidence(comparison, gated.evidence_digest),
        project=project.reference,
        trust=comparison.trust or "local",
        made_by=project.context.provenance,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
        overrides=overrides,
        previous=state.last_event.ref if state.last_event else None,
        occasion=comparison.occasion,
        ledger=asked,
    )
    tag = f"{state.model}@v{version}"
    text = format_tag_message(f"{state.model} v{version}", comparison.sentence, encode_release(record))
    uploads = run_store.plan_reupload(repo, stored, folder)
    writes: list[PlannedWrite] = [*uploads.writes, CreateRef(run_store.release_ref(state.model, version), stored.oid)]
    if repo.default_remote() is not None:  # without one, the run is where it should be already
        writes.append(CreateRef(record.run_ref, stored.oid))
    writes += [
        CreateTag(tag, head, text, state.latest_event_date, ground.signing),
        AppendLog(state.model, tag, encode(record), state.log),
    ]
    told = _plan_release_page(project, repo, candidate, record, stored)
    if told:
        told += (Dispatch("mlops-ci-released", {"model": state.model, "version": version, "tag": tag}),)
    return _PlannedRelease(ReleaseResult(state.model, version, "released", comparison.sentence), writes, told)


def _plan_release_page(
    project: Project, repo: Repository, candidate: Candidate, record: Release, kept: run_store.StoredRun | None
) -> tuple[Notification, ...]:
    """Return the release's page on the git host, where a CI job can make one; also where it may be there already."""
    job = project.context.job
    if job is None or kept is None:
        return ()
    entry_file = record.model_format.entry_file
    loading = load_packager(record.model_format.name).loading_code(f"DIR/{entry_file}", record.trusted)
    body = render_model_card(
        record,
        run=run_store.read_record(repo, kept, "run.json", TrainingRun),
        comparison=run_store.read_record(repo, kept, "comparison.json", Comparison),
        notes=CardNotes(candidate.model.value("metadata", "description"), candidate.model.owner, loading),
        job=job,
    )
    return (PublishRelease(f"{record.model}@v{record.version}", f"{record.model} v{record.version}", body),)


def _require_committed(project: Project, repo: Repository, candidate: Candidate) -> None:
    """Insist that what is released is what the commit holds: specs, code and data."""
    paths = [
        candidate.model.path,
        candidate.dataset.path,
        project.specs.project.path,
        *(file.path for file in candidate.code),
        *(file.path for file in candidate.snapshot.files),
        *(file.path for file in candidate.rules.metric_code if candidate.rules.base is None),
        *(
            file.path
            for file in (
                candidate.sealed_holdout.files
                if candidate.sealed_holdout and not candidate.sealed_holdout.is_download
                else ()
            )
        ),
    ]
    changed = repo.uncommitted_paths(
        [(project.context.root / path).relative_to(repo.root).as_posix() for path in paths]
    )
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise Findings.of(
            "worktree-dirty",
            f"{shown} {'is' if len(changed) == 1 else 'are'} not as in HEAD, so the commit does not hold what would be released",
            help="git add and commit these files (a file that git ignores too), then release",
        )


def _release_branch(project: Project, repo: Repository) -> str | None:
    """Return the ref of the branch that is released from; None where nothing tells which that is."""
    name, remote = find_default_branch(project, repo), repo.default_remote()
    return f"refs/{f'remotes/{remote}' if remote else 'heads'}/{name}" if name else None


def _require_merged(ground: _ReleaseContext) -> None:
    """Insist that what is released has been merged: a release is for everybody."""
    repo, head, branch, remote = ground.repo, ground.head, ground.branch, ground.repo.default_remote()
    if remote is None or (branch is not None and repo.contains_commit(branch, head)):
        return
    if branch is None:
        raise Findings.of(
            "release-not-on-branch",
            f"nothing tells which branch of '{remote}' is its default one, and releases are made of what is there",
            help=f"git remote set-head {remote} --auto, then release",
        )
    name = branch.removeprefix(f"refs/remotes/{remote}/")
    if repo.is_shallow and repo.resolve(branch) and not repo.contains_commit(head, branch):
        # where history is cut off, git takes every commit for one that is not on the branch
        raise EnvironmentProblem.of(
            "clone-shallow",
            f"whether commit {head[:10]} is on branch '{name}' of '{remote}' cannot be told: this clone's history is cut off",
            help=f"git fetch --unshallow {remote}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    raise Findings.of(
        "release-not-on-branch",
        f"commit {head[:10]} is not on branch '{name}' of '{remote}', and releases are made of what is there",
        help=f"push or merge it first: git push {remote} HEAD:{name}",
    )


def _require_same_project(project: Project, state: ModelState) -> None:
    """Insist that the model's registry is this project's: a repository may hold several."""
    record = state.last_event.record if state.last_event else None
    if record is not None and record.project.name != project.specs.project.name:
        raise Findings.of(
            "model-of-another-project",
            f"'{state.model}' has been released by project '{record.project.name}' of this repository, in {record.project.path}",
            help="models of one repository share its tags: give one of the two another name",
        )


def _require_counted_question(repo: Repository, candidate: Candidate, run: TrainingRun) -> LedgerHead | None:
    """Insist that the ledger has the question that the gate's answer was given to, where questions are counted."""
    if candidate.holdout_budget is None:
        return None
    split = candidate.sides.split
    asked = holdout_ledger.read_ledger(repo, candidate.rules.ledger_dataset, split.epoch)
    number = asked.question_number(split.holdout_digest, run.model_digest)
    if asked.head is not None and number is not None:
        return LedgerHead(asked.ref, asked.head, number)
    raise Findings.of(
        "release-not-counted",
        f"the ledger of '{candidate.rules.ledger_dataset}' does not have the question whether '{run.model}' passes",
        location=candidate.dataset.locate("spec", "split"),
        help=f"mlops-ci gate {run.model} counts it",
    )


def _version_bump(candidate: Candidate, state: ModelState) -> Literal["major", "minor", "patch"]:
    """Major when callers break, minor when spec or code changed, patch when the same was retrained on newer data."""
    asked = candidate.model.spec.release.bump
    if asked != "auto":
        return asked
    latest = state.latest_release.record if state.latest_release else None
    if not isinstance(latest, Release) or latest.interface_digest != candidate.interface_digest:
        return "major"
    if latest.spec_digest != candidate.model.digest or latest.code != candidate.code:
        return "minor"
    return "patch"
