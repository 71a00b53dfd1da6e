"""Validation of the file of allowed signers, and whether those whom it names can give the approvals that the policy asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.spec.allowed_signers import (
    MAX_SIGNERS_BYTES,
    AllowedSigner,
    AllowedSigners,
    format_validity_time,
    read_allowed_signers,
)
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.public_key import is_private_key
from mlops_ci.spec.spec_types import ProjectSpec

_PUBLIC_BLOCK = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"


def signers_file_findings(root: Path, project: LocatedSpec[ProjectSpec]) -> Iterator[Diagnostic]:
    """Yield what is wrong in the file that `signing.allowedSigners` names; nothing for a file that is not there."""
    signing = project.spec.signing
    if signing is None or (content := _read(root, signing.allowed_signers)) is None:
        return
    path = signing.allowed_signers
    if signing.format == "ssh":
        found = read_allowed_signers(content, path)
        listed = [*found.findings, *_unusable_findings(path, found.signers), *_duplicate_findings(path, found.signers)]
        yield from sorted(listed, key=lambda one: one.location.line or 0 if one.location else 0)
        return
    if is_private_key(content):
        line = next(at for at, text in enumerate(content.split(b"\n"), 1) if is_private_key(text))
        yield Diagnostic(
            "signers-private-key",
            "this is a private key: the file of allowed signers is public, and needs public keys only",
            Location(path, line, 1),
            "replace the key, and write the public one: gpg --armor --export ADDRESS. If the file was committed or pushed,"
            " everyone who can read the repository has the private key",
        )
    elif _PUBLIC_BLOCK not in content:
        yield Diagnostic(
            "signers-invalid",
            "the file has no armoured public key",
            Location(path, 1, 1),
            f"write it: gpg --armor --export ADDRESS... > {path}",
        )


def unsatisfiable_policy_findings(root: Path, project: LocatedSpec[ProjectSpec], now: datetime) -> Iterator[Diagnostic]:
    """Yield what the policy asks for and nobody can give `now`: a signature where nobody may sign, and approvals.

    An approval is by another person than the one who signs the release and the assignment. People are told apart as
    `count_approvals` does: entries that share a key or an address are one person. Nothing is yielded for OpenPGP keys, nor for a
    file with a certificate authority, which can name any number of people.
    """
    signing, approvals = project.spec.signing, project.spec.policy.approvals
    if signing is None or signing.format != "ssh" or (content := _read(root, signing.allowed_signers)) is None:
        return
    found = read_allowed_signers(content, signing.allowed_signers)
    if any(one.cert_authority and one.signs_tags for one in found.signers):
        return
    people = _people(found)
    valid = [one for one in people if any(line.signs_tags and not line.is_expired(now) for line in one)]
    able = [one for one in valid if all(line.has_plain_addresses for line in one)]
    if not valid and signing.required:
        yield Diagnostic(
            "signers-nobody",
            f"{signing.allowed_signers} has no key that is valid now: nobody can sign, so nothing can be released or deployed",
            project.locate("spec", "signing", "allowedSigners"),
            _ADD_HELP,
        )
    # whoever signs release and assignment cannot approve them; a signer without a plain address never could
    taken = 1 if signing.required and len(able) == len(valid) and able else 0
    for environment, wanted in approvals.items():
        if len(able) - taken < wanted:
            yield Diagnostic(
                "approvals-impossible",
                f"'{environment}' needs {wanted} {'approval' if wanted == 1 else 'approvals'}, and nobody could give"
                f" {'it' if wanted == 1 else 'so many'}: {_shortage(people, valid, able, taken)}",
                project.locate("spec", "policy", "approvals", environment),
                f"{_ADD_HELP}; or {f'ask for {len(able) - taken} here' if len(able) > taken else 'delete this environment here'}",
            )


_ADD_HELP = "add a signer: mlops-ci signers add ADDRESS --key FILE.pub"


def _shortage(
    people: Sequence[Sequence[AllowedSigner]],
    valid: Sequence[Sequence[AllowedSigner]],
    able: Sequence[Sequence[AllowedSigner]],
    taken: int,
) -> str:
    """Return in words how many people are left to approve."""
    reasons = [f"the file of allowed signers names {len(people)} {'person' if len(people) == 1 else 'people'}"]
    if ended := len(people) - len(valid):
        reasons.append(f"the keys of {ended} have ended or may not sign for git")
    if nameless := len(valid) - len(able):
        reasons.append(f"{nameless} {'has' if nameless == 1 else 'have'} no plain e-mail address")
    if taken:
        reasons.append("one must sign the release and the deployment, and cannot approve them")
    return ", ".join(reasons)


def _people(found: AllowedSigners) -> list[list[AllowedSigner]]:
    """Return the signers by person: entries that share a key, or a principal in any case, are one person's."""
    groups: list[tuple[set[str], list[AllowedSigner]]] = []
    for one in found.signers:
        marks = {one.fingerprint, *(name.casefold() for name in one.principals)}
        entries = [one]
        apart = []
        for other, known in groups:
            if marks.isdisjoint(other):
                apart.append((other, known))
            else:
                marks |= other
                entries = [*known, *entries]
        groups = [*apart, (marks, entries)]
    return [entries for _, entries in groups]


def _unusable_findings(path: str, signers: Sequence[AllowedSigner]) -> Iterator[Diagnostic]:
    for one in signers:
        if not one.signs_tags:
            has_blank = any(name != name.strip() for name in one.namespaces or ())
            yield Diagnostic(
                "signer-unusable",
                f"the key of {', '.join(one.principals)} is not allowed in the namespace 'git', so no tag signed by it counts",
                Location(path, one.line, 1),
                "delete the blanks in `namespaces`" if has_blank else 'write namespaces="git", or delete the option',
                "warning",
            )
        for name, time in (("valid-after", one.valid_after), ("valid-before", one.valid_before)):
            if time is not None and not time.zoned:
                yield Diagnostic(
                    "signer-time-local",
                    f"'{name}' has no zone, so it is another moment on a machine in another time zone",
                    Location(path, one.line, 1),
                    f'write it in UTC: {name}="{format_validity_time(time.moment)}" (OpenSSH 9.1 or newer)',
                    "warning",
                )


def _duplicate_findings(path: str, signers: Sequence[AllowedSigner]) -> Iterator[Diagnostic]:
    """Yield a finding for each key that stands on two lines for the same time."""
    by_key: dict[tuple[str, bool], list[AllowedSigner]] = {}
    for one in signers:
        earlier = by_key.setdefault((one.fingerprint, one.cert_authority), [])
        other = next((known for known in earlier if _overlap(known, one)), None)
        if other is not None:
            names = dict.fromkeys((*other.principals, *one.principals))
            yield Diagnostic(
                "signer-duplicate",
                f"the key of {', '.join(one.principals)} stands on line {other.line} too, for {', '.join(other.principals)}:"
                " both are taken for one person",
                Location(path, one.line, 1),
                f"keep one line, with every address: {','.join(names)} ...",
                "warning",
            )
        earlier.append(one)


def _overlap(left: AllowedSigner, right: AllowedSigner) -> bool:
    def starts_after(one: AllowedSigner, other: AllowedSigner) -> bool:
        return bool(one.valid_after and other.valid_before and one.valid_after.moment >= other.valid_before.moment)

    return not (starts_after(left, right) or starts_after(right, left))


def _read(root: Path, path: str) -> bytes | None:
    """Return the content of a file below the root, one byte more than is read of it at most; None for no such file."""
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        return None
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_SIGNERS_BYTES + 1)
    except OSError:
        return None
