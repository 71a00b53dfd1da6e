"""Approvals: signed tags under refs/mlops/approvals, and which of them count for a release in an environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.records import Approval, Consent, EventRef
from mlops_ci.core.signers import Signing
from mlops_ci.registry.events import Event
from mlops_ci.registry.statement import consent_of, statement_in
from mlops_ci.repository.git import Repository
from mlops_ci.repository.refs import Ref
from mlops_ci.repository.signing import Signature, verify_tags

APPROVALS = "refs/mlops/approvals/"
_ADDRESS = re.compile(r"[^\s,@*?!]+@[^\s,@*?!]+")


@dataclass(frozen=True)
class Given:
    """An approval as it was found: what it says (None: nothing that is one), and whose signature it has.

    `address` is the e-mail address that the tagger gave, which anybody can.
    """

    ref: EventRef
    consent: Consent | None
    signature: Signature
    address: str = ""


@dataclass(frozen=True)
class Party:
    """Somebody whose approval does not count, `role` says why: by e-mail addresses and keys' fingerprints."""

    role: str
    addresses: frozenset[str]
    keys: frozenset[str] = frozenset()

    def is_it(self, addresses: frozenset[str], key: str) -> bool:
        """Tell whether somebody with these addresses and this key is this party."""
        return key in self.keys or not self.addresses.isdisjoint(addresses)


@dataclass(frozen=True)
class Refused:
    """An approval that does not count, and why."""

    who: str
    ref: EventRef
    why: str


@dataclass(frozen=True)
class Judgement:
    """Who has approved, one approval a person, and what did not count."""

    counted: tuple[Approval, ...] = ()
    refused: tuple[Refused, ...] = ()


def ref_prefix(model: str, environment: str, version: str) -> str:
    """Return where the approvals of a version in an environment are; the signer's key follows (`Signature.short`)."""
    return f"{APPROVALS}{model}/{environment}/v{version}/"


def judge(given: Iterable[Given], release: Event, environment: str, parties: Sequence[Party]) -> Judgement:
    """Tell which approvals count for this very release in this environment: a pure function of what was found.

    A signature must be good, of a signer with a plain e-mail address; the statement must name the release's tag and its
    object id, and the environment; the signer must be none of the parties. A person counts once, whatever their keys.
    """
    counted: list[Approval] = []
    refused: list[Refused] = []
    seen = Party("the same person has approved already", frozenset())
    for one in sorted(given, key=lambda one: (one.consent.made_on if one.consent else "", one.ref.name)):
        why = _not_valid(one, release, environment)
        principals = one.signature.names
        # an address that the tagger gave can only stand against them
        addresses = principals | {one.address.casefold()}
        why = why or next((party.role for party in parties if party.is_it(addresses, one.signature.key)), None)
        if why is None and seen.is_it(principals, one.signature.key):
            why = seen.role
        if why is not None or one.consent is None:
            refused.append(Refused(one.signature.signer or one.address or "somebody", one.ref, why or ""))
            continue
        seen = Party(seen.role, seen.addresses | principals, seen.keys | {one.signature.key})
        counted.append(Approval("signature", one.signature.signer, one.consent.made_on, ref=one.ref))
    return Judgement(tuple(counted), tuple(refused))


def _not_valid(one: Given, release: Event, environment: str) -> str | None:
    if one.signature.state != "good":
        return _STATES[one.signature.state]
    if not one.signature.names or not all(map(_ADDRESS.fullmatch, one.signature.names)):
        return "the allowed signers do not name this signer by an e-mail address"
    if one.consent is None:
        return "it holds no approval"
    said = (one.consent.release, one.consent.model, one.consent.version)
    if said != (release.ref, release.model, release.version):
        return f"it approves {one.consent.release.name} ({one.consent.release.oid[:10]}), not this release"
    if one.consent.environment != environment:
        return f"it approves '{one.consent.environment}', not '{environment}'"
    return None


_STATES: Mapping[str, str] = {
    "unsigned": "it is not signed",
    "bad": "its signature is not valid",
    "stranger": "its signer is not among those who may sign",
}


def given(repo: Repository, signing: Signing, refs: Iterable[Ref]) -> tuple[Given, ...]:
    """Return what refs hold, unjudged, their signatures checked; what is no annotated tag is no approval."""
    tags = [ref for ref in refs if ref.type == "tag"]
    oids = [ref.oid for ref in tags]
    signatures = verify_tags(repo, signing, oids)
    return tuple(
        Given(EventRef(ref.name, ref.oid), _consent(ref), signatures[ref.oid], _address(content))
        for ref, content in zip(tags, repo.read_many(oids), strict=True)
    )


def authors(repo: Repository, signing: Signing, release: Event) -> Party:
    """Return who made a release: author, committer and co-authors of its commit, and who tagged it."""
    fields = "%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)"
    said = repo.run("show", "--no-patch", "--no-show-signature", f"--format={fields}", release.commit).text
    of_commit = {line.rpartition("<")[2].rstrip("> ").casefold() for line in said.splitlines() if line.strip()}
    tagger = taggers(repo, signing, release.oid, "an author of the release does not approve it")
    return Party(tagger.role, tagger.addresses | of_commit, tagger.keys)


def taggers(repo: Repository, signing: Signing, oid: str, role: str) -> Party:
    """Return who wrote a tag: whom it names as tagger, and whose signature it has."""
    signature = verify_tags(repo, signing, (oid,))[oid]
    return party(role, _address(next(repo.read_many((oid,)))), signature)


def party(role: str, address: str, signature: Signature) -> Party:
    """Return somebody by the address that git has of them and by their signature, which may be neither good nor there."""
    addresses = {address.casefold(), *signature.names}
    return Party(role, frozenset(addresses - {""}), frozenset({signature.key} - {""}))


def _address(tag: bytes | None) -> str:
    """Return the e-mail address of a tag's tagger; nothing for a tag without one."""
    match = _TAGGER.search((tag or b"").partition(b"\n\n")[0])
    return match.group(1).decode("utf-8", "replace") if match else ""


_TAGGER = re.compile(rb"^tagger [^\n]*<([^<>\n]*)> \d+ [+-]\d{4}$", re.MULTILINE)


def _consent(ref: Ref) -> Consent | None:
    statement = statement_in(ref.contents)
    try:
        return consent_of(statement) if statement is not None else None
    except DecodeError:
        return None
