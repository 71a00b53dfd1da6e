"""`release`: the gated candidate becomes a tag that carries its evidence. Nothing is trained or judged here."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import canonical_json, digest_bytes, digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.notifications import Announcement, Dispatch, PublishRelease
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLog, CreateTag, Push, SetRef, Write
from mlops_ci.core.records import Comparison, DataRef, LedgerHead, Release, TrainingRun
from mlops_ci.core.results.lifecycle import Released, ReleaseReport
from mlops_ci.core.signers import Signing
from mlops_ci.deployment.assignment import needed_repository
from mlops_ci.evaluation.base_branch_rules import Base, base_of
from mlops_ci.evaluation.candidates.candidate import Candidate, anchor_of, champion_of, chosen, identify, read_data
from mlops_ci.evaluation.holdout.sealed import opened
from mlops_ci.governance.policy import Rules, enough, judged_well, rules_of, to_sign
from mlops_ci.governance.revocations import overridden, stated
from mlops_ci.registry import holdout_ledger as ledger
from mlops_ci.registry import run_store as store
from mlops_ci.registry import state as registry
from mlops_ci.registry.events import next_version
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import evidence_of, of_release
from mlops_ci.registry.tag_message import message
from mlops_ci.reports.model_card import card
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import trunk
from mlops_ci.repository.git import Repository


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
    stated(reason, force=force)
    repo = needed_repository(project)
    head = repo.head()
    if head is None:
        raise Findings.of(
            "commit-missing", "there is no commit yet to put a release on", help="git add --all && git commit"
        )
    branch = _branch(project, repo)
    tip = repo.resolve(f"{branch}^{{commit}}") if branch else None
    rules = rules_of(project, repo, tip or head)
    signing, unsigned = to_sign(repo, rules)
    ground = _Ground(repo, head, branch, base_of(project), rules, signing)
    state = registry.read(repo)
    released: list[Released] = []
    writes: list[Write] = []
    said: list[Announcement] = []
    left: list[Diagnostic] = []
    for name in chosen(project, models):
        try:
            one, plan, told = _model(project, ground, state.model(name), reason, force=force)
        except Findings as found:
            if not gated:
                raise
            left += [replace(item, severity="warning") for item in found.diagnostics]
            released.append(_held(name, found.diagnostics))
            continue
        released.append(one)
        writes.extend(plan)
        said.extend(told)
    push = (Push(repo.remote()),) if writes else ()
    notes = (*left, *(unsigned if writes else ()))
    return Outcome(ReleaseReport(tuple(released)), notes, Plan((*writes, *push, *said)))


def _held(model: str, why: tuple[Diagnostic, ...]) -> Released:
    """Describe a model that is left; one that waits for the gate's answer, from a place that counts, is `ungated`."""
    ungated = any(one.id in ("release-not-gated", "release-not-counted", "trust-too-low") for one in why)
    return Released(model, "", "ungated" if ungated else "held", why[0].message)


@dataclass(frozen=True)
class _Ground:
    """What all releases of a command stand on: `head` on the ref `branch`, the rules of `base`, what it demands, and who signs."""

    repo: Repository
    head: str
    branch: str | None
    base: Base | None
    rules: Rules
    signing: Signing | None


def _model(
    project: Project, ground: _Ground, state: ModelState, reason: str | None, *, force: bool
) -> tuple[Released, list[Write], tuple[Announcement, ...]]:
    repo, head = ground.repo, ground.head
    data, findings = read_data(project, state.model)
    if has_errors(findings):
        raise Findings(findings)
    with opened(project, identify(project, state.model, data, base=ground.base)) as candidate:
        pass  # what it is judged on is all that is asked
    command = f"mlops-ci release {state.model}"
    for event in state.releases.values():
        if isinstance(event.record, Release) and event.record.run_key == candidate.key:
            if overridden(state, event.record.model_digest, command, force=force) is None:
                unchanged = Released(state.model, event.version, "unchanged", event.record.evidence.sentence)
                pin = store.release_ref(state.model, event.version)
                kept = store.find(repo, pin, fetch=True) if project.context.job else None
                return unchanged, [], _page(project, repo, candidate, event.record, kept)
            break
    _committed(project, repo, candidate)
    _same_project(project, state)
    if taken := next((event for event in state.events if event.kind == "release" and event.commit == head), None):
        raise Findings.of(
            "release-commit-taken",
            f"commit {head[:10]} holds {taken.ref.name} already, and one commit holds one version of a model",
            help="commit the change that made the new candidate (a spec, code, or data), then release",
        )
    folder = Path(tempfile.mkdtemp(dir=project.context.scratch))
    run, comparison, stored, evidence_digest = _gated(project, repo, ground.rules, candidate, state, folder)
    judged_well(project, ground.rules, state.model, comparison.trust)
    asked = _counted(repo, candidate, run)
    overrides = overridden(state, run.model_digest, command, force=force)
    _on_branch(ground)
    version = next_version(state.highest, _bump(candidate, state))
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
        model_files=run.files,
        trusted=run.trusted,
        run_key=run.key,
        run_ref=store.run_ref(state.model, comparison.key),
        run_oid=stored.oid,
        evidence=evidence_of(comparison, evidence_digest),
        project=project.specs.project.name,
        trust=comparison.trust or "local",
        made_by=project.context.maker,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
        overrides=overrides,
        previous=state.last.ref if state.last else None,
        occasion=comparison.occasion,
        ledger=asked,
    )
    tag = f"{state.model}@v{version}"
    text = message(f"{state.model} v{version}", comparison.sentence, of_release(record))
    uploads = store.kept_alive(repo, stored, folder)
    writes: list[Write] = [*uploads.writes, SetRef(store.release_ref(state.model, version), stored.oid)]
    if repo.remote() is not None:  # without one, the run is where it should be already
        writes.append(SetRef(record.run_ref, stored.oid))
    writes += [
        CreateTag(tag, head, text, state.last_date, ground.signing),
        AppendLog(state.model, tag, encode(record), state.log),
    ]
    told = _page(project, repo, candidate, record, stored)
    if told:
        told += (Dispatch("mlops-ci-released", {"model": state.model, "version": version, "tag": tag}),)
    return Released(state.model, version, "released", comparison.sentence), writes, told


def _page(
    project: Project, repo: Repository, candidate: Candidate, record: Release, kept: store.StoredRun | None
) -> tuple[Announcement, ...]:
    """Return the release's page on the git host, where a CI job can make one; also where it may be there already."""
    job = project.context.job
    if job is None or kept is None:
        return ()
    body = card(
        record,
        run=store.read_record(repo, kept, "run.json", TrainingRun),
        comparison=store.read_record(repo, kept, "comparison.json", Comparison),
        description=candidate.model.value("metadata", "description"),
        owner=candidate.model.owner,
        job=job,
    )
    return (PublishRelease(f"{record.model}@v{record.version}", f"{record.model} v{record.version}", body),)


def _committed(project: Project, repo: Repository, candidate: Candidate) -> None:
    """Insist that what is released is what the commit holds: specs, code and data."""
    paths = [
        candidate.model.path,
        candidate.dataset.path,
        project.specs.project.path,
        *(file.path for file in candidate.code),
        *(file.path for file in candidate.snapshot.files),
        *(file.path for file in candidate.rules.code if candidate.rules.base is None),
        *(file.path for file in (candidate.held.files if candidate.held and not candidate.held.copied else ())),
    ]
    changed = repo.changed([(project.context.root / path).relative_to(repo.root).as_posix() for path in paths])
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise Findings.of(
            "worktree-dirty",
            f"{shown} {'is' if len(changed) == 1 else 'are'} not as in HEAD, so the commit does not hold what would be released",
            help="git add and commit these files (a file that git ignores too), then release",
        )


def _branch(project: Project, repo: Repository) -> str | None:
    """Return the ref of the branch that is released from; None where nothing tells which that is."""
    name, remote = trunk(project, repo), repo.remote()
    return f"refs/{f'remotes/{remote}' if remote else 'heads'}/{name}" if name else None


def _on_branch(ground: _Ground) -> None:
    """Insist that what is released has been merged: a release is for everybody."""
    repo, head, branch, remote = ground.repo, ground.head, ground.branch, ground.repo.remote()
    if remote is None or (branch is not None and repo.contains(branch, head)):
        return
    if branch is None:
        raise Findings.of(
            "release-not-on-branch",
            f"nothing tells which branch of '{remote}' is its default one, and releases are made of what is there",
            help=f"git remote set-head {remote} --auto, then release",
        )
    name = branch.removeprefix(f"refs/remotes/{remote}/")
    if repo.shallow and repo.resolve(branch) and not repo.contains(head, branch):
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


def _same_project(project: Project, state: ModelState) -> None:
    """Insist that the model's registry is this project's: a repository may hold several."""
    theirs = state.last.record.project if state.last and isinstance(state.last.record, Release) else None
    if theirs not in (None, project.specs.project.name):
        raise Findings.of(
            "model-of-another-project",
            f"'{state.model}' has been released by project '{theirs}' of this repository",
            help="models of one repository share its tags: give one of the two another name",
        )


def _gated(
    project: Project, repo: Repository, rules: Rules, candidate: Candidate, state: ModelState, folder: Path
) -> tuple[TrainingRun, Comparison, store.StoredRun, str]:
    champion = champion_of(project, state.model, candidate.rules.champion)
    anchor = anchor_of(project, candidate, champion)
    accepted, any_trust = enough(rules.trust), enough("local")
    keys = {trust: candidate.comparison_key(champion, anchor, trust) for trust in any_trust}
    refs = {store.run_ref(state.model, key): key for key in keys.values()}
    here = (store.find(repo, store.run_ref(state.model, keys[trust])) for trust in accepted)
    there = (store.find(repo, ref, fetch=True) for ref in refs)  # one that is trusted too little is said to be
    stored = next((found for found in chain(here, there) if found is not None), None)
    if stored is None:
        trained = store.find(repo, store.run_ref(state.model, candidate.key)) is not None
        against = f" against {champion.ref.name}, today's champion," if trained and champion else ""
        raise Findings.of(
            "release-not-gated",
            f"'{state.model}' as it is now has not been through the gate{against} in this clone",
            location=candidate.model.locate("metadata", "name"),
            help=f"mlops-ci gate {state.model}",
        )
    key = refs[stored.ref]
    comparison = store.read_record(repo, stored, "comparison.json", Comparison)
    if comparison.verdict != "pass":
        decided = "inconclusive" if comparison.verdict == "incomparable" else comparison.verdict
        reasons = [item.reason for item in comparison.requirements if item.verdict == decided]
        raise Findings(
            [
                Diagnostic(
                    "release-refused",
                    f"the gate's verdict on '{state.model}' is {comparison.verdict}, and a release needs a pass: {'; '.join(reasons) or comparison.sentence}",
                    candidate.model.locate("metadata", "name"),
                    f"git show {stored.ref}:report.md",
                )
            ]
        )
    run = store.read_record(repo, stored, "run.json", TrainingRun)
    told = (comparison.key, comparison.model, comparison.run, run.key, run.model, comparison.model_digest)
    if told != (key, state.model, candidate.key, candidate.key, state.model, run.model_digest):
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"{stored.ref} holds another run than its name says",
            help=f"it was damaged or changed: git update-ref -d {stored.ref}, then mlops-ci gate {state.model}",
        )
    store.materialise(repo, stored, run.files, folder)  # verifies every byte
    return run, comparison, stored, digest_bytes(canonical_json(encode(comparison)).encode())


def _counted(repo: Repository, candidate: Candidate, run: TrainingRun) -> LedgerHead | None:
    """Insist that the ledger has the question that the gate's answer was given to, where questions are counted."""
    if candidate.budget is None:
        return None
    split = candidate.sides.split
    asked = ledger.read(repo, candidate.rules.ledger, split.epoch)
    number = asked.number(split.holdout_digest, run.model_digest)
    if asked.head is not None and number is not None:
        return LedgerHead(asked.ref, asked.head, number)
    raise Findings.of(
        "release-not-counted",
        f"the ledger of '{candidate.rules.ledger}' does not have the question whether '{run.model}' passes",
        location=candidate.dataset.locate("spec", "split"),
        help=f"mlops-ci gate {run.model} counts it",
    )


def _bump(candidate: Candidate, state: ModelState) -> Literal["major", "minor", "patch"]:
    """Major when callers break, minor when spec or code changed, patch when the same was retrained on newer data."""
    asked = candidate.model.spec.release.bump
    if asked != "auto":
        return asked
    latest = state.latest.record if state.latest else None
    if not isinstance(latest, Release) or latest.interface_digest != candidate.interface_digest:
        return "major"
    if latest.spec_digest != candidate.model.digest or latest.code != candidate.code:
        return "minor"
    return "patch"
