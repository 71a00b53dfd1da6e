"""Audit of the tags' signatures, if the project has signing: every signer must be an allowed signer of the branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.events import Event
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import TAG_PREFIX
from mlops_ci.repository.signing import TagSignature, check_signatures
from mlops_ci.spec.spec_types import SigningSpec


def check_event_signatures(
    repo: Repository, helds: Iterable[ModelInventory], project: ProjectAtTip
) -> Mapping[str, TagSignature]:
    """Return the verified signature of every event by the tag's object id; empty if the project has no signing."""
    signing = project.specs.project.spec.signing
    if signing is None:
        return {}
    oids = [event.oid for held in helds for event in held.state.events]
    return check_signatures(repo, oids, signing.format, project.copy / signing.allowed_signers)


def breaks(held: ModelInventory, signatures: Mapping[str, TagSignature], signing: SigningSpec) -> Iterator[Diagnostic]:
    """Yield each event whose tag has no good signature by an allowed signer.

    Unsigned events before a model's first good signature are only a warning: the chain from the signed event names them.
    """
    vouched = False
    for event in reversed(held.ordered_events):
        found = signatures.get(event.oid, TagSignature("bad"))
        if found.state == "unsigned" and signing.required:
            yield _missing_signature_finding(event, "warning" if vouched else "error")
        elif found.state == "bad":
            yield _bad_signature_finding(event)
        elif found.state == "stranger":
            yield _unknown_signer_finding(event, found, signing.allowed_signers)
        vouched = found.state == "good" or (vouched and found.state == "unsigned")


def _missing_signature_finding(event: Event, severity: Severity) -> Diagnostic:
    return Diagnostic(
        "audit-signature-missing",
        f"tag {event.name} is not signed",
        help="the tag was written without a signing key: configure one (git config user.signingKey), and write the event again"
        if severity == "error"
        else "the tag is older than the model's first signed event, and the chain of records from that event leads back to this"
        " tag",
        severity=severity,
        about=f"{TAG_PREFIX}{event.name}",
    )


def _bad_signature_finding(event: Event) -> Diagnostic:
    return Diagnostic(
        "audit-signature-bad",
        f"the signature of tag {event.name} is not valid: its content was changed, or its key has expired or been revoked",
        help=f"compare with another clone (git ls-remote), and let git verify the tag: git verify-tag -v {event.oid[:10]}",
        about=f"{TAG_PREFIX}{event.name}",
    )


def _unknown_signer_finding(event: Event, signature: TagSignature, allowed: str) -> Diagnostic:
    return Diagnostic(
        "audit-signature-stranger",
        f"tag {event.name} is signed with {signature.key or 'a key'}, which is not in {allowed}",
        help="if the signer may sign, add the key to that file in a reviewed change; otherwise the event is forged",
        about=f"{TAG_PREFIX}{event.name}",
    )
