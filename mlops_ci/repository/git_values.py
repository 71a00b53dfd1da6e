"""What git is told and what it answers, as values and as the text that its plumbing reads and writes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

ZERO_OID = "0" * 40  # "no object" in a RefUpdate: git itself is never given it, because ids may have 64 digits
PLAIN_FILE = "100644"  # git's mode of a file that is neither executable nor a link
_SHA256_DIGITS = 64
ObjectFormat = Literal["sha1", "sha256"]


@dataclass(frozen=True)
class GitResult:
    """What a git command said; `out` is bytes, since trees and blobs need not be text."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """The output as text, without the last newline."""
        return self.out.decode("utf-8", "replace").rstrip("\n")


class ObjectInfo(NamedTuple):
    """An object without its content; `size` is in bytes."""

    oid: str
    type: str
    size: int


class PathChange(NamedTuple):
    """A path of the repository whose content is another one than before; bytes that are no UTF-8 are surrogates in it.

    `old` is the blob that it was, None where it was no file. `whole`: it is, or was, a link or a submodule, so that everything
    below it may be another one.
    """

    path: str
    how: Literal["added", "changed", "deleted"]
    old_oid: str | None = None
    is_link_or_submodule: bool = False


class LogCommit(NamedTuple):
    """A commit as a chain of them is walked."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    message: str


class IndexEntry(NamedTuple):
    """A path of the index: its mode (100644, 120000, ...), and the object that it names."""

    mode: str
    oid: str


@dataclass(frozen=True)
class Person:
    """Who a commit or tag is by."""

    name: str
    email: str

    def identity_line(self, seconds: int) -> str:
        """Return the identity line of a git object, in UTC."""
        return f"{self.name} <{self.email}> {seconds} +0000"


@dataclass(frozen=True)
class RefUpdate:
    """A ref to move from `old` (ZERO: it must not exist, None: wherever it is) to `new` (ZERO: it goes)."""

    ref: str
    new: str
    old: str | None


@dataclass(frozen=True)
class FetchResult:
    """How a fetch ended. `absent`: the remote has no such ref; `rejected`: refs of these names moved here and there.

    `refused`: the remote answers, and not to us; `unreachable`: it does not answer.
    """

    state: Literal["done", "rejected", "absent", "refused", "unreachable"]
    detail: str = ""
    rejected_refs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoteRefs:
    """What a remote has, or why that is not known: `refused` and `unreachable` are as in FetchResult, and not "none"."""

    state: Literal["found", "absent", "refused", "unreachable"]
    oids: Mapping[str, str]
    detail: str = ""

    @property
    def name(self) -> str | None:
        """The only name, or the first."""
        return next(iter(self.oids), None)


@dataclass(frozen=True)
class PushResult:
    """How a push ended. `raced`: another write came first; `refused`: the remote says no, in the words of `detail`.

    `partial`: the refs of `arrived` are at the remote, and those of `missing` are not. `failed`: the remote was not reached,
    and has nothing. `unknown`: the remote was reached or not, and cannot be asked whether anything arrived.
    `is_branch_protected`: a rule of the branch refused it, so that a pull request may do.
    """

    state: Literal["done", "raced", "refused", "partial", "failed", "unknown"]
    detail: str
    arrived: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    is_branch_protected: bool = False


def zero_oid(like: str) -> str:
    """Return git's id of no object, as long as another id of the same repository: 40 digits, or 64 with SHA-256."""
    return "0" * len(like)


def tag_content(name: str, target: str, message: str, person: Person, seconds: int) -> bytes:
    """Return an annotated tag object on a commit, as git has it before it is signed."""
    head = f"object {target}\ntype commit\ntag {name}\ntagger {person.identity_line(seconds)}\n"
    return f"{head}\n{message.rstrip()}\n".encode()


def object_id(kind: str, content: bytes, digits: int) -> str:
    """Return the id of an object of this type and content; ids of 64 digits are SHA-256, all others SHA-1."""
    digest = hashlib.sha256 if digits == _SHA256_DIGITS else hashlib.sha1
    return digest(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()


class TreeEntry(NamedTuple):
    """An entry of a tree object."""

    mode: str
    name: str
    oid: str


def parse_tree(content: bytes, digits: int) -> Iterator[TreeEntry]:
    """Yield each entry of a tree object; what is no tree yields nothing more."""
    at = 0
    while (end := content.find(b"\0", at)) >= 0:
        mode, _, name = content[at:end].partition(b" ")
        at = end + 1 + digits // 2
        text = name.decode("utf-8", "replace")
        yield TreeEntry(mode.decode("ascii", "replace"), text, content[end + 1 : at].hex())


def parse_contents(out: bytes) -> Iterator[bytes | None]:
    """Take the output of `cat-file --batch` apart, as far as it is whole."""
    at = 0
    while (end := out.find(b"\n", at)) >= 0:
        header = out[at:end].rsplit(b" ", 2)
        if header[-1] in (b"missing", b"ambiguous"):
            yield None
            at = end + 1
            continue
        stop = end + 1 + int(header[-1])
        if stop >= len(out):
            return
        yield out[end + 1 : stop]
        at = stop + 1


def parse_changes(out: bytes) -> Iterator[PathChange]:
    """Take the output of `diff --raw -z --no-renames` apart; what is unmerged counts as changed."""
    fields = out.split(b"\0")
    for meta, path in zip(fields[::2], fields[1::2], strict=False):
        before, after, old, _, status = meta.decode("ascii").removeprefix(":").split()
        how: Literal["added", "changed", "deleted"] = (
            "added" if status == "A" else "deleted" if status == "D" else "changed"
        )
        blob = old if before in _FILE_MODES and old.strip("0") else None
        yield PathChange(os.fsdecode(path), how, blob, bool({before, after} & _LINK_MODES))


_FILE_MODES = ("100644", "100755")
_LINK_MODES = {"120000", "160000"}  # the modes of a link and of a submodule


def parse_object_info(line: str) -> ObjectInfo | None:
    """Return what a line of `cat-file --batch-check` says; None for an object that is not there."""
    oid, _, rest = line.partition(" ")
    kind, _, size = rest.partition(" ")
    return ObjectInfo(oid, kind, int(size)) if size.isdigit() and kind in ("blob", "tree", "commit", "tag") else None


def update_ref_command(update: RefUpdate) -> str:
    """Return the line of `git update-ref --stdin` that makes the move."""
    if update.new == ZERO_OID:
        return f"delete {update.ref} {update.old or ''}".rstrip()
    if update.old == ZERO_OID:
        return f"create {update.ref} {update.new}"
    return f"update {update.ref} {update.new} {update.old or ''}".rstrip()
