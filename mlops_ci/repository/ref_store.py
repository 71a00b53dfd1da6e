"""Refs of this clone: what they name, who has them, and how they move."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.repository import ref_listing
from mlops_ci.repository.git_command import GitFolder, git_error
from mlops_ci.repository.git_values import GitResult, RefUpdate, update_ref_command
from mlops_ci.repository.refs import MissingObject, Ref, parse_refs

_FULL_NAME = re.compile(r"(HEAD|refs/[^~^:?*\[\\\s]+)(\^\{commit\})?")
_BROKEN_REF = re.compile(r"ignoring broken ref|is corrupt|unable to (unpack|read|open)")
_REF_MOVED = re.compile(r"reference already exists|but expected|unable to resolve reference")
# what git says of revisions that name nothing, in forms that it takes apart itself
_NO_SUCH_REVISION = re.compile(
    r"does not exist in|exists on disk, but not in|log for .* only (goes back|has)|no such path"
)


class RefStore(GitFolder):
    """A repository's refs."""

    def head(self) -> str | None:
        """Return the commit that is checked out, or None before the first commit."""
        return self.resolve("HEAD")

    def current_branch(self) -> str | None:
        """Return the branch that is checked out, or None when HEAD is detached."""
        target = self.symbolic_target("HEAD")
        return target.removeprefix("refs/heads/") if target is not None else None

    def symbolic_target(self, ref: str) -> str | None:
        """Return the ref that a symbolic ref leads to; None where it is none, or is not there."""
        from mlops_ci.repository import gitpython  # queries should not wait for its import

        found = gitpython.read_symbolic_target(self, ref)
        if found is not None:
            return found
        answer = self.run("symbolic-ref", "--quiet", ref, check=False)
        if answer.status not in (0, 1) and "No such ref" not in answer.err:
            raise git_error(("symbolic-ref",), answer)
        return answer.text if answer.status == 0 else None

    def resolve(self, name: str) -> str | None:
        """Return the object id of a ref or revision, or None when there is none.

        Raises EnvironmentProblem `git-failed` where it is there and cannot be read.
        """
        if not _FULL_NAME.fullmatch(name):
            return self._ask_for_revision(name)
        return self.recall(f"ref {name}", lambda: self._read_ref(name), of_refs=True)

    def _read_ref(self, name: str) -> str | None:
        if name.endswith("^{commit}"):  # whether it is a commit, and here, only the object tells
            return self._ask_for_revision(name)
        from mlops_ci.repository import gitpython  # queries should not wait for its import

        return gitpython.read_ref(self, name) or self._ask_for_revision(name)

    def _ask_for_revision(self, name: str) -> str | None:
        answer = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, check=False)
        if answer.status == 0:
            return answer.text
        if answer.status == 1 and not _BROKEN_REF.search(answer.err):
            return None
        if answer.status != 1 and _NO_SUCH_REVISION.search(answer.err):
            return None
        raise git_error(("rev-parse",), answer)

    def refs(self, *patterns: str) -> tuple[Ref, ...]:
        """List refs with the full contents of what they name.

        Raises EnvironmentProblem `git-failed` where an object is not here, or is not what git wrote.
        """
        names = self.run(*ref_listing.LIST_COMMAND, *patterns).out
        if not names:
            return ()
        try:
            return tuple(parse_refs([self.run(*ref_listing.READ_COMMAND, stdin=names).out]))
        except MissingObject as missing:
            raise git_error(
                ref_listing.READ_COMMAND, GitResult(0, b"", f"git object {missing} is missing")
            ) from missing

    def ref_oids(self, *patterns: str) -> dict[str, str]:
        """Return the object that each ref names, by the ref's name; the objects are not read."""
        lines = self.run(*ref_listing.LIST_COMMAND, *patterns).text.splitlines()
        return {name: oid for oid, name in (line.split(" ", 1) for line in lines)}

    def has_refs(self, prefix: str) -> bool:
        """Return whether there is a ref below `prefix`, without reading what it names."""
        return bool(self.run("for-each-ref", "--count=1", "--format=%(refname)", prefix).out)

    def refs_containing(self, commit: str, pattern: str) -> tuple[str, ...]:
        """Return the names of the refs that match and have a commit in their history; none where this clone lacks it."""
        answer = self.run("for-each-ref", f"--contains={commit}", "--format=%(refname)", pattern, check=False)
        if answer.status != 0 and "no such commit" not in answer.err:
            raise git_error(("for-each-ref",), answer)
        return tuple(answer.text.split()) if answer.status == 0 else ()

    def update_refs(self, updates: Sequence[RefUpdate]) -> bool:
        """Move refs in one transaction; False when one of them was not where it was expected, and none has moved.

        Raises EnvironmentProblem `git-failed` when git could not do it for another reason (a lock, a full disk).
        """
        self.forget_refs()
        lines = ["start", *(update_ref_command(update) for update in updates), "prepare", "commit", ""]
        answer = self.run("update-ref", "--stdin", stdin="\n".join(lines).encode(), check=False)
        if answer.status == 0:
            return True
        if _REF_MOVED.search(answer.err):
            return False
        raise git_error(("update-ref",), answer)
