"""Approvals are signed tags under refs/mlops/approvals. This file reads them and counts the valid ones for a release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Approval, ApprovalStatement
from mlops_ci.core.signers import Signing
from mlops_ci.registry.events import Event
from mlops_ci.registry.statement import decode_approval, parse_statement
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX
from mlops_ci.repository.refs import Ref
from mlops_ci.repository.signing import TagSignature, verify_tags

_ADDRESS = re.compile(r"[^\s,@*?!]+@[^\s,@*?!]+")


@dataclass(frozen=True)
class SignedApproval:
    """An approval tag before validation: its statement (None if it has no valid one) and its verified signature.

    `address` is the tagger's e-mail address, which the tagger can choose freely.
    """

    ref: EventRef
    statement: ApprovalStatement | None
    signature: TagSignature
    address: str = ""


@dataclass(frozen=True)
class ExcludedApprover:
    """A person whose approval does not count, identified by e-mail addresses and key fingerprints; `role` is the reason."""

    role: str
    addresses: frozenset[str]
    keys: frozenset[str] = frozenset()

    def matches(self, addresses: frozenset[str], key: str) -> bool:
        """Return whether a person with these addresses and this key is the excluded person."""
        return key in self.keys or not self.addresses.isdisjoint(addresses)


@dataclass(frozen=True)
class RejectedApproval:
    """An approval that does not count, and the reason."""

    who: str
    ref: EventRef
    why: str


@dataclass(frozen=True)
class ApprovalCount:
    """The valid approvals (at most one for each person) and the rejected ones."""

    counted: tuple[Approval, ...] = ()
    rejected: tuple[RejectedApproval, ...] = ()


def approval_ref_prefix(model: str, environment: str, version: str) -> str:
    """Return the prefix of the refs that approve a version for an environment; the signer's short key follows it."""
    return f"{APPROVAL_PREFIX}{model}/{environment}/v{version}/"


def count_approvals(
    given: Iterable[SignedApproval], release: Event, environment: str, parties: Sequence[ExcludedApprover]
) -> ApprovalCount:
    """Return the approvals that count for this release in this environment, and the rejected ones. A pure function.

    An approval counts when its signature is good, its signer has a plain e-mail address, its statement names the release's
    tag with its object id and the environment, and its signer is none of `parties`. Each person counts once, also with
    several keys.
    """
    counted: list[Approval] = []
    refused: list[RejectedApproval] = []
    seen = ExcludedApprover("this person has already approved the release", frozenset())
    for one in sorted(given, key=lambda one: (one.statement.made_on if one.statement else "", one.ref.name)):
        why = _rejection_reason(one, release, environment)
        principals = one.signature.signer_names
        # the tagger's own address is not verified, so it can only exclude an approval
        addresses = principals | {one.address.casefold()}
        why = why or next((party.role for party in parties if party.matches(addresses, one.signature.key)), None)
        if why is None and seen.matches(principals, one.signature.key):
            why = seen.role
        if why is not None or one.statement is None:
            refused.append(RejectedApproval(one.signature.signer or one.address or "somebody", one.ref, why or ""))
            continue
        seen = ExcludedApprover(seen.role, seen.addresses | principals, seen.keys | {one.signature.key})
        counted.append(Approval("signature", one.signature.signer, one.statement.made_on, ref=one.ref))
    return ApprovalCount(tuple(counted), tuple(refused))


def _rejection_reason(one: SignedApproval, release: Event, environment: str) -> str | None:
    if one.signature.state != "good":
        return _SIGNATURE_FAULTS[one.signature.state]
    if not one.signature.signer_names or not all(map(_ADDRESS.fullmatch, one.signature.signer_names)):
        return "the file of allowed signers has no e-mail address for this signer"
    if one.statement is None:
        return "the tag has no valid approval statement"
    said = (one.statement.release, one.statement.model, one.statement.version)
    if said != (release.ref, release.model, release.version):
        return (
            f"it is an approval of {one.statement.release.name} ({one.statement.release.oid[:10]}), not of this release"
        )
    if one.statement.environment != environment:
        return f"it is an approval for '{one.statement.environment}', not for '{environment}'"
    return None


_SIGNATURE_FAULTS: Mapping[str, str] = {
    "unsigned": "the tag is not signed",
    "bad": "the tag's signature is not valid",
    "stranger": "its signer is not in the file of allowed signers",
}


def read_approvals(repo: Repository, signing: Signing, refs: Iterable[Ref]) -> tuple[SignedApproval, ...]:
    """Return the approvals at refs with their verified signatures, before they are counted; only annotated tags are read."""
    tags = [ref for ref in refs if ref.type == "tag"]
    oids = [ref.oid for ref in tags]
    signatures = verify_tags(repo, signing, oids)
    return tuple(
        SignedApproval(EventRef(ref.name, ref.oid), _read_statement(ref), signatures[ref.oid], _tagger_address(content))
        for ref, content in zip(tags, repo.read_objects(oids, or_corrupt=True), strict=True)
    )


def find_release_authors(repo: Repository, signing: Signing, release: Event) -> ExcludedApprover:
    """Return the authors of a release: the author, committer and co-authors of its commit, and its tagger."""
    fields = "%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)"
    said = repo.run("show", "--no-patch", "--no-show-signature", f"--format={fields}", release.commit).text
    of_commit = {line.rpartition("<")[2].rstrip("> ").casefold() for line in said.splitlines() if line.strip()}
    tagger = find_tag_authors(repo, signing, release.oid, "an author of a release cannot approve it")
    return ExcludedApprover(tagger.role, tagger.addresses | of_commit, tagger.keys)


def find_tag_authors(repo: Repository, signing: Signing, oid: str, role: str) -> ExcludedApprover:
    """Return the author of a tag: its tagger and its signer."""
    signature = verify_tags(repo, signing, (oid,))[oid]
    return excluded_approver(role, _tagger_address(next(repo.read_objects((oid,), or_corrupt=True))), signature)


def excluded_approver(role: str, address: str, signature: TagSignature) -> ExcludedApprover:
    """Return an excluded person by e-mail address and signature; the signature may be missing or invalid."""
    addresses = {address.casefold(), *signature.signer_names}
    return ExcludedApprover(role, frozenset(addresses - {""}), frozenset({signature.key} - {""}))


def _tagger_address(tag: bytes | None) -> str:
    """Return the e-mail address of a tag's tagger; an empty string for a tag without a tagger."""
    match = _TAGGER.search((tag or b"").partition(b"\n\n")[0])
    return match.group(1).decode("utf-8", "replace") if match else ""


_TAGGER = re.compile(rb"^tagger [^\n]*<([^<>\n]*)> \d+ [+-]\d{4}$", re.MULTILINE)


def _read_statement(ref: Ref) -> ApprovalStatement | None:
    statement = parse_statement(ref.contents)
    try:
        return decode_approval(statement) if statement is not None else None
    except DecodeError:
        return None


def approval_count_text(count: int) -> str:
    """Return so many approvals in words, such as `1 approval`."""
    return f"{count:,} approval{'' if count == 1 else 's'}"
