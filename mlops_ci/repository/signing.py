"""Signatures of tag objects, made by git and checked by git, against signers that the caller names and not the user's own.

Git takes for the signature whatever begins at the last line that looks like one, and the programs it asks overlook
text that follows; a reader of the message would not. So a block that is not exactly one signature is bad.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.leftovers import scratch_folder
from mlops_ci.core.signers import SignatureFormat, Signing
from mlops_ci.core.trusted_process import KEY_LIMITS, SIGNING_LIMITS, LimitProblem, run_trusted
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import GitResult, Person, object_id, tag_content
from mlops_ci.spec.allowed_signers import read_allowed_signers

SignatureState = Literal["good", "unsigned", "bad", "stranger"]
_GitSettings = AbstractContextManager[tuple[tuple[str, ...], Mapping[str, str]]]  # settings and variables for git


@dataclass(frozen=True)
class TagSignature:
    """What is to be thought of a tag's signature, and of whom it is.

    `stranger`: of nobody the signers name, at the tag's date; `bad`: of other content, by a key that was revoked or has
    expired, or in a form that is not the one asked for. `signer` is the allowed principal, or the key's e-mail; `key` its
    fingerprint; `aliases` are the other principals that the signers give the key.
    """

    state: SignatureState
    signer: str = ""
    key: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def signer_names(self) -> frozenset[str]:
        """Whom the signature is of, under every name, in lower case."""
        return frozenset(name.casefold() for name in (self.signer, *self.aliases) if name)

    @property
    def short_key(self) -> str:
        """The first 16 hex digits of the key's fingerprint: they name the signer in refs."""
        kind, _, text = self.key.rpartition(":")
        return (base64.b64decode(f"{text}==").hex() if kind else text.lower())[:16]


def verify_tags(repo: Repository, signing: Signing, oids: Sequence[str]) -> Mapping[str, TagSignature]:
    """Return the signature of each tag object, by object id; see `check_signatures`."""
    with scratch_folder("signers") as folder:
        file = folder / "signers"
        file.write_bytes(signing.signers)
        return check_signatures(repo, oids, signing.format, file)


def has_signing_key(repo: Repository, format: SignatureFormat) -> bool:
    """Tell whether the user has told git what to sign with."""
    return not _KEY_SETTINGS[format].isdisjoint(_signing_settings(repo, format))


def sign_tag(
    repo: Repository, signing: Signing, name: str, target: str, message: str, person: Person, seconds: int
) -> tuple[bytes, TagSignature]:
    """Have git sign an annotated tag on a commit; return the whole object, which is not stored yet, and whose it is.

    `git tag` makes a ref at once, so that it works in a repository of its own, which borrows this one's objects.
    Raises EnvironmentProblem `signing-failed`, and `signer-not-allowed` for a key that is not among the signers.
    """
    with scratch_folder("signing") as folder:
        scratch = _create_scratch_repository(repo, folder, len(target))
        stamp = {"NAME": person.name, "EMAIL": person.email, "DATE": f"@{seconds} +0000"}
        # asked of the repository: what a configuration says of its place would not hold in another
        own = [
            part for key, value in _signing_settings(repo, signing.format).items() for part in ("-c", f"{key}={value}")
        ]
        flags = ("--sign", "--cleanup=verbatim", "--file=-", name, target)
        try:
            answer = scratch.run(
                *(*own, "-c", f"gpg.format={signing.format}", "tag", *flags),
                stdin=f"{message.rstrip()}\n".encode(),
                env={**_agent_variables(repo), **{f"GIT_COMMITTER_{key}": value for key, value in stamp.items()}},
                check=False,
                limits=SIGNING_LIMITS,
            )
        except LimitProblem as problem:
            waits = f"git tag, or a program that it started, {problem.reason}; it may wait for a passphrase or a touch"
            answer = GitResult(1, b"", waits)
        oid = scratch.resolve(f"refs/tags/{name}") if answer.status == 0 else None
        content = scratch.run("cat-file", "tag", oid).out if oid else b""
        signature = verify_tags(scratch, signing, (oid,))[oid] if oid else TagSignature("unsigned")
    # git 2.39 writes a tag without a signature, and reports success, when ssh-keygen fails
    if signature.state == "unsigned" or not content.startswith(tag_content(name, target, message, person, seconds)):
        said = answer.err.strip().splitlines()
        raise EnvironmentProblem.of(
            "signing-failed",
            f"git could not sign {name}, and nothing was written: {said[0] if said else 'no reason given'}",
            help=f"test the signing key: git -c gpg.format={signing.format} tag -s -m test signing-test && git tag -d signing-test",
        )
    if signature.state != "good":
        raise EnvironmentProblem.of(
            "signer-not-allowed",
            f"your key {signature.key or '(of another format)'} may not sign: the branch's file of allowed signers does not have it, or"
            " has it with an end that has passed; nothing was written",
            help="see who may sign: mlops-ci signers; add the key, and merge the file in a reviewed change: mlops-ci signers add ADDRESS"
            " --key FILE.pub; or sign with another key: git config user.signingKey",
        )
    return content, signature


_KEY_SETTINGS: Mapping[SignatureFormat, frozenset[str]] = {
    "ssh": frozenset({"user.signingkey", "gpg.ssh.defaultkeycommand"}),
    "openpgp": frozenset({"user.signingkey"}),
}


def _signing_settings(repo: Repository, format: SignatureFormat) -> dict[str, str]:
    """Return the settings that say how this command signs, with the key that it was lent, or else the user's; names in lower case."""
    if repo.credentials.signing_key and format == "ssh":
        return {"user.signingkey": f"key::{repo.credentials.signing_key}", "gpg.ssh.program": "ssh-keygen"}
    return repo.config_matching(r"^(user\.signingkey|gpg\..*)$")


def _agent_variables(repo: Repository) -> dict[str, str]:
    return {"SSH_AUTH_SOCK": repo.credentials.agent_socket} if repo.credentials.agent_socket else {}


_CONFIGURATIONS = {
    40: "[core]\n\tbare = true\n",
    64: "[core]\n\tbare = true\n\trepositoryFormatVersion = 1\n[extensions]\n\tobjectFormat = sha256\n",
}


def _create_scratch_repository(repo: Repository, folder: Path, digits: int) -> Repository:
    """Make a bare repository that has the other's objects, in an empty folder; what it is made of stays in it.

    `digits` are those of the other's object ids: 40, or 64 with SHA-256.
    """
    for name in ("refs", "objects/info"):
        (folder / name).mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(_CONFIGURATIONS[digits])
    (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(repo.common_dir / "objects") + b"\n")
    return Repository(repo.root, folder, folder, bare=True)  # paths of keys may count from where the user is


def check_signature(repo: Repository, oid: str, format: SignatureFormat, signers: Path) -> TagSignature:
    """Return what is to be thought of one tag object's signature; see `check_signatures`."""
    return check_signatures(repo, (oid,), format, signers)[oid]


def check_signatures(
    repo: Repository, oids: Sequence[str], format: SignatureFormat, signers: Path
) -> Mapping[str, TagSignature]:
    """Return what is to be thought of each tag object's signature, by object id; refs need not name them.

    `signers` is a file of OpenSSH's allowed signers, or of armoured public keys. An object that is not here is bad.
    Raises EnvironmentProblem `signature-program-missing`, and `signers-unreadable` for keys that gpg cannot import.
    """
    from concurrent.futures import ThreadPoolExecutor  # queries check nothing

    wanted = list(dict.fromkeys(oids))
    kind = _FORMAT_HANDLERS[format]
    content = signers.read_bytes()
    certain = kind.certain_signature(content)
    found: dict[str, TagSignature] = {}
    for oid, tag in zip(wanted, repo.read_objects(wanted, or_corrupt=True), strict=True):
        state = _state_from_form(oid, tag, kind)
        known = TagSignature(state) if state is not None else certain(tag or b"")
        if known is not None:
            found[oid] = known
    signed = [oid for oid in wanted if oid not in found]
    if not signed:
        return found
    if shutil.which(kind.program) is None:
        raise EnvironmentProblem.of(
            "signature-program-missing",
            f"signatures are checked with {kind.program}, which is not installed or not on PATH",
            help=f"install {kind.package}",
        )
    with kind.settings(signers.resolve()) as (settings, env), ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:

        def ask(oid: str) -> TagSignature:
            return kind.parse_result(
                repo.run(*settings, "verify-tag", "--raw", oid, env=env, check=False, limits=KEY_LIMITS), content
            )

        # the time passes in the programs that git starts
        return {**found, **dict(zip(signed, pool.map(ask, signed), strict=True))}


@dataclass(frozen=True)
class _FormatHandler:
    """How one format looks, and how git is made to check it."""

    program: str
    package: str
    block: re.Pattern[bytes]
    settings: Callable[[Path], _GitSettings]
    parse_result: Callable[[GitResult, bytes], TagSignature]
    certain_signature: Callable[[bytes], Callable[[bytes], TagSignature | None]]


# what git takes for the beginning of a signature
_BEGIN = re.compile(rb"^-----BEGIN (?:SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----", re.MULTILINE)


def _state_from_form(oid: str, content: bytes | None, kind: _FormatHandler) -> SignatureState | None:
    """Return the state of what cannot be a signature of this kind; None for what can be one.

    An object that is not what its id says (a damaged or exchanged file) is bad: git reads it without a word.
    """
    if content is None or object_id("tag", content, len(oid)) != oid:
        return "bad"
    begins = [match.start() for match in _BEGIN.finditer(content)]
    if not begins:
        return "unsigned"
    return None if kind.block.fullmatch(content, begins[-1]) else "bad"


@contextmanager
def _ssh_settings(signers: Path) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    values = {"program": "ssh-keygen", "allowedSignersFile": str(signers), "revocationFile": os.devnull}
    yield tuple(part for name, value in values.items() for part in ("-c", f"gpg.ssh.{name}={value}")), {}


@contextmanager
def _gpg_settings(signers: Path) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    settings = ("-c", "gpg.program=gpg", "-c", "gpg.openpgp.program=gpg", "-c", "gpg.minTrustLevel=undefined")
    with scratch_folder("keys") as home:
        (home / "gpg.conf").write_text("no-autostart\nno-auto-key-retrieve\nno-auto-check-trustdb\n")
        env = {**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C"}
        argv = ("gpg", "--batch", "--quiet", "--import", str(signers))
        status, _, err = run_trusted(argv, cwd=Path(home), env=env, limits=KEY_LIMITS)
        if status != 0:
            said = err.decode("utf-8", "replace").strip().splitlines()
            raise EnvironmentProblem.of(
                "signers-unreadable",
                f"gpg cannot import the public keys of the allowed signers: {said[0] if said else f'exit code {status}'}",
                help="write the file again: gpg --armor --export ADDRESS... (public keys only)",
            )
        yield settings, {"GNUPGHOME": str(home)}


_SSH_RESULT = re.compile(
    r'^Good "git" signature (?:for (?P<signer>.+) )?with \S+ key (?P<key>SHA256:[A-Za-z0-9+/]+)$', re.MULTILINE
)


def _parse_ssh_result(answer: GitResult, signers: bytes) -> TagSignature:
    # git repeats what ssh-keygen said, so the exit code decides
    found = _SSH_RESULT.search(answer.err)
    if found is None:
        return TagSignature("bad")
    if found["signer"] is None:
        return TagSignature("stranger", key=found["key"])
    aliases = tuple(name for name in _principals(signers, found["key"]) if name != found["signer"])
    return TagSignature("good" if answer.status == 0 else "bad", found["signer"], found["key"], aliases)


def _certain_ssh_signature(signers: bytes) -> Callable[[bytes], TagSignature | None]:
    """Return the check of signed tags that needs no program; it answers None where a program must decide."""
    from mlops_ci.repository import ssh_signatures  # a library that only checks of signatures need

    allowed = ssh_signatures.read_allowed_keys(signers)
    names: dict[str, tuple[str, ...]] = {}

    def check(tag: bytes) -> TagSignature | None:
        at = [match.start() for match in _BEGIN.finditer(tag)][-1]
        found = ssh_signatures.find_certain_signer(tag[:at], tag[at:], allowed)
        if found is None:
            return None
        signer, key = found
        if key not in names:
            names[key] = tuple(name for name in _principals(signers, key) if name != signer)
        return TagSignature("good", signer, key, names[key])

    return check


def _principals(signers: bytes, key: str) -> Iterator[str]:
    """Yield every principal of a key: git tells only the first, and another may be an author's address."""
    for line in read_allowed_signers(signers, "").signers:
        if line.fingerprint == key:
            yield from line.principals


_GPG_PREFIX = "[GNUPG:] "


def _parse_gpg_result(answer: GitResult, _: bytes) -> TagSignature:
    said: dict[str, list[str]] = {}
    for line in answer.err.splitlines():
        if line.startswith(_GPG_PREFIX):
            word, *rest = line.removeprefix(_GPG_PREFIX).split(" ")
            said.setdefault(word, rest)
    if "NO_PUBKEY" in said:
        return TagSignature("stranger", key=said["NO_PUBKEY"][0])
    if not {"GOODSIG", "VALIDSIG"} <= set(said):
        return TagSignature("bad")
    name = " ".join(said["GOODSIG"][1:])
    mail = re.search(r"<([^<>]+)>$", name)
    # the last field is the primary key, where a subkey signed
    key = said["VALIDSIG"][-1]
    return TagSignature("good" if answer.status == 0 else "bad", mail.group(1) if mail else name, key)


_BASE64_LINES = rb"(?:[A-Za-z0-9+/=]+\n)+"
_FORMAT_HANDLERS: Mapping[SignatureFormat, _FormatHandler] = {
    "ssh": _FormatHandler(
        "ssh-keygen",
        "OpenSSH 8.2 or newer",
        re.compile(rb"-----BEGIN SSH SIGNATURE-----\n" + _BASE64_LINES + rb"-----END SSH SIGNATURE-----\n*"),
        _ssh_settings,
        _parse_ssh_result,
        _certain_ssh_signature,
    ),
    "openpgp": _FormatHandler(
        "gpg",
        "GnuPG",
        re.compile(
            rb"-----BEGIN PGP SIGNATURE-----\n(?:[A-Z][a-z]+: [^\n]*\n)*\n"
            + _BASE64_LINES
            + rb"-----END PGP SIGNATURE-----\n*"
        ),
        _gpg_settings,
        _parse_gpg_result,
        lambda _: lambda _: None,
    ),
}
