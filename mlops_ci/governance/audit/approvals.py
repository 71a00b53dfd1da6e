"""Audit of the approvals: an assignment's approvals are genuine, for its release, not by its authors, and sufficient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records.events import Approval, Assignment
from mlops_ci.core.signers import Signing
from mlops_ci.governance.approvals import (
    ExcludedApprover,
    SignedApproval,
    approval_count_text,
    count_approvals,
    find_release_authors,
    find_tag_authors,
    read_approvals,
)
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.events import Event
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX, TAG_PREFIX
from mlops_ci.repository.signing import TagSignature

_DEPLOYER_ROLE = "the person who deploys a version cannot approve it"


@dataclass(frozen=True)
class _AssignmentCase:
    """An assignment that has recorded approvals or needs some."""

    event: Event
    record: Assignment
    release: Event
    required: int


def breaks(
    repo: Repository, helds: Iterable[ModelInventory], project: ProjectAtTip, signatures: Mapping[str, TagSignature]
) -> tuple[dict[str, tuple[Diagnostic, ...]], int]:
    """Return the findings about approvals by model, and the number of valid approvals.

    An assignment needs the number of approvals that its record names; a current assignment also needs the number that the
    branch requires now.
    """
    settings = project.specs.project.spec.signing
    cases = [
        (held.model, case)
        for held in helds
        for case in _assignment_cases(held, project.specs.project.spec.policy.approvals)
    ]
    if settings is None or not cases:
        return {}, 0
    signing = Signing(settings.format, (project.copy / settings.allowed_signers).read_bytes(), settings.required)
    recorded = {item.ref for _, case in cases for item in case.record.approvals if item.ref is not None}
    refs = [
        ref for ref in repo.refs(APPROVAL_PREFIX) if any((ref.name, ref.oid) == (one.name, one.oid) for one in recorded)
    ]
    known = {(one.ref.name, one.ref.oid): one for one in read_approvals(repo, signing, refs)}
    makers: dict[str, ExcludedApprover] = {}
    found: dict[str, list[Diagnostic]] = {}
    total = 0
    for model, case in cases:
        if case.release.oid not in makers:
            makers[case.release.oid] = find_release_authors(repo, signing, case.release)
        parties = [makers[case.release.oid]]
        if case.record.rollback_of is None:  # the person who rolls back may have approved the earlier version
            parties.append(find_tag_authors(repo, signing, case.event.oid, _DEPLOYER_ROLE))
        signed = signatures.get(case.event.oid, TagSignature("bad")).state == "good"
        count, wrong = _count_valid_approvals(case, known, parties, signed=signed)
        total += count
        found.setdefault(model, []).extend(wrong)
        if count < case.required:
            found[model].append(_missing_approvals_finding(case, count))
    return {model: tuple(items) for model, items in found.items()}, total


def _assignment_cases(held: ModelInventory, policy: Mapping[str, int]) -> Iterator[_AssignmentCase]:
    current = {event.oid for event in held.state.current_assignments.values()}
    for name, record in held.records.items():
        if not isinstance(record, Assignment) or record.release.name not in held.events:
            continue
        event, release = held.events[name], held.events[record.release.name]
        today = policy.get(record.environment, 0) if event.oid in current else 0
        wanted = max(record.approvals_required, today)
        if wanted or record.approvals:
            yield _AssignmentCase(event, record, release, wanted)


def _count_valid_approvals(
    case: _AssignmentCase,
    known: Mapping[tuple[str, str], SignedApproval],
    parties: list[ExcludedApprover],
    *,
    signed: bool,
) -> tuple[int, list[Diagnostic]]:
    """Return the number of valid recorded approvals, and a finding for each invalid one."""
    wrong: list[Diagnostic] = []
    tags: list[SignedApproval] = []
    count = 0
    for item in case.record.approvals:
        if item.kind != "signature":
            why = _ci_rejection_reason(item, case, signed=signed)
        elif item.ref is None or (one := known.get((item.ref.name, item.ref.oid))) is None:
            why = f"its tag{f' {item.ref.name}' if item.ref else ''} is missing in this clone"
        else:
            tags.append(one)
            continue
        count += why is None
        if why is not None:
            wrong.append(_invalid_approval_finding(case, item.actor, why))
    judged = count_approvals(tags, case.release, case.record.environment, parties)
    roles = {party.role for party in parties}
    for refused in judged.rejected:
        makes = refused.why in roles
        wrong.append(
            _author_approval_finding(case, refused.who, refused.why)
            if makes
            else _invalid_approval_finding(case, refused.who, refused.why)
        )
    return count + len(judged.counted), wrong


def _ci_rejection_reason(item: Approval, case: _AssignmentCase, *, signed: bool) -> str | None:
    """Return why an approval from the git host does not count. Only the signature of the assignment proves such an approval."""
    if not signed:
        return "it was recorded by a CI job, but the assignment is not signed by an allowed signer"
    return "the same person deployed the version" if item.actor == case.record.made_by.actor else None


def _author_approval_finding(case: _AssignmentCase, who: str, why: str) -> Diagnostic:
    return Diagnostic(
        "audit-approval-by-author",
        f"the approval of {case.event.name} by {who} does not count: {why}",
        help="another person must approve the version (mlops-ci approve); then deploy it again",
        about=f"{TAG_PREFIX}{case.event.name}",
    )


def _invalid_approval_finding(case: _AssignmentCase, who: str, why: str) -> Diagnostic:
    return Diagnostic(
        "audit-approval-invalid",
        f"the approval of {case.event.name} by {who} does not count: {why}",
        help="fetch the approvals (git fetch origin 'refs/mlops/*:refs/mlops/*'); if the audit still reports this, the approval was"
        " forged or deleted: approve the version again (mlops-ci approve)",
        about=f"{TAG_PREFIX}{case.event.name}",
    )


def _missing_approvals_finding(case: _AssignmentCase, count: int) -> Diagnostic:
    return Diagnostic(
        "audit-approval-missing",
        f"{case.event.name} needs {approval_count_text(case.required)} for '{case.record.environment}', but has only {count} valid",
        help=f"get approvals (mlops-ci approve {case.release.model}@{case.release.version} --env {case.record.environment}),"
        " and deploy the version again",
        about=f"{TAG_PREFIX}{case.event.name}",
    )
