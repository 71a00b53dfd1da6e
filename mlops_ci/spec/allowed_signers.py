"""Reads OpenSSH's file of allowed signers as ssh-keygen reads it (ssh-keygen(1), ALLOWED SIGNERS), with the place of every fault.

ssh-keygen passes over a line that it cannot read, so that one comma too few makes a signer a stranger without a word. No finding
here repeats the text of a key: somebody may have pasted a private one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.public_key import (
    KEY_TYPES,
    WrongKeyType,
    ends_private_key,
    is_key_type,
    is_private_key,
    key_fingerprint,
)

TAG_NAMESPACE = "git"  # the namespace in which git signs
MAX_SIGNERS_BYTES = 1_000_000
EMAIL_ADDRESS = re.compile(r"[^\s,@*?!]+@[^\s,@*?!]+")
_BLANKS = " \t\r"
_OPTIONS = ("cert-authority", "namespaces", "valid-after", "valid-before")
_TIME = re.compile(r"(\d{8})(\d{4})?(\d{2})?(Z)?")


@dataclass(frozen=True)
class ValidityTime:
    """When a key becomes valid or ends. Without `zoned` it is in the time zone of the machine that verifies."""

    moment: datetime
    zoned: bool


@dataclass(frozen=True)
class AllowedSigner:
    """One line: who (`principals`), with which key, for which namespaces and when.

    `options` holds two offsets in the line: equal where it has no options, at the beginning of the key. `valid_before_span` is
    the place of that option.
    """

    line: int
    principals: tuple[str, ...]
    fingerprint: str
    key_type: str
    options: tuple[int, int]
    namespaces: tuple[str, ...] | None = None
    valid_after: ValidityTime | None = None
    valid_before: ValidityTime | None = None
    cert_authority: bool = False
    valid_before_span: tuple[int, int] | None = None

    @property
    def signs_tags(self) -> bool:
        """Whether git's signatures by this key can count."""
        return self.namespaces is None or _matches_pattern_list(TAG_NAMESPACE, self.namespaces)

    def is_expired(self, now: datetime) -> bool:
        """Return whether the key is no longer valid."""
        return self.valid_before is not None and now > self.valid_before.moment

    @property
    def has_plain_addresses(self) -> bool:
        """Whether each principal is an e-mail address without patterns: only then does an approval of the signer count."""
        return all(map(EMAIL_ADDRESS.fullmatch, self.principals))


@dataclass(frozen=True)
class AllowedSigners:
    """The lines that ssh-keygen can read, and a finding for each that it cannot."""

    signers: tuple[AllowedSigner, ...]
    findings: tuple[Diagnostic, ...]


def read_allowed_signers(content: bytes, path: str) -> AllowedSigners:
    """Return the signers of a file with this content, and a finding at each place that is wrong; `path` is for the findings."""
    if len(content) > MAX_SIGNERS_BYTES:
        message = f"the file of allowed signers has more than {MAX_SIGNERS_BYTES:,} bytes"
        help = "write one line for each key, and nothing else"
        return AllowedSigners((), (Diagnostic("signers-invalid", message, Location(path), help),))
    signers: list[AllowedSigner] = []
    findings: list[Diagnostic] = []
    secret = False
    for number, raw in enumerate(content.split(b"\n"), 1):
        line = raw.decode("utf-8", "replace")
        if secret:
            secret = not ends_private_key(raw)
            continue
        if is_private_key(raw):
            findings.append(_private_key_finding(path, number))
            secret = "BEGIN" in line.upper() or "PUTTY" in line.upper()
            continue
        if not line.strip(_BLANKS) or line.lstrip(_BLANKS).startswith("#"):
            continue
        try:
            signers.append(_read_line(line, number))
        except _LineFault as fault:
            findings.append(fault.diagnostic(path, number))
    return AllowedSigners(tuple(signers), tuple(findings))


class _LineFault(Exception):
    """What is wrong in a line, and where (an offset). `shown` is the part of the line that can be shown: no key is in it."""

    def __init__(self, message: str, at: int, help: str, *, length: int = 1, shown: str | None = None) -> None:
        super().__init__(message)
        self.at, self.help, self.length, self.shown = at, help, length, shown

    def diagnostic(self, path: str, number: int) -> Diagnostic:
        where = Location(path, number, self.at + 1, max(self.length, 1), self.shown)
        return Diagnostic("signers-invalid", str(self), where, self.help)


_PRINCIPALS_HELP = "separate principals with a comma and nothing else: ada@example.org,ada@work.example"
_OPTIONS_HELP = 'separate options with a comma and without blanks: namespaces="git",valid-before="20270101Z"'
_FORM = 'a line is: ada@example.org[,ADDRESS...] [namespaces="git"[,valid-before="20270101Z"]] ssh-ed25519 AAAA... [COMMENT]'


def _read_line(line: str, number: int) -> AllowedSigner:
    if (bad := next((at for at, one in enumerate(line) if one in "\0\ufeff\ufffd"), None)) is not None:
        names = {"\0": "a NUL byte", "\ufeff": "a byte order mark", "\ufffd": "a character that is not UTF-8"}
        raise _LineFault(f"the line has {names[line[bad]]}", bad, "save the file as UTF-8 without a byte order mark")
    start = len(line) - len(line.lstrip(_BLANKS))
    principals, rest = _read_principals(line, start)
    at = rest
    options = (at, at)
    if not is_key_type(_word(line, at)):
        end = _end_of_options(line, at)
        options = (at, end)
        at = _skip_blanks(line, end)
    parsed = _read_options(line, *options)
    fingerprint, key_type = _read_key(line, at, options)
    return replace(parsed, line=number, principals=principals, fingerprint=fingerprint, key_type=key_type)


def _read_principals(line: str, start: int) -> tuple[tuple[str, ...], int]:
    """Return the principals, and the offset of what follows them."""
    if line[start] == '"':
        end = line.find('"', start + 1)
        if end < 0:
            raise _LineFault("the quote around the principals does not end", start, 'close it with `"`', shown='"...')
        text, first, after = line[start + 1 : end], start + 1, end + 1
    else:
        text, first = _word(line, start), start
        after = start + len(text)
    if is_key_type(text):
        raise _LineFault(
            "the line begins with a key, and does not say whose key it is",
            start,
            f"write the address of the signer before it: ada@example.org {text} ...",
            length=len(text),
            shown=f"{text} ...",
        )
    shown = line[:after]
    if len(text) > 1000 or re.fullmatch(r"[A-Za-z0-9+/=-]{40,}", text):
        raise _LineFault("the line does not begin with the address of a signer", start, _FORM)
    rest = _skip_blanks(line, after)
    at = first
    for name in text.split(","):
        if name != name.strip() or not name:
            what = "a blank beside a comma: the blank would be part of the name" if name.strip() else "an empty name"
            raise _LineFault(
                f"the list of principals has {what}",
                at,
                _PRINCIPALS_HELP,
                length=len(name),
                shown=shown,
            )
        at += len(name) + 1
    if not line[rest:].strip(_BLANKS):
        raise _LineFault("the line has no key", after, _FORM, shown=shown)
    return tuple(text.split(",")), rest


def _end_of_options(line: str, start: int) -> int:
    """Return the offset after the options, which end at a blank outside of quotes."""
    at, quoted = start, False
    while at < len(line) and (quoted or line[at] not in _BLANKS):
        if line.startswith('\\"', at):
            at += 1
        elif line[at] == '"':
            quoted = not quoted
        at += 1
    if quoted:
        opening = line.rfind("=", start) + 1 or start
        raise _LineFault("a quote in the options does not end", opening, 'close it with `"`', shown=line[: opening + 1])
    return at


def _read_options(line: str, start: int, end: int) -> AllowedSigner:
    """Return a signer that has only its options."""
    found = AllowedSigner(0, (), "", "", (start, end))
    seen: set[str] = set()
    at = start
    while at < end:
        name = re.match(r"[^=,\s\"]*", line[at:end])
        word = name[0] if name else ""
        option = word.lower()
        shown = _without_keys(line[:end])
        if option not in _OPTIONS:
            raise _unknown_option_fault(line, at, word, shown)
        if option in seen:
            raise _LineFault(
                f"the option '{option}' stands twice", at, "keep one of the two", length=len(word), shown=shown
            )
        seen.add(option)
        value_at = at + len(word) + 1
        if option == "cert-authority":
            found, at = replace(found, cert_authority=True), value_at - 1
        else:
            name_at = at
            text, at = _read_quoted(line, value_at, end, word, shown)
            found = _with_option(found, option, text, (value_at, at), shown)
            if option == "valid-before":
                found = replace(found, valid_before_span=(name_at, at))
        if at < end:
            if line[at] != ",":
                raise _LineFault(
                    f"after the option '{option}' a comma is missing",
                    at,
                    _OPTIONS_HELP,
                    shown=shown,
                )
            at += 1
            if at == end:
                raise _LineFault(
                    "the options end with a comma",
                    at - 1,
                    "options stand without blanks between them: delete the comma, or the blank after it",
                    shown=shown,
                )
    if found.valid_after and found.valid_before and found.valid_before.moment <= found.valid_after.moment:
        raise _LineFault(
            "'valid-before' is not later than 'valid-after': the key is never valid",
            start,
            "write a later time for valid-before",
            length=end - start,
            shown=_without_keys(line[:end]),
        )
    return found


def _unknown_option_fault(line: str, at: int, word: str, shown: str) -> _LineFault:
    before = line[:at].rstrip(_BLANKS)
    if before.endswith(",") or line[at] == ",":
        message = "after the comma between two principals there is a blank: what follows it is taken for an option"
        return _LineFault(message, at, _PRINCIPALS_HELP, shown=shown)
    if "@" in word:
        message = "the principals have a blank in them: what follows it is taken for an option"
        return _LineFault(message, at, _PRINCIPALS_HELP, length=len(word), shown=shown)
    if len(word) > 40:
        return _LineFault("the line has neither an option nor a key after the principals", at, _FORM)
    return _LineFault(
        f"{quote(word)} is neither an option nor the type of a key",
        at,
        suggest(word, (*_OPTIONS, *KEY_TYPES), otherwise="it is one of") or _FORM,
        length=len(word),
        shown=shown,
    )


def _read_quoted(line: str, at: int, end: int, word: str, shown: str) -> tuple[str, int]:
    if line[at - 1 : at] != "=" or line[at : at + 1] != '"':
        raise _LineFault(
            f"the value of the option '{word.lower()}' must stand in double quotes",
            at - 1,
            f'write {word.lower()}="..."',
            shown=shown,
        )
    text, at = "", at + 1
    while at < end and line[at] != '"':
        if line.startswith('\\"', at):
            at += 1
        text += line[at]
        at += 1
    return text, at + 1


def _with_option(found: AllowedSigner, option: str, text: str, span: tuple[int, int], shown: str) -> AllowedSigner:
    if option == "namespaces":
        return replace(found, namespaces=tuple(text.split(",")))
    time = parse_validity_time(text)
    if time is None:
        raise _LineFault(
            f"{quote(text)} is not a time of 'valid-after' and 'valid-before'",
            span[0],
            "write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z after it for UTC: 20270101Z",
            length=span[1] - span[0],
            shown=shown,
        )
    return replace(found, valid_after=time) if option == "valid-after" else replace(found, valid_before=time)


def parse_validity_time(text: str) -> ValidityTime | None:
    """Return a time as `valid-before` has it: YYYYMMDD[HHMM[SS]][Z]; None for another text, or a day that there is not."""
    match = _TIME.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        return None
    digits = f"{match[1]}{match[2] or '0000'}{match[3] or '00'}"
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone follows
        return ValidityTime(moment.replace(tzinfo=UTC) if match[4] else moment.astimezone(UTC), bool(match[4]))
    except (ValueError, OverflowError, OSError):
        return None


def format_validity_time(moment: datetime) -> str:
    """Return a time as `valid-before` has it, in UTC: a time without a zone means another moment on another machine."""
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%S}Z"


def _read_key(line: str, at: int, options: tuple[int, int]) -> tuple[str, str]:
    """Return the fingerprint and the type of the key at an offset."""
    kind = _word(line, at)
    before = _without_keys(line[:at])
    if not kind:
        raise _LineFault("the line has no key", options[1], _FORM, shown=before)
    if not is_key_type(kind):
        option = re.match(r"[A-Za-z-]+", kind)
        if option and option[0].lower() in _OPTIONS:
            raise _LineFault(
                f"there is a blank before the option '{option[0].lower()}', where options end",
                options[1],
                _OPTIONS_HELP,
                shown=_without_keys(line[: at + len(option[0])]),
            )
        safe = len(kind) <= 40
        raise _LineFault(
            f"{quote(kind)} is not the type of a key" if safe else "the type of the key is missing",
            at,
            suggest(kind, KEY_TYPES, otherwise="it is one of") or _FORM if safe else _FORM,
            length=len(kind) if safe else 1,
            shown=f"{before}{kind if safe else '...'}",
        )
    shown = f"{before}{kind} ..."
    text_at = _skip_blanks(line, at + len(kind))
    text = _word(line, text_at)
    if not text:
        raise _LineFault("the key is missing after its type", text_at, _FORM, shown=shown)
    try:
        return key_fingerprint(kind, text), kind
    except WrongKeyType as fault:
        raise _LineFault(
            str(fault),
            at,
            "copy the line of the .pub file again: type and key belong together",
            length=len(kind),
            shown=shown,
        ) from None
    except ValueError as fault:
        raise _LineFault(
            str(fault), text_at, "copy the line of the .pub file again, as one line", shown=shown
        ) from None


def _private_key_finding(path: str, number: int) -> Diagnostic:
    return Diagnostic(
        "signers-private-key",
        "this is a private key: the file of allowed signers is public, and needs the public key only",
        Location(path, number, 1),
        "replace the key: make a new one (ssh-keygen -t ed25519), and write the line of its .pub file here. If the file was"
        " committed or pushed, everyone who can read the repository has the private key",
    )


def _matches_pattern_list(text: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a pattern matches and none that begins with `!` does (ssh_config(5), PATTERNS)."""

    def matches(pattern: str) -> bool:
        return fnmatchcase(text, pattern.replace("[", "[[]"))

    if any(one.startswith("!") and matches(one[1:]) for one in patterns):
        return False
    return any(matches(one) for one in patterns if not one.startswith("!"))


def _word(line: str, at: int) -> str:
    match = re.match(r"[^ \t\r]*", line[at:])
    return match[0] if match else ""


def _skip_blanks(line: str, at: int) -> int:
    return at + len(line[at:]) - len(line[at:].lstrip(_BLANKS))


def _without_keys(text: str) -> str:
    """Return the text with everything that could be part of a key left out."""
    return re.sub(r"[A-Za-z0-9+/=]{40,}", "...", text)
