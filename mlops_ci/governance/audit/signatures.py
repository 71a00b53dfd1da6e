"""Signatures of tags, where the project asks for them: by one of those whom the branch allows to sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.governance.audit.inventory import Holdings
from mlops_ci.registry.events import Event
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import TAGS
from mlops_ci.repository.signing import Signature, check_signatures
from mlops_ci.spec.spec_types import SigningSpec


def checked(repo: Repository, helds: Iterable[Holdings], project: ProjectAtTip) -> Mapping[str, Signature]:
    """Return what is to be thought of every event's signature, by the tag's object id; nothing where none is asked for."""
    signing = project.specs.project.spec.signing
    if signing is None:
        return {}
    oids = [event.oid for held in helds for event in held.state.events]
    return check_signatures(repo, oids, signing.format, project.copy / signing.allowed_signers)


def breaks(held: Holdings, signatures: Mapping[str, Signature], signing: SigningSpec) -> Iterator[Diagnostic]:
    """Yield each event whose tag is not signed by somebody who may.

    Unsigned events before a model's first good signature are a warning only: what was signed names them, link by link.
    """
    vouched = False
    for event in reversed(held.sequence):
        found = signatures.get(event.oid, Signature("bad"))
        if found.state == "unsigned" and signing.required:
            yield _unsigned(event, "warning" if vouched else "error")
        elif found.state == "bad":
            yield _bad(event)
        elif found.state == "stranger":
            yield _stranger(event, found, signing.allowed_signers)
        vouched = found.state == "good" or (vouched and found.state == "unsigned")


def _unsigned(event: Event, severity: Severity) -> Diagnostic:
    return Diagnostic(
        "audit-signature-missing",
        f"tag {event.name} is not signed",
        help="whoever made it had no key"
        if severity == "error"
        else "it is older than the model's first signature, which vouches for it",
        severity=severity,
        about=f"{TAGS}{event.name}",
    )


def _bad(event: Event) -> Diagnostic:
    return Diagnostic(
        "audit-signature-bad",
        f"the signature of tag {event.name} does not fit: its content was changed, or its key has expired or been revoked",
        help=f"compare with another clone (git ls-remote), and see what git says: git verify-tag -v {event.oid[:10]}",
        about=f"{TAGS}{event.name}",
    )


def _stranger(event: Event, signature: Signature, allowed: str) -> Diagnostic:
    return Diagnostic(
        "audit-signature-stranger",
        f"tag {event.name} is signed with {signature.key or 'a key'}, which is of nobody in {allowed}",
        help="if the signer may sign, add the key there by a reviewed change; else somebody forged the event",
        about=f"{TAGS}{event.name}",
    )
