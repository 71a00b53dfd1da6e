"""Whether the events of a model verify. `audit` reports what does not, and no verb builds on it. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.governance.event_evidence import EventEvidence
from mlops_ci.governance.policy import BranchPolicy, trust_at_least
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import STATEMENT_MARK, EventRecord
from mlops_ci.registry.tag_message import find_previous_oid, has_signature
from mlops_ci.repository.ref_listing import TAG_PREFIX
from mlops_ci.repository.signing import TagSignature
from mlops_ci.repository.url_names import is_same_repository

_FORGED_HELP = "find out who wrote the tag. To go on without it: mlops-ci retire {model} --set-aside '{tag}' --reason TEXT (a signer does this)"


@dataclass(frozen=True)
class EventFault:
    """Why an event does not verify: the id of the audit's finding, and the reason.

    `is_in_force`: the finding is reported, and what follows from the event holds all the same. `is_off_branch`: the event names a
    commit that the branch does not have; a clone whose branch is older than its tags cannot tell this from a forged event.
    """

    id: str
    event: Event
    why: str
    help: str = ""
    severity: Severity = "error"
    is_in_force: bool = False
    is_off_branch: bool = False

    def finding(self) -> Diagnostic:
        """Return the audit's finding, located at the event."""
        help = self.help or _FORGED_HELP.format(model=self.event.model, tag=self.event.name)
        return Diagnostic(self.id, self.why, help=help, severity=self.severity, about=f"{TAG_PREFIX}{self.event.name}")


def find_faults(state: ModelState, evidence: EventEvidence) -> tuple[EventFault, ...]:
    """Return the faults of a model's events; an event may have several."""
    return (
        *_record_faults(state),
        *_signature_faults(state, evidence),
        *_policy_faults(state, evidence),
        *_place_faults(state, evidence),
        *_origin_faults(state, evidence),
    )


def _record_faults(state: ModelState) -> Iterator[EventFault]:
    for event in state.events:
        if event.record is None and STATEMENT_MARK in event.contents:
            yield EventFault(
                "audit-record-invalid", event, f"tag {event.name} has no record that matches its name and commit"
            )


def _signature_faults(state: ModelState, evidence: EventEvidence) -> Iterator[EventFault]:
    """Yield the events without a good signature, as far as the branch asks for one today.

    What is older than the first signed event needs none, if that event's chain of records leads back to it. Where no event
    is signed yet, signing has just begun.
    """
    if evidence.signing is None:
        return
    vouched = _vouched_oids(state, evidence)
    for event in state.events:
        found = evidence.signatures.get(event.oid, TagSignature("bad"))
        if found.state == "unsigned" and event.kind == "set-aside":
            yield EventFault(
                "audit-signature-missing",
                event,
                f"tag {event.name} is not signed, and only a signed event sets another aside",
            )
        elif found.state == "unsigned" and evidence.signing.required and not evidence.is_signing_dropped:
            yield _missing_signature_fault(event, vouched)
        elif found.state == "bad":
            yield EventFault(
                "audit-signature-bad",
                event,
                f"the signature of tag {event.name} is not valid: its content was changed, or its key has expired or been revoked",
                f"compare with another clone (git ls-remote), and let git verify the tag: git verify-tag -v {event.oid[:10]}",
            )
        elif found.state == "stranger":
            yield EventFault(
                "audit-signature-stranger",
                event,
                f"tag {event.name} is signed with {found.key or 'a key'}, which is not in the file of allowed signers",
                "if the signer may sign, add the key to that file in a reviewed change; otherwise the event is forged",
            )


def _missing_signature_fault(event: Event, vouched: frozenset[str] | None) -> EventFault:
    why = f"tag {event.name} is not signed"
    if vouched is None:
        return EventFault(
            "audit-signature-missing",
            event,
            why,
            "no event of the model is signed yet: configure a signing key (git config user.signingKey) for the next one",
            is_in_force=True,
        )
    if event.oid in vouched:
        return EventFault(
            "audit-signature-missing",
            event,
            why,
            "the tag is older than the model's first signed event, and the chain of records from that event leads back to this tag",
            "warning",
            is_in_force=True,
        )
    return EventFault("audit-signature-missing", event, f"{why}, but an earlier event of the model is")


def _vouched_oids(state: ModelState, evidence: EventEvidence) -> frozenset[str] | None:
    """Return the events that the first signed event follows, by the chain of records; None if no event is signed.

    A later signed event vouches for nothing before it: it follows whatever was pushed.
    """
    signed = (
        event for event in state.events if evidence.signatures.get(event.oid, TagSignature("bad")).state == "good"
    )
    first = next(signed, None)
    if first is None:
        return None
    known = {event.oid: event for event in state.events}
    found: set[str] = set()
    at = known.get(find_previous_oid(first.contents) or "")
    while at is not None and at.oid not in found:
        found.add(at.oid)
        at = known.get(find_previous_oid(at.contents) or "")
    return frozenset(found)


def _policy_faults(state: ModelState, evidence: EventEvidence) -> Iterator[EventFault]:
    """Yield the events that do not meet the policy that they were written under, and those that profit from a weaker one.

    An event that names no policy is held to the one of the event before it.
    """
    policy: BranchPolicy | None = None
    was_signed = was_required = False
    for event in state.events:
        record, own = event.record, evidence.policies.get(event.oid)
        commit = record.policy_commit if record is not None else None
        if commit is not None and commit in evidence.off_branch:
            why = f"names the policy of commit {commit[:10]}, which is not on branch '{evidence.branch}'"
            yield replace(_unmet(event, why), is_off_branch=True)
        elif event.oid in evidence.policies and own is None:
            yield _unmet(event, f"names the policy of commit {(commit or '')[:10]}, which has no valid mlops.yaml")
        elif event.oid in evidence.older:
            yield _unmet(
                event, f"names the policy of commit {(commit or '')[:10]}, which an earlier event shows to be replaced"
            )
        else:
            policy = own or policy
        yield from _signing_faults(event, policy, evidence, was_signed=was_signed, was_required=was_required)
        if policy is not None and record is not None:
            yield from _rule_faults(event, record, policy)
        was_signed = was_signed or has_signature(event.contents)
        was_required = was_required or (policy is not None and policy.signing is not None and policy.signing.required)


def _signing_faults(
    event: Event, policy: BranchPolicy | None, evidence: EventEvidence, *, was_signed: bool, was_required: bool
) -> Iterator[EventFault]:
    """Yield what the signers and rules of an event's own time say, where those of today say nothing."""
    now = evidence.signatures.get(event.oid)
    then = evidence.signatures_then.get(event.oid)
    asks_today = evidence.signing is not None and evidence.signing.required and not evidence.is_signing_dropped
    is_unsigned = not has_signature(event.contents)
    if then is not None and now is not None and now.state == "good" and then.state in ("bad", "stranger"):
        yield _unmet(
            event,
            f"is signed with {then.key or now.key}, which was not among the allowed signers at commit {_short(policy)}:"
            " the file of signers was weakened since",
        )
    if not is_unsigned or asks_today:
        return
    if policy is not None and policy.signing is not None and policy.signing.required:
        yield _unmet(
            event, f"is not signed, but the policy at commit {_short(policy)} asked for it: it was weakened since"
        )
    elif was_signed and (policy.signing is None if policy is not None else evidence.is_signing_dropped):
        yield EventFault(
            "audit-signing-dropped",
            event,
            f"tag {event.name} is not signed, but earlier events of the model are: branch '{evidence.branch}' lost its `signing`",
            "restore `signing` in mlops.yaml on the branch (git log -p mlops.yaml). To let tags go without a signature from now on, keep"
            " it and write `required: false`: earlier signatures can then still be verified",
        )
    elif was_required:
        yield EventFault(
            "audit-policy-weakened",
            event,
            f"tag {event.name} is not signed: earlier events needed a signature, and the policy at commit {_short(policy)} does not",
            "if that change of mlops.yaml was meant, nothing is to be done; otherwise restore `required: true`",
            "warning",
            is_in_force=True,
        )


def _rule_faults(event: Event, record: EventRecord, policy: BranchPolicy) -> Iterator[EventFault]:
    if isinstance(record, Assignment):
        wanted = policy.approvals.get(record.environment, 0)
        if min(record.approvals_required, len(record.approvals)) < wanted:
            yield _unmet(
                event,
                f"has {len(record.approvals)} approvals, but the policy at commit {_short(policy)} asked for {wanted} in '{record.environment}'",
            )
    elif isinstance(record, Release) and record.trust not in trust_at_least(policy.trust):
        yield _unmet(
            event,
            f"has the trust '{record.trust}', but the policy at commit {_short(policy)} asked for '{policy.trust}'",
        )


def _place_faults(state: ModelState, evidence: EventEvidence) -> Iterator[EventFault]:
    """Yield the releases of commits that were never merged, and the tags that are on another commit than their release."""
    releases = {event.oid: event for event in state.events if event.kind == "release"}
    for event in state.events:
        record = event.record
        if isinstance(record, Release) and record.commit in evidence.off_branch:
            yield EventFault(
                "audit-release-off-branch",
                event,
                f"{event.name} was made from commit {record.commit[:10]}, which is not on branch '{evidence.branch}'",
                "a release must come from what was reviewed and merged. If this clone is merely behind: git fetch. Otherwise the tag was"
                f" not written by `mlops-ci release`: mlops-ci retire {event.model} --set-aside '{event.name}' --reason TEXT",
                is_off_branch=True,
            )
        release = releases.get(record.release.oid) if record is not None and not isinstance(record, Release) else None
        if release is not None and event.kind != "set-aside" and release.commit != event.commit:
            yield EventFault(
                "audit-assignment-misplaced",
                event,
                f"tag {event.name} is on commit {event.commit[:10]}, but its release {release.name} is on {release.commit[:10]}",
            )


def _origin_faults(state: ModelState, evidence: EventEvidence) -> Iterator[EventFault]:
    """Yield the events that were made in another repository, such as a fork.

    A repository may get another name: what was made under the old one stays, and nothing is made under it any more.
    """
    was_here = False
    for event in state.events:
        record = event.record
        if record is None:
            continue
        name = record.made_by.repository
        if evidence.repository is None or is_same_repository(name, evidence.repository):
            was_here = was_here or evidence.repository is not None
        elif was_here:
            yield EventFault(
                "audit-repository-differs",
                event,
                f"{event.name} was made in {name or 'a clone without a remote'}, but the model's earlier events were made in"
                f" {evidence.repository}: it was taken from a fork or a copy",
            )


def _unmet(event: Event, why: str) -> EventFault:
    return EventFault("audit-policy-unmet", event, f"tag {event.name} {why}")


def _short(policy: BranchPolicy | None) -> str:
    return (policy.commit or "")[:10] if policy is not None else ""
