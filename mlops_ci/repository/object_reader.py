"""Objects of this clone: blobs, trees and commits by id or by `commit:path`, many of them by one process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.git_command import GitFolder, git_error
from mlops_ci.repository.git_values import GitResult, ObjectInfo, parse_contents, parse_object_info

_CONSTANT_NAME = re.compile("[0-9a-f]{40,64}:")  # a file of a commit by its id: specs, that several ask for


class ObjectReader(GitFolder):
    """A repository's objects. What is not there is None; what is there and cannot be read is EnvironmentProblem `git-failed`."""

    def list_files(self, treeish: str, folder: str = "") -> dict[str, str]:
        """Return every file below a folder of a commit or tree: path (relative to the folder) to blob id.

        No files where there is no such folder. Raises EnvironmentProblem `git-failed` where there is no such tree.
        """
        return {path: oid for path, (_, oid) in self.list_entries(treeish, folder).items()}

    def list_entries(self, treeish: str, folder: str = "") -> dict[str, tuple[str, str]]:
        """Return mode and object id of what `list_files` returns: links have the mode 120000, and submodules 160000."""
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        answer = self.run(
            "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", treeish, *([prefix] if prefix else [])
        )
        entries = (entry.split("\t", 1) for entry in answer.out.decode("utf-8", "replace").split("\0") if entry)
        found = ((path, meta.split()) for meta, path in entries)
        return {path.removeprefix(prefix): (mode, oid) for path, (mode, _, oid, *_) in found}

    def read_blob(self, name: str) -> bytes | None:
        """Return a blob by id or `commit:path`, or None when it is not there, or is no blob."""
        if not _CONSTANT_NAME.match(name):
            return self._read_blob(name)
        return self.recall(f"file {name}", lambda: self._read_blob(name))

    def _read_blob(self, name: str) -> bytes | None:
        answer = self._ask("--batch", [name], or_corrupt=False)
        if answer.out.split(b"\n", 1)[0].rsplit(b" ", 2)[1:2] != [b"blob"]:
            return None
        return next(parse_contents(answer.out))

    def read_objects(self, names: Sequence[str], *, or_corrupt: bool = False) -> Iterator[bytes | None]:
        """Yield each object's content, in the order asked for, from as few processes as can be; None for one that is not there.

        `names` are object ids or `commit:path` without newlines. A corrupt object, at which git gives up, raises
        EnvironmentProblem `git-failed`; with `or_corrupt` it is None too, for who reports on damage.
        """
        rest = list(names)
        while rest:
            answer = self._ask("--batch", rest, or_corrupt=or_corrupt)
            read = 0
            for content in parse_contents(answer.out):
                yield content
                read += 1
            rest = rest[read:]
            if rest:  # git died of the next one
                if not or_corrupt:
                    raise git_error(("cat-file",), answer)
                yield None
                rest = rest[1:]

    def read_object_infos(self, names: Sequence[str], *, or_corrupt: bool = False) -> tuple[ObjectInfo | None, ...]:
        """Return what each name stands for, by one process, in the order asked for; None for one that is not there.

        `names` and `or_corrupt` are as those of `read_objects`.
        """
        found: list[ObjectInfo | None] = []
        while len(found) < len(names):
            answer = self._ask("--batch-check", names[len(found) :], or_corrupt=or_corrupt)
            lines = answer.out.decode("utf-8", "replace").split("\n")[:-1]
            found += (
                [parse_object_info(line) for line in lines]
                if answer.status == 0
                else [*map(parse_object_info, lines), None]
            )
        return tuple(found)

    def object_type(self, name: str) -> str | None:
        """Return the type of an object (`blob`, `tree`, `commit`, `tag`), or None when there is none of that name."""
        (found,) = self.read_object_infos([name])
        return found.type if found is not None else None

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return a commit's parents, as the commit names them: a shallow clone need not have them."""
        head = self.run("cat-file", "commit", commit).text.partition("\n\n")[0]
        return tuple(line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent "))

    def _ask(self, how: str, names: Sequence[str], *, or_corrupt: bool) -> GitResult:
        answer = self.run("cat-file", how, stdin=_batch_input(names), check=not or_corrupt)
        if "error:" in answer.err and not or_corrupt:  # an object whose header is damaged is called missing
            raise git_error(("cat-file",), answer)
        return answer


def _batch_input(names: Sequence[str]) -> bytes:
    if any("\n" in name for name in names):
        raise EnvironmentProblem.of(
            "git-failed",
            "git cat-file cannot be asked for a path with a line break",
            help="rename the file: git ls-files -z shows it",
        )
    return "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
