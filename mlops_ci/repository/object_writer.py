"""Writes objects, which nobody sees before a ref names them. Neither the index nor the work tree is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_ci.core.leftovers import scratch_folder
from mlops_ci.repository.git_command import git_error
from mlops_ci.repository.git_values import ObjectFormat, Person, zero_oid
from mlops_ci.repository.object_reader import ObjectReader

_BUNDLE_HEAD_BYTES = 4096  # capabilities are the first lines of a bundle
_OWN_FAULT = re.compile(
    r"No space left|Permission denied|Read-only file system|Input/output error|unable to (write|create)"
)


def bundle_object_format(file: Path) -> ObjectFormat:
    """Return the format of the objects in a bundle, as its header says; SHA-1 for a file that is none or cannot be read.

    Only a repository of the same format can take them. Source: gitformat-bundle(5).
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_BUNDLE_HEAD_BYTES).partition(b"\n\n")[0]
    except OSError:
        return "sha1"
    return "sha256" if b"@object-format=sha256" in head.split(b"\n") else "sha1"


class ObjectWriter(ObjectReader):
    """What builds objects, and carries them in files."""

    def write_blobs(self, contents: Mapping[str, bytes | Path]) -> dict[str, str]:
        """Store blobs by one process, and return their ids by the same names; a path is read by git itself, byte for byte."""
        if not contents:
            return {}
        with scratch_folder("blobs") as scratch:
            files = []
            for number, content in enumerate(contents.values()):
                file = scratch / str(number)
                if isinstance(content, Path) and "\n" not in str(content):
                    file = content.absolute()
                elif isinstance(content, Path):
                    file.symlink_to(content.absolute())
                else:
                    file.write_bytes(content)
                files.append(f"{file}\n")
            stdin = "".join(files).encode("utf-8", "surrogateescape")
            oids = self.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=stdin).text.split()
        return dict(zip(contents, oids, strict=True))

    def write_blob(self, content: bytes | Path) -> str:
        """Store a blob and return its id."""
        return self.write_blobs({"": content})[""]

    def write_tree(self, files: Mapping[str, str], *, base: str | None = None, folder: str = "") -> str:
        """Store a tree of path to blob id, on top of `base` when given, where it replaces everything below `folder`."""
        if base is None and not any("/" in path for path in files):
            entries = "".join(f"100644 blob {oid}\t{path}\0" for path, oid in files.items())
            return self.run("mktree", "-z", stdin=entries.encode()).text
        with scratch_folder("index") as scratch:
            env = {"GIT_INDEX_FILE": str(scratch / "index")}
            gone: Mapping[str, str] = {}
            if base is not None:
                self.run("read-tree", base, env=env)
                gone = self.list_files(base, folder) if folder else {}
            prefix = f"{folder.rstrip('/')}/" if folder else ""
            lines = [f"0 {zero_oid(oid)}\t{prefix}{path}" for path, oid in gone.items()]
            lines += [f"100644 {oid}\t{prefix}{path}" for path, oid in files.items()]
            info = "".join(f"{line}\0" for line in lines).encode()
            self.run("update-index", "-z", "--index-info", stdin=info, env=env)
            return self.run("write-tree", env=env).text

    def write_commit(self, tree: str, parents: Sequence[str], message: str, person: Person, seconds: int) -> str:
        """Store a commit and return its id."""
        stamp = f"@{seconds} +0000"
        env = {
            "GIT_AUTHOR_NAME": person.name, "GIT_AUTHOR_EMAIL": person.email, "GIT_AUTHOR_DATE": stamp,
            "GIT_COMMITTER_NAME": person.name, "GIT_COMMITTER_EMAIL": person.email, "GIT_COMMITTER_DATE": stamp,
        }  # fmt: skip
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.run("commit-tree", tree, *flags, stdin=message.encode(), env=env).text

    def store_tag(self, content: bytes) -> str:
        """Store a whole tag object, which may be signed, and return its id; no ref is made."""
        return self.run("mktag", stdin=content).text

    def write_bundle(self, file: Path, refs: Sequence[str]) -> None:
        """Write refs, with all that they lead to, into a file that another repository can take them from."""
        self.run("bundle", "create", "--quiet", str(file), *refs)

    def unbundle(self, file: Path) -> dict[str, str] | None:
        """Take the objects of a bundle, and return what it says that its refs name; None for a file that is none.

        Nothing is made reachable by it, and no ref of this repository changes. Raises EnvironmentProblem `git-failed` where
        it is this repository that cannot take them.
        """
        answer = self.run("bundle", "unbundle", str(file), check=False)
        if answer.status != 0:
            if _OWN_FAULT.search(answer.err):
                raise git_error(("bundle",), answer)
            return None
        return {name: oid for oid, name in (line.split(" ", 1) for line in answer.text.splitlines() if " " in line)}
