"""Git objects written as packs, a hundred thousand at a time: no process for each, and every id known at once."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from dataclasses import dataclass, field
from pathlib import Path

_TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_OBJECTS_A_PACK = 200_000


@dataclass
class Packer:
    """Objects for a repository. `flush` hands them to git, which checks each while it indexes them."""

    git_dir: Path
    _packed: list[bytes] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def add(self, kind: str, content: bytes) -> str:
        """Keep an object and return its id."""
        oid = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()
        if oid not in self._known:
            self._known.add(oid)
            self._packed.append(_head(_TYPES[kind], len(content)) + zlib.compress(content, 1))
            if len(self._packed) >= _OBJECTS_A_PACK:
                self.flush()
        return oid

    def commit(self, tree: str, parents: tuple[str, ...], message: str, who: str, seconds: int) -> str:
        """Keep a commit and return its id."""
        stamp = f"{who} {seconds} +0000"
        lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents), f"author {stamp}", f"committer {stamp}"]
        return self.add("commit", ("\n".join(lines) + f"\n\n{message}").encode())

    def flush(self) -> None:
        """Write what was kept into the repository."""
        if not self._packed:
            return
        head = b"PACK" + (2).to_bytes(4, "big") + len(self._packed).to_bytes(4, "big")
        body = b"".join([head, *self._packed])
        pack = body + hashlib.sha1(body, usedforsecurity=False).digest()
        subprocess.run(["git", "index-pack", "--stdin"], cwd=self.git_dir, input=pack, check=True, capture_output=True)
        self._packed.clear()


@dataclass
class Folders:
    """A tree that changes from commit to commit; only the folders on the way to a change are written again."""

    packer: Packer
    _entries: dict[str, dict[str, tuple[str, str]]] = field(default_factory=lambda: {"": {}})

    def write(self, files: dict[str, str], gone: str | None = None) -> str:
        """Put blobs at their paths, in place of the folder `gone` if there is one, and return the root's id."""
        dirty = {""}
        if gone is not None:
            for folder in [name for name in self._entries if name == gone or name.startswith(f"{gone}/")]:
                del self._entries[folder]
            parent, _, name = gone.rpartition("/")
            self._entries.get(parent, {}).pop(name, None)
            dirty.add(parent)
        for path, oid in files.items():
            folder, _, name = path.rpartition("/")
            self._entries.setdefault(folder, {})[name] = ("100644", oid)
            dirty.add(folder)
        for folder in tuple(dirty):
            while folder:
                folder = folder.rpartition("/")[0]
                dirty.add(folder)
        for folder in sorted(dirty - {""}, key=lambda path: -path.count("/")):
            parent, _, name = folder.rpartition("/")
            if self._entries.get(folder):
                self._entries.setdefault(parent, {})[name] = ("40000", tree(self.packer, self._entries[folder]))
            else:
                self._entries.get(parent, {}).pop(name, None)
        return tree(self.packer, self._entries[""])


def tree(packer: Packer, entries: dict[str, tuple[str, str]]) -> str:
    """Keep a tree of name to mode and id, and return its id."""
    ordered = sorted(entries.items(), key=lambda item: item[0] + ("/" if item[1][0] == "40000" else ""))
    return packer.add(
        "tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for name, (mode, oid) in ordered)
    )


def _head(kind: int, size: int) -> bytes:
    """Return a pack entry's header: the type in bits 4 to 6 of the first byte, the size 4 and then 7 bits at a time."""
    byte, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 128)
        byte, size = size & 127, size >> 7
    out.append(byte)
    return bytes(out)
