"""Ed25519 signatures in OpenSSH's format, verified in this process: to start the programs costs a hundred times the check itself.

Only what is certainly good is answered. Everything else is left to git and ssh-keygen: other types of keys, certificates, patterns,
dates near the end of a key, and every signature that is not good. So this module can accept nothing that they would refuse.
The formats are those of OpenSSH's PROTOCOL.sshsig and of ALLOWED SIGNERS in ssh-keygen(1).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

_MAGIC = b"SSHSIG"
_ED25519 = b"ssh-ed25519"
_HASHES = (b"sha256", b"sha512")
_NEAR = timedelta(days=2)  # a date without a time zone is in that of the machine
_TAGGER = re.compile(rb"^tagger [^\n]*> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_LINE = re.compile(
    r'(?P<principals>"[^"\s]+"|[^"\s]+)[ \t]+(?:(?P<options>\S*[="]\S*)[ \t]+)?(?P<type>[a-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/=]+)(?:[ \t].*)?'
)
_OPTION = re.compile(
    r'(?:namespaces="(?P<namespaces>[^"]*)"|(?P<bound>valid-(?:after|before))="?(?P<date>[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?)Z?"?)(?:,|$)'
)


@dataclass(frozen=True)
class AllowedKey:
    """What the first line of a key allows: whose it is, and from when to when it certainly counts."""

    principals: tuple[str, ...]
    after: datetime | None = None
    before: datetime | None = None


def read_allowed_keys(signers: bytes) -> dict[bytes, AllowedKey]:
    """Return the Ed25519 keys that certainly count for tags, by their binary form.

    A key whose first line is not plain is left out, and so is all that follows a line that OpenSSH might stop at.
    """
    found: dict[bytes, AllowedKey | None] = {}
    for line in signers.decode("utf-8", "replace").split("\n"):
        text = line.strip(" \t\r")
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        try:
            load_ssh_public_key(f"{match['type']} {match['key']}".encode() if match else b"")
            blob = base64.b64decode(match["key"] if match else "", validate=True)
        except (ValueError, UnsupportedAlgorithm):
            break
        if match and blob not in found:
            found[blob] = _read_options(match["principals"], match["options"] or "")
    return {blob: one for blob, one in found.items() if one is not None}


def _read_options(principals: str, options: str) -> AllowedKey | None:
    names = tuple(principals.strip('"').split(","))
    if "" in names or any(set(name) & set('*?!"') for name in names):
        return None
    bounds: dict[str, datetime] = {}
    at = 0
    while at < len(options):
        option = _OPTION.match(options, at)
        if option is None or (option["namespaces"] is not None and "git" not in option["namespaces"].split(",")):
            return None
        if option["namespaces"] is not None and set(option["namespaces"]) & set("*?! "):
            return None
        if option["bound"]:
            if option["bound"] in bounds:
                return None
            try:
                date = datetime.strptime(option["date"].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
                bounds[option["bound"]] = date + (_NEAR if option["bound"] == "valid-after" else -_NEAR)
            except (ValueError, OverflowError):
                return None
        at = option.end()
    return AllowedKey(names, bounds.get("valid-after"), bounds.get("valid-before"))


def find_certain_signer(payload: bytes, block: bytes, allowed: Mapping[bytes, AllowedKey]) -> tuple[str, str] | None:
    """Return principal and fingerprint of the allowed key that signed a tag; None where that is not certain.

    `payload` is the tag object without its signature, and `block` the armoured signature.
    """
    try:
        blob = base64.b64decode(b"".join(block.strip().split(b"\n")[1:-1]), validate=True)
        if blob[:6] != _MAGIC or blob[6:10] != b"\0\0\0\1":
            return None
        key, namespace, reserved, algorithm, signature = _strings(blob[10:])
        (kind, raw), (signature_kind, signed) = _strings(key), _strings(signature)
    except ValueError:  # not base64, or not this format
        return None
    one = allowed.get(key)
    if one is None or namespace != b"git" or algorithm not in _HASHES or {kind, signature_kind} != {_ED25519}:
        return None
    if not _is_certainly_valid(one, payload):
        return None
    digest = hashlib.new(algorithm.decode(), payload).digest()
    said = _MAGIC + b"".join(len(part).to_bytes(4, "big") + part for part in (namespace, reserved, algorithm, digest))
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signed, said)
    except (InvalidSignature, ValueError):
        return None
    return one.principals[0], f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"


def _is_certainly_valid(one: AllowedKey, payload: bytes) -> bool:
    if one.after is None and one.before is None:
        return True
    tagger = _TAGGER.search(payload.partition(b"\n\n")[0])
    if tagger is None:
        return False
    try:
        made = datetime.fromtimestamp(int(tagger[1]), UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return (one.after is None or one.after <= made) and (one.before is None or made <= one.before)


def _strings(blob: bytes) -> tuple[bytes, ...]:
    """Return the length-prefixed strings that a blob consists of; raises ValueError for another blob."""
    found, at = [], 0
    while at < len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4], "big")
        if end > len(blob) or at + 4 > len(blob):
            raise ValueError("a string is cut off")
        found.append(blob[at + 4 : end])
        at = end
    return tuple(found)
