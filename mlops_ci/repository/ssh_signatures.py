"""Ed25519 signatures in OpenSSH's format, verified in this process: to start the programs costs a hundred times the check itself.

Only what is certainly good is answered. Everything else is left to git and ssh-keygen: other types of keys, certificates, patterns,
dates near the end of a key, and every signature that is not good. So this module can accept nothing that they would refuse.
The formats are those of OpenSSH's PROTOCOL.sshsig and of ALLOWED SIGNERS in ssh-keygen(1).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mlops_ci.spec.allowed_signers import read_allowed_signers

_MAGIC = b"SSHSIG"
_ED25519 = b"ssh-ed25519"
_HASHES = (b"sha256", b"sha512")
_NEAR = timedelta(days=2)  # a date without a time zone is in that of the machine
_TAGGER = re.compile(rb"^tagger [^\n]*> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)


@dataclass(frozen=True)
class AllowedKey:
    """What the only line of a key allows: whose it is, and from when to when it counts."""

    principals: tuple[str, ...]
    after: datetime | None = None
    before: datetime | None = None


def read_allowed_keys(signers: bytes) -> dict[str, AllowedKey]:
    """Return the Ed25519 keys that certainly count for tags, by their fingerprint.

    A file with a line that ssh-keygen may read in another way says nothing certain; nor does a key with several lines, patterns or an
    authority.
    """
    read = read_allowed_signers(signers, "")
    if any(one.severity == "error" for one in read.findings):
        return {}
    lines = Counter(one.fingerprint for one in read.signers)
    found = {}
    for one in read.signers:
        names = (*one.principals, *(one.namespaces or ()))
        is_plain = all(name and not set(name) & set('*?!"') for name in names)
        if is_plain and one.signs_tags and not one.cert_authority and lines[one.fingerprint] == 1:
            after = one.valid_after.moment if one.valid_after else None
            before = one.valid_before.moment if one.valid_before else None
            found[one.fingerprint] = AllowedKey(one.principals, after, before)
    return found


def find_certain_signer(payload: bytes, block: bytes, allowed: Mapping[str, AllowedKey]) -> tuple[str, str] | None:
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
    fingerprint = f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"
    one = allowed.get(fingerprint)
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
    return one.principals[0], fingerprint


def _is_certainly_valid(one: AllowedKey, payload: bytes) -> bool:
    if one.after is None and one.before is None:
        return True
    tagger = _TAGGER.search(payload.partition(b"\n\n")[0])
    if tagger is None:
        return False
    try:
        made = datetime.fromtimestamp(int(tagger[1]), UTC)
        is_begun = one.after is None or one.after <= made - _NEAR
        return is_begun and (one.before is None or made + _NEAR <= one.before)
    except (ValueError, OverflowError, OSError):
        return False


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
