"""`release`: tags the gated candidate; the tag carries the evidence. Nothing is trained or evaluated here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_json
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
from mlops_ci.deployment.assignment import ensure_release_signed
from mlops_ci.evaluation.base_branch_rules import BaseBranch, find_base
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.opponents import find_opponents
from mlops_ci.evaluation.gated_run import require_gated_run
from mlops_ci.evaluation.holdout.sealed import open_candidate
from mlops_ci.governance.policy import BranchPolicy, ensure_trust, load_policy, signing_for, trust_at_least
from mlops_ci.governance.revocations import find_override, require_reason
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry import holdout_ledger, run_store
from mlops_ci.registry.completion import completion_note, plan_completion, plan_earlier_completion
from mlops_ci.registry.lookup import ensure_own_run
from mlops_ci.registry.next_event import find_predecessor, next_release_version
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
        Option(
            "gated",
            "Skip models that have not passed the gate, and report the reason, instead of failing.",
            kind="flag",
        ),
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
    """Plan the release of the named models, or of all, as they are in HEAD.

    `force` also releases a model that was rolled back or deprecated. With `gated`, a model that cannot be released is
    skipped and reported, and the others are released. Without `gated`, raises Findings when there is no commit, when a
    model's files differ from HEAD, when the model has not passed the gate in its current state (against today's champion),
    when it was rolled back or deprecated, or when the commit already has a version of the model. Raises UsageProblem for
    `force` without a reason.
    """
    require_reason(reason, force=force)
    repo = require_repository(project.context.repo)
    head = repo.head()
    if head is None:
        raise Findings.of(
            "commit-missing",
            "there is no commit yet, and a release must tag a commit",
            help="git add --all && git commit",
        )
    branch = _release_branch(project, repo)
    tip = repo.resolve(f"{branch}^{{commit}}") if branch else None
    rules = load_policy(project, repo, tip or head)
    signing, unsigned = signing_for(repo, rules)
    shared = _ReleaseContext(repo, head, branch, find_base(project), rules, signing)
    names = select_models(project, models)
    verified = verify_project(project, *names)
    released: list[ReleaseResult] = []
    writes: list[PlannedWrite] = []
    notifications: list[Notification] = []
    noted: list[Diagnostic] = []
    for name in names:
        try:
            verified.require_signing(name)
            verified.require_verified(name)
            one = _plan_release(project, shared, verified.state.model(name), reason, force=force)
        except Findings as found:
            if not gated:
                raise
            noted += [replace(item, severity="warning") for item in found.diagnostics]
            released.append(_skipped_result(name, found.diagnostics))
            continue
        released.append(replace(one.result, environment=_first_environment(project, name)))
        writes.extend(one.writes)
        notifications.extend(one.notifications)
        noted.extend(one.notes)
    push = (Push(repo.default_remote()),) if writes else ()
    notes = (*noted, *(unsigned if writes else ()))
    return Outcome(ReleaseReport(tuple(released)), notes, Plan((*writes, *push, *notifications)))


def _first_environment(project: Project, model: str) -> str | None:
    """Return the first environment, in the order of promotion, that has a Deployment spec of the model."""
    named = {one.spec.environment for one in project.specs.deployments.values() if one.spec.model == model}
    return next((name for name in project.specs.project.spec.environments if name in named), None)


def _skipped_result(model: str, why: tuple[Diagnostic, ...]) -> ReleaseResult:
    """Describe a skipped model; it is `ungated` if it lacks a verdict of the gate that the policy accepts."""
    ungated = any(one.id in ("release-not-gated", "release-not-counted", "trust-too-low") for one in why)
    return ReleaseResult(model, "", "ungated" if ungated else "held", why[0].message)


@dataclass(frozen=True)
class _ReleaseContext:
    """What all releases of one command share.

    `head` is the commit to release and `branch` the ref it must be on; `base` holds the rules of the base branch, `rules`
    the branch's policy, and `signing` the signer.
    """

    repo: Repository
    head: str
    branch: str | None
    base: BaseBranch | None
    rules: BranchPolicy
    signing: Signing | None


@dataclass(frozen=True)
class _PlannedRelease:
    """The result for one model, the writes that it needs, the notifications to send to the git host after them, and notes."""

    result: ReleaseResult
    writes: Sequence[PlannedWrite] = ()
    notifications: Sequence[Notification] = ()
    notes: Sequence[Diagnostic] = ()


def _plan_release(
    project: Project, shared: _ReleaseContext, state: ModelState, reason: str | None, *, force: bool
) -> _PlannedRelease:
    repo, head = shared.repo, shared.head
    with open_candidate(project, state.model, shared.base) as candidate:
        pass  # only the candidate's identity is needed, not its holdout rows
    command = f"mlops-ci release {state.model}"
    for event in state.releases.values():
        if isinstance(event.record, Release) and event.record.run_key == candidate.key:
            if find_override(state, event.record.model_digest, command, force=force) is None:
                half = event is state.unlogged_event  # only its tag is at the remote
                if half:
                    ensure_release_signed(repo, shared.rules, event)
                rest = plan_completion(repo, state) if half else ()
                sentence = event.record.evidence.sentence
                told = ReleaseResult(state.model, event.version, "released" if half else "unchanged", sentence)
                pin = event.record.run_ref if half else run_store.release_ref(state.model, event.version)
                kept = run_store.find_run(repo, pin, fetch=True) if project.context.job else None
                page = _plan_release_page(project, repo, candidate, event.record, kept)
                return _PlannedRelease(told, rest, page, (completion_note(event),) if half else ())
            break
    _require_committed(project, repo, candidate)
    if taken := next(
        (event for event in state.events_in_force if event.kind == "release" and event.commit == head), None
    ):
        raise Findings.of(
            "release-commit-taken",
            f"commit {head[:10]} already has {taken.ref.name}, and a commit can have only one version of a model",
            help="commit the change that made the new candidate (spec, code or data), then release",
        )
    folder = Path(tempfile.mkdtemp(dir=project.context.scratch))
    opponents = find_opponents(
        state,
        candidate.rules,
        candidate.requirements,
        candidate.model.locate("spec", "gate", "anchor"),
        offline=project.context.offline,
    )
    accepted, every = trust_at_least(shared.rules.trust), trust_at_least("local")
    gated = require_gated_run(repo, candidate, opponents, accepted, every, folder)
    run, comparison, stored, data = gated.run, gated.comparison, gated.stored, candidate.snapshot
    ensure_own_run(project, run, stored.ref)
    ensure_trust(project, shared.rules, state.model, comparison.trust)
    ledger_head = _require_counted_question(project, repo, candidate, run)
    overrides = find_override(state, run.model_digest, command, force=force)
    _require_merged(shared)
    version = next_release_version(state, _version_bump(candidate, state))
    record = Release(
        model=state.model,
        version=version,
        commit=head,
        spec_path=candidate.model.path,
        spec_digest=candidate.model.digest,
        interface_digest=candidate.interface_digest,
        seed=run.seed,
        code=run.code,
        data=(
            DataRef(run.dataset, run.split.train_digest, run.split.train_rows, data.schema_digest, data.files_digest),
        ),
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
        previous=find_predecessor(state),
        occasion=comparison.occasion,
        ledger=ledger_head,
        policy_commit=shared.rules.commit,
    )
    tag = f"{state.model}@v{version}"
    text = format_tag_message(f"{state.model} v{version}", comparison.sentence, encode_release(record))
    uploads = run_store.plan_reupload(repo, stored, folder)
    earlier, notes = plan_earlier_completion(repo, state)
    pinned = CreateRef(run_store.release_ref(state.model, version), stored.oid)
    writes = [*earlier, *uploads.writes, pinned]
    if repo.default_remote() is not None:  # without a remote, the run already has this ref
        writes.append(CreateRef(record.run_ref, stored.oid))
    writes += [
        CreateTag(tag, head, text, state.latest_event_date, shared.signing),
        AppendLog(state.model, tag, encode(record), state.log),
    ]
    page = _plan_release_page(project, repo, candidate, record, stored)
    if page:
        page += (Dispatch("mlops-ci-released", {"model": state.model, "version": version, "tag": tag}),)
    return _PlannedRelease(ReleaseResult(state.model, version, "released", comparison.sentence), writes, page, notes)


def _plan_release_page(
    project: Project, repo: Repository, candidate: Candidate, record: Release, kept: run_store.StoredRun | None
) -> tuple[Notification, ...]:
    """Return the write of the release's page on the git host; nothing outside a CI job. The page may exist already."""
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
    return (
        PublishRelease(
            f"{record.model}@v{record.version}", f"{record.model} v{record.version}", body, _evidence_file(record)
        ),
    )


def _evidence_file(record: Release) -> bytes:
    """Return the release's statement, as its tag has it."""
    return f"{canonical_json(encode_release(record))}\n".encode()


def _require_committed(project: Project, repo: Repository, candidate: Candidate) -> None:
    """Raise Findings unless the files of the release (specs, code and data) are as in the commit."""
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
            f"{shown} {'differs' if len(changed) == 1 else 'differ'} from HEAD, so the commit does not contain what would be released",
            help="git add and commit these files (including files that git ignores), then release",
        )


def _release_branch(project: Project, repo: Repository) -> str | None:
    """Return the ref of the branch to release from; None without a remote on a detached HEAD."""
    name, remote = find_default_branch(project, repo), repo.default_remote()
    return f"refs/{f'remotes/{remote}' if remote else 'heads'}/{name}" if name else None


def _require_merged(shared: _ReleaseContext) -> None:
    """Raise Findings unless the commit is on the default branch of the remote: a release must be visible to everybody."""
    repo, head, branch, remote = shared.repo, shared.head, shared.branch, shared.repo.default_remote()
    if remote is None or (branch is not None and repo.contains_commit(branch, head)):
        return
    if branch is None:
        raise Findings.of(
            "release-not-on-branch",
            f"nothing has been pushed to '{remote}', and only commits on its default branch can be released",
            help=f"push it first: git push {remote} HEAD:main",
        )
    name = branch.removeprefix(f"refs/remotes/{remote}/")
    if repo.is_shallow and repo.resolve(branch) and not repo.contains_commit(head, branch):
        # in a shallow clone, git reports every commit as missing from the branch
        raise EnvironmentProblem.of(
            "clone-shallow",
            f"cannot tell whether commit {head[:10]} is on branch '{name}' of '{remote}': this clone is shallow",
            help=f"git fetch --unshallow {remote}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    raise Findings.of(
        "release-not-on-branch",
        f"commit {head[:10]} is not on branch '{name}' of '{remote}', and only commits on that branch can be released",
        help=f"push or merge it first: git push {remote} HEAD:{name}",
    )


def _require_counted_question(
    project: Project, repo: Repository, candidate: Candidate, run: TrainingRun
) -> LedgerHead | None:
    """Return the ledger's entry for this evaluation; None if the dataset has no holdout budget.

    Raises Findings when the ledger lacks the entry.
    """
    if candidate.holdout_budget is None:
        return None
    split = candidate.sides.split
    ledger = holdout_ledger.read_ledger(repo, candidate.rules.ledger_dataset, split.epoch, project.identity)
    number = ledger.question_number(split.holdout_digest, run.model_digest)
    if ledger.head is not None and number is not None:
        return LedgerHead(ledger.ref, ledger.head, number)
    raise Findings.of(
        "release-not-counted",
        f"the holdout ledger of '{candidate.rules.ledger_dataset}' has no entry for this evaluation of '{run.model}'",
        location=candidate.dataset.locate("spec", "split"),
        help=f"mlops-ci gate {run.model} adds it",
    )


def _version_bump(candidate: Candidate, state: ModelState) -> Literal["major", "minor", "patch"]:
    """Return major if the interface changed, minor if spec or code changed, and patch for a retrain on newer data."""
    bump = candidate.model.spec.release.bump
    if bump != "auto":
        return bump
    latest = state.latest_release.record if state.latest_release else None
    if not isinstance(latest, Release) or latest.interface_digest != candidate.interface_digest:
        return "major"
    if latest.spec_digest != candidate.model.digest or latest.code != candidate.code:
        return "minor"
    return "patch"
