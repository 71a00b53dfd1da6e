"""`signers`: lists who may sign, adds a key, or ends one so that what it signed before stays valid. It writes the file only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import WriteFile
from mlops_ci.core.results.signers import SignerRow, SignersReport
from mlops_ci.core.signers import Signing
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.core.verbs import Option, Verb
from mlops_ci.registry.state import read_registry
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from mlops_ci.repository.project_identity import find_identity
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX
from mlops_ci.repository.signing import verify_tags
from mlops_ci.spec.allowed_signers import (
    AllowedSigner,
    AllowedSigners,
    format_validity_time,
    parse_validity_time,
    read_allowed_signers,
)
from mlops_ci.spec.load import PROJECT_FILE, parse_project
from mlops_ci.spec.public_key import is_private_key

SPEC = Verb(
    "signers",
    "List who may sign; add a key or end one.",
    (
        Option(
            "action",
            "list, add or end.",
            kind="choice",
            positional=True,
            default="list",
            choices=("list", "add", "end"),
            metavar="list|add|end",
        ),
        Option(
            "signer", "E-mail addresses of one person; for end, also a fingerprint.", positional=True, metavar="SIGNER"
        ),
        Option("key", "With add: the file with the public key.", kind="path", metavar="FILE.pub"),
        Option(
            "until",
            "With end: the last moment, as a date (end of day) or time (UTC unless it has a zone); by default now.",
            metavar="TIME",
        ),
        Option(
            "force", "With end: also end the key before events that it signed; audit will report them.", kind="flag"
        ),
    ),
    needs="folder",
    writes=True,
    syncs="try",
    details="Writes the file that `signing.allowedSigners` names, and nothing else: commit it, and merge it in a reviewed change."
    " An ended key stays in the file with `valid-before`, so that what it signed before stays valid; a line that is deleted"
    " would make those events strangers' ones.",
)

_MAX_KEY_BYTES = 64_000
_USUAL_OPTIONS = 'namespaces="git"'


def signers(
    context: Context,
    *,
    action: Literal["list", "add", "end"] = "list",
    signer: str | None = None,
    key: str | None = None,
    until: str | None = None,
    force: bool = False,
) -> Outcome[SignersReport]:
    """Return who may sign; with `add` or `end`, plan the file with one more key, or with an end for each key of a signer.

    Raises UsageProblem without a Project that has ssh signing, without the options that the action needs, for a key that is
    private or invalid and for an unknown signer; Findings for a key that is there already, and for an end before events
    that the key signed.
    """
    path, content = _read_file(context)
    if action == "list":
        return _report(context, "list", path, content)
    if not signer:
        raise UsageProblem.of(
            "signer-missing",
            f"`signers {action}` needs the signer's e-mail address",
            help=f"mlops-ci signers {action} ada@example.org{' --key FILE.pub' if action == 'add' else ''}",
        )
    if action == "add":
        return _plan_addition(context, path, content, signer, key)
    return _plan_end(context, path, content, signer, until, force=force)


def _plan_addition(context: Context, path: str, content: bytes, signer: str, key: str | None) -> Outcome[SignersReport]:
    if key is None:
        raise UsageProblem.of(
            "signer-missing",
            "`signers add` needs the file with the public key",
            help=f"mlops-ci signers add {signer} --key ~/.ssh/id_ed25519.pub",
        )
    text = _read_public_key(context.start_folder / key, key)
    now = context.clock()
    line = f"{signer} {_USUAL_OPTIONS} {text}"
    added = _require_signer(line, key)
    known = [one for one in read_allowed_signers(content, path).signers if one.fingerprint == added.fingerprint]
    if current := next((one for one in known if not one.is_expired(now)), None):
        raise Findings.of(
            "signer-known",
            f"the key {added.fingerprint} is there already, for {', '.join(current.principals)}",
            location=Location(path, current.line, 1),
            help="nothing has to be done; to give the person another address, write it into this line, with a comma",
        )
    if known:  # the key comes back: what was signed between its end and now stays unsigned
        line = f'{signer} {_USUAL_OPTIONS},valid-after="{format_validity_time(now)}" {text}'
    ending = b"\r\n" if b"\r\n" in content else b"\n"
    before = content if not content or content.endswith(b"\n") else content + ending
    return _report(context, "add", path, before + line.encode() + ending, before=content)


def _read_public_key(file: Path, shown: str) -> str:
    """Return the one line of a public key's file; raises UsageProblem for another file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        raise UsageProblem.of(
            "signer-key-invalid",
            f"{shown} cannot be read: {error.strerror}",
            help="give the file of the public key: --key ~/.ssh/id_ed25519.pub",
        ) from error
    if is_private_key(content):
        public = f"{shown}.pub" if file.with_name(f"{file.name}.pub").is_file() else "the file that ends with .pub"
        raise UsageProblem.of(
            "signers-private-key",
            f"{shown} is a private key: it must never be in the repository, and nothing was written",
            help=f"give the public key: --key {public}",
        )
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    if len(lines) != 1 or len(content) > _MAX_KEY_BYTES:
        raise UsageProblem.of(
            "signer-key-invalid",
            f"{shown} is not one public key: it has {len(lines)} lines",
            help="give the file of one key in OpenSSH's format; to convert another format: ssh-keygen -i -f FILE",
        )
    return lines[0]


def _require_signer(line: str, key: str) -> AllowedSigner:
    found = read_allowed_signers(line.encode(), key)
    if found.findings or len(found.signers) != 1:
        fault = found.findings[0] if found.findings else None
        raise UsageProblem.of(
            "signer-key-invalid",
            f"signer and key make no line of allowed signers: {fault.message if fault else 'there is no key'}",
            help=(fault.help if fault else None) or "give the address, and the file of one public key",
        )
    return found.signers[0]


def _plan_end(
    context: Context, path: str, content: bytes, signer: str, until: str | None, *, force: bool
) -> Outcome[SignersReport]:
    found = read_allowed_signers(content, path)
    names = {name.casefold() for name in signer.split(",")}
    ended = [
        one
        for one in found.signers
        if one.fingerprint == signer or not names.isdisjoint(name.casefold() for name in one.principals)
    ]
    if not ended:
        everyone = [name for one in found.signers for name in one.principals]
        raise UsageProblem.of(
            "signer-unknown",
            f"{path} has no key of {quote(signer)}",
            help=suggest(signer, everyone, otherwise="it has keys of") or "it has no key at all",
        )
    asked = _parse_end(until) if until is not None else None
    moment = asked or context.clock().astimezone(UTC).replace(microsecond=0)
    keys = {one.fingerprint for one in ended}
    later = _tags_signed_after(context.repo, context.root, content, keys, moment) if context.repo else {}
    if later and asked is None:
        moment = max(later.values())  # a clock was ahead, and what it dated stays valid
    elif later and not force:
        last, newest = max(later.items(), key=lambda item: item[1])
        raise Findings.of(
            "signer-ends-too-early",
            f"{len(later)} of the events and approvals that this key signed are later than"
            f" {moment.isoformat()}, and would no longer be valid: the last is {last}",
            help=f"--until {newest:%Y-%m-%dT%H:%M:%SZ} keeps all of them; if the key was stolen, name the moment, and add --force:"
            " `audit` then reports each of these events",
        )
    lines = content.split(b"\n")
    changed = 0
    for one in ended:
        if one.valid_before is not None and one.valid_before.moment <= moment:
            continue
        if one.valid_after is not None and one.valid_after.moment >= moment:
            raise Findings.of(
                "signer-ends-too-early",
                f"the key of {', '.join(one.principals)} is valid only after {one.valid_after.moment.isoformat()}",
                location=Location(path, one.line, 1),
                help="delete the line, if the key signed nothing yet",
            )
        lines[one.line - 1] = _with_end(lines[one.line - 1].decode(), one, moment).encode()
        changed += 1
    return _report(context, "end", path, b"\n".join(lines), before=content)


def _parse_end(text: str) -> datetime:
    known = parse_validity_time(text)
    if known is not None and known.zoned:
        return known.moment
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem.of(
            "signer-time-invalid",
            f"{quote(text)} is not a time",
            help="give a date (2026-12-31 means the end of that day), or a time (2026-12-31T18:00, in UTC unless it has a zone)",
        ) from None
    if len(text) in (8, 10):  # a date
        found += timedelta(hours=23, minutes=59, seconds=59)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _tags_signed_after(
    repo: Repository, root: Path, content: bytes, keys: set[str], moment: datetime
) -> dict[str, datetime]:
    """Return the project's events and approvals that the keys signed and that are dated later than a moment, with their dates.

    Other projects have signers of their own, so their events are left out.
    """
    limit = int(moment.timestamp())
    own, others = read_registry(repo, find_identity(repo, root)).split_by_owner()
    left_out = tuple(f"{APPROVAL_PREFIX}{model}/" for models in others.values() for model in models)
    dated = [
        (event.name, event.oid, event.date)
        for state in own.models.values()
        for event in state.events
        if event.date > limit
    ]
    dated += [
        (ref.name, ref.oid, ref.date) for ref in own.approvals if ref.date > limit and not ref.name.startswith(left_out)
    ]
    signatures = verify_tags(repo, Signing("ssh", content), [oid for _, oid, _ in dated])
    return {
        name: datetime.fromtimestamp(date, UTC)
        for name, oid, date in dated
        if signatures[oid].state == "good" and signatures[oid].key in keys
    }


def _with_end(line: str, one: AllowedSigner, moment: datetime) -> str:
    """Return a line whose key ends at a moment; nothing else in it changes."""
    first, last = one.options
    option = f'valid-before="{format_validity_time(moment)}"'
    if first == last:
        return f"{line[:first]}{option} {line[first:]}"
    if one.valid_before_span is not None:
        start, end = one.valid_before_span
        return f"{line[:start]}{option}{line[end:]}"
    return f"{line[:last]},{option}{line[last:]}"


def _report(
    context: Context, action: Literal["list", "add", "end"], path: str, content: bytes, before: bytes | None = None
) -> Outcome[SignersReport]:
    """Return the file's signers with what is wrong in it, and plan to write it if it is not as `before`."""
    found = read_allowed_signers(content, path)
    now = context.clock()
    report = SignersReport(action, path, tuple(_row(one, now) for one in found.signers))
    if before is None:
        return Outcome(report, found.findings)
    if content == before:
        return Outcome(report, _other_faults(found))
    old, new = before.split(b"\n"), content.split(b"\n")
    changed = tuple(
        at for at, line in enumerate(new, 1) if line.strip() and (at > len(old) or line.strip() != old[at - 1].strip())
    )
    # a second look at what is written: it differs from the file in those lines alone, and ssh-keygen can read them
    written = [one for one in found.signers if one.line in changed]
    if len(written) != len(changed):
        raise AssertionError("a line was written that ssh-keygen cannot read")
    plan = Plan((WriteFile(path, content, replace=True),))
    return Outcome(replace(report, changed=changed), _other_faults(found) + _robot_notes(action, path, written), plan)


def _other_faults(found: AllowedSigners) -> tuple[Diagnostic, ...]:
    """Return what is wrong in other lines of the file, as warnings: this command does not make it worse."""
    return tuple(replace(one, severity="warning") for one in found.findings)


def _robot_notes(action: str, path: str, written: Sequence[AllowedSigner]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(
            "signer-cannot-approve",
            f"an approval of {', '.join(one.principals)} does not count: approvals need e-mail addresses without patterns",
            Location(path, one.line, 1),
            "this is right for a robot; for a person, write the e-mail address",
            "note",
        )
        for one in written
        if action == "add" and not one.has_plain_addresses
    )


def _row(one: AllowedSigner, now: datetime) -> SignerRow:
    state: Literal["valid", "ended", "later", "other-use"] = "valid"
    if not one.signs_tags:
        state = "other-use"
    elif one.is_expired(now):
        state = "ended"
    elif one.valid_after is not None and now < one.valid_after.moment:
        state = "later"
    return SignerRow(
        line=one.line,
        principals=one.principals,
        key_type=one.key_type,
        fingerprint=one.fingerprint,
        state=state,
        since=one.valid_after.moment.isoformat() if one.valid_after else None,
        until=one.valid_before.moment.isoformat() if one.valid_before else None,
        authority=one.cert_authority,
        approves=one.has_plain_addresses and state in ("valid", "later"),
    )


def _read_file(context: Context) -> tuple[str, bytes]:
    """Return the path of the file of allowed signers and its content, empty if there is none yet.

    Raises UsageProblem for a Project without it: this command must also mend a file that `validate` refuses.
    """
    try:
        project = parse_project((context.root / PROJECT_FILE).read_bytes())
    except OSError:
        project = None
    if project is None:
        raise UsageProblem.of(
            "project-invalid",
            f"{PROJECT_FILE} is no valid Project, so the file of allowed signers is not known",
            help="mlops-ci validate",
        )
    signing = project.spec.signing
    if signing is None:
        raise UsageProblem.of(
            "signing-missing",
            f"{PROJECT_FILE} has no `signing`, so tags are not signed",
            location=project.locate("spec", key=True),
            help="add `signing: {format: ssh, allowedSigners: .mlops/allowed_signers}` in a reviewed commit",
        )
    if signing.format != "ssh":
        raise UsageProblem.of(
            "signers-format",
            f"{signing.allowed_signers} has OpenPGP keys, and this command writes files of format ssh only",
            location=project.locate("spec", "signing", "format"),
            help=f"add a key: gpg --armor --export ADDRESS >> {signing.allowed_signers}; end it: gpg --edit-key (expire), and export it again",
        )
    file = (context.root / signing.allowed_signers).resolve()
    if not file.is_relative_to(context.root.resolve()):
        raise UsageProblem.of(
            "signers-missing",
            f"the file of allowed signers {quote(signing.allowed_signers)} is outside the repository",
            location=project.locate("spec", "signing", "allowedSigners"),
            help="name a file of the repository, such as .mlops/allowed_signers",
        )
    return signing.allowed_signers, file.read_bytes() if file.is_file() else b""
