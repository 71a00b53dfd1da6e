"""Refs as git lists them: one value each, read while git is still writing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LATEST_DATE = 253_402_300_799  # the last second of the year 9999: a tag may claim any date
# the header of a tag object; the oldest tags have no tagger
_TAG_HEADER = re.compile(
    r"object ([0-9a-f]+)\ntype \w+\ntag [^\n]*\n(?:tagger ([^\n<]*?) ?<([^\n]*)> ?(?:([0-9]{1,18}) [+-][0-9]+)?\n)?"
)


class MissingObject(Exception):
    """A ref names an object that is not here."""


class Ref(NamedTuple):
    """A ref and the object it names; `peeled` is what an annotated tag points at, whether it is here or not. `date` is in seconds since 1970.

    A tuple, because registries list a hundred thousand of them.
    """

    name: str
    oid: str
    type: str
    peeled: str | None
    tagger: str
    date: int
    contents: str
    address: str = ""  # the tagger's e-mail address


def parse_refs(chunks: Iterable[bytes]) -> Iterator[Ref]:
    """Yield the refs of a listing (`listing.READ`), each as soon as it is whole; raises MissingObject."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        at = 0
        while (end := rest.find(b"\n", at)) >= 0:
            kind, size, *named = rest[at:end].split(b" ")
            if not named:
                raise MissingObject(kind.decode())
            stop = end + 1 + int(size)
            if stop >= len(rest):  # a newline follows
                break
            oid, name = named
            yield _parse_ref(name.decode("utf-8", "replace"), oid.decode(), kind.decode(), rest[end + 1 : stop])
            at = stop + 1
        rest = rest[at:]


def _parse_ref(name: str, oid: str, kind: str, content: bytes) -> Ref:
    text = content.decode("utf-8", "replace")
    contents = text[text.find("\n\n") + 2 :] if kind in ("tag", "commit") else ""
    header = _TAG_HEADER.match(text) if kind == "tag" else None
    peeled, tagger, address, date = header.groups() if header else (None, None, None, None)
    moment = min(int(date or 0), LATEST_DATE)
    return Ref(name, oid, kind, peeled, tagger or "", moment, contents, address or "")
