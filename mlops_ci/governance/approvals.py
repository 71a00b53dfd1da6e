"""Approvals: signed tags under refs/mlops/approvals, and which of them count for a release in an environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.records.events import Approval, ApprovalStatement, EventRef
from mlops_ci.core.signers import Signing
from mlops_ci.registry.events import Event
from mlops_ci.registry.statement import decode_approval, parse_statement
from mlops_ci.repository.git import Repository
from mlops_ci.repository.refs import Ref
from mlops_ci.repository.signing import TagSignature, verify_tags

APPROVAL_PREFIX = "refs/mlops/approvals/"
_ADDRESS = re.compile(r"[^\s,@*?!]+@[^\s,@*?!]+")


@dataclass(frozen=True)
class SignedApproval:
    """An approval as it was found: what it says (None: nothing that is one), and whose signature it has.

    `address` is the e-mail address that the tagger gave, which anybody can.
    """

    ref: EventRef
    statement: ApprovalStatement | None
    signature: TagSignature
    address: str = ""


@dataclass(frozen=True)
class ExcludedApprover:
    """Somebody whose approval does not count, `role` says why: by e-mail addresses and keys' fingerprints."""

    role: str
    addresses: frozenset[str]
    keys: frozenset[str] = frozenset()

    def matches(self, addresses: frozenset[str], key: str) -> bool:
        """Tell whether somebody with these addresses and this key is this party."""
        return key in self.keys or not self.addresses.isdisjoint(addresses)


@dataclass(frozen=True)
class RejectedApproval:
    """An approval that does not count, and why."""

    who: str
    ref: EventRef
    why: str


@dataclass(frozen=True)
class ApprovalCount:
    """Who has approved, one approval a person, and what did not count."""

    counted: tuple[Approval, ...] = ()
    rejected: tuple[RejectedApproval, ...] = ()


def approval_ref_prefix(model: str, environment: str, version: str) -> str:
    """Return where the approvals of a version in an environment are; the signer's key follows (`Signature.short_key`)."""
    return f"{APPROVAL_PREFIX}{model}/{environment}/v{version}/"


def count_approvals(
    given: Iterable[SignedApproval], release: Event, environment: str, parties: Sequence[ExcludedApprover]
) -> ApprovalCount:
    """Tell which approvals count for this very release in this environment: a pure function of what was found.

    A signature must be good, of a signer with a plain e-mail address; the statement must name the release's tag and its
    object id, and the environment; the signer must be none of the parties. A person counts once, whatever their keys.
    """
    counted: list[Approval] = []
    refused: list[RejectedApproval] = []
    seen = ExcludedApprover("the same person has approved already", frozenset())
    for one in sorted(given, key=lambda one: (one.statement.made_on if one.statement else "", one.ref.name)):
        why = _rejection_reason(one, release, environment)
        principals = one.signature.signer_names
        # an address that the tagger gave can only stand against them
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
        return "the allowed signers do not name this signer by an e-mail address"
    if one.statement is None:
        return "it holds no approval"
    said = (one.statement.release, one.statement.model, one.statement.version)
    if said != (release.ref, release.model, release.version):
        return f"it approves {one.statement.release.name} ({one.statement.release.oid[:10]}), not this release"
    if one.statement.environment != environment:
        return f"it approves '{one.statement.environment}', not '{environment}'"
    return None


_SIGNATURE_FAULTS: Mapping[str, str] = {
    "unsigned": "it is not signed",
    "bad": "its signature is not valid",
    "stranger": "its signer is not among those who may sign",
}


def read_approvals(repo: Repository, signing: Signing, refs: Iterable[Ref]) -> tuple[SignedApproval, ...]:
    """Return what refs hold, unjudged, their signatures checked; what is no annotated tag is no approval."""
    tags = [ref for ref in refs if ref.type == "tag"]
    oids = [ref.oid for ref in tags]
    signatures = verify_tags(repo, signing, oids)
    return tuple(
        SignedApproval(EventRef(ref.name, ref.oid), _read_statement(ref), signatures[ref.oid], _tagger_address(content))
        for ref, content in zip(tags, repo.read_objects(oids, or_corrupt=True), strict=True)
    )


def find_release_authors(repo: Repository, signing: Signing, release: Event) -> ExcludedApprover:
    """Return who made a release: author, committer and co-authors of its commit, and who tagged it."""
    fields = "%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)"
    said = repo.run("show", "--no-patch", "--no-show-signature", f"--format={fields}", release.commit).text
    of_commit = {line.rpartition("<")[2].rstrip("> ").casefold() for line in said.splitlines() if line.strip()}
    tagger = find_tag_authors(repo, signing, release.oid, "an author of the release does not approve it")
    return ExcludedApprover(tagger.role, tagger.addresses | of_commit, tagger.keys)


def find_tag_authors(repo: Repository, signing: Signing, oid: str, role: str) -> ExcludedApprover:
    """Return who wrote a tag: whom it names as tagger, and whose signature it has."""
    signature = verify_tags(repo, signing, (oid,))[oid]
    return excluded_approver(role, _tagger_address(next(repo.read_objects((oid,), or_corrupt=True))), signature)


def excluded_approver(role: str, address: str, signature: TagSignature) -> ExcludedApprover:
    """Return somebody by the address that git has of them and by their signature, which may be neither good nor there."""
    addresses = {address.casefold(), *signature.signer_names}
    return ExcludedApprover(role, frozenset(addresses - {""}), frozenset({signature.key} - {""}))


def _tagger_address(tag: bytes | None) -> str:
    """Return the e-mail address of a tag's tagger; nothing for a tag without one."""
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
