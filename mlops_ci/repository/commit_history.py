"""History: which commits lead to which, and what changed between them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlops_ci.repository.git_command import GitFolder, git_error
from mlops_ci.repository.git_values import LogCommit, PathChange, parse_changes


class CommitHistory(GitFolder):
    """A repository's history, as far as it is here."""

    def reachable_commits(self, heads: Sequence[str]) -> dict[str, LogCommit]:
        """Return every commit that the heads lead to, by id.

        Raises EnvironmentProblem `git-failed` when one of them is missing.
        """
        if not heads:
            return {}
        shown = "--format=%H%x00%T%x00%P%x00%B%x00"
        own = ("-c", "core.commitGraph=false")  # the file that git caches parents in can say anything
        answer = self.run(
            *own, "rev-list", "--no-commit-header", shown, "--stdin", stdin="\n".join([*heads, ""]).encode()
        )
        fields = answer.out.decode("utf-8", "replace").split("\0")
        rows = zip(*[iter(fields)] * 4, strict=False)
        commits = (LogCommit(oid.lstrip("\n"), tree, tuple(up.split()), text) for oid, tree, up, text in rows)
        return {commit.oid: commit for commit in commits}

    def diff(self, base: str, head: str | None, index: Path | None = None) -> tuple[PathChange, ...]:
        """Return what has another content in one commit than in another, or (`head` None) than in the work tree.

        A file that moved is one that went and one that came. Of the work tree, what is not committed counts, and what git
        does not track; what it ignores does not. `index` stands for the repository's own index, which may hide edits.
        """
        flags = (
            "-z",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--ignore-submodules=none",
        )
        if head is not None:
            return tuple(parse_changes(self.run("diff-tree", "-r", *flags, base, head).out))
        own = ("-c", "diff.autoRefreshIndex=true", "-c", "diff.relative=false", "-c", "diff.orderFile=/dev/null")
        env = {"GIT_INDEX_FILE": str(index)} if index is not None else None
        tracked = self.run(*own, "diff", *flags, base, "--", env=env).out
        others = self.run("ls-files", "-z", "--others", "--exclude-standard").out
        new = (PathChange(os.fsdecode(path), "added") for path in others.split(b"\0") if path)
        return (*parse_changes(tracked), *new)

    def merge_bases(self, one: str, other: str) -> tuple[str, ...]:
        """Return the best common ancestors of two commits; none where their histories have nothing in common, as far as it is here."""
        answer = self.run("merge-base", "--all", one, other, check=False)
        if answer.status not in (0, 1):
            raise git_error(("merge-base",), answer)
        return tuple(answer.text.split())

    def contains_commit(self, branch: str, commit: str) -> bool:
        """Tell whether a commit is on a branch; no where one of the two is not here.

        Raises EnvironmentProblem `git-failed` where history cannot be read.
        """
        answer = self.run("merge-base", "--is-ancestor", commit, branch, check=False)
        if answer.status not in (0, 1) and "Not a valid" not in answer.err:
            raise git_error(("merge-base",), answer)
        return answer.status == 0

    def unreachable_commits(self, commits: Iterable[str], tips: Sequence[str]) -> frozenset[str]:
        """Return those of the commits to which none of the tips leads; a commit that is not here is one of them.

        Parents are read from the commits themselves: the file that git caches them in can say anything.
        """
        asked = list(dict.fromkeys(commits))
        if not asked:
            return frozenset()
        given = "".join(f"{oid}\n" for oid in asked).encode()
        kinds = self.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=given).text.splitlines()
        here = [oid for oid, line in zip(asked, kinds, strict=True) if line == f"{oid} commit"]
        lines = "".join(f"{line}\n" for line in (*here, *(f"^{tip}" for tip in tips))).encode()
        beside = (
            self.run("-c", "core.commitGraph=false", "rev-list", "--stdin", stdin=lines).text.split() if here else []
        )
        return frozenset(asked) - frozenset(here) | frozenset(asked).intersection(beside)

    @property
    def is_shallow(self) -> bool:
        """Whether history is cut off somewhere, so that what came before it cannot be told."""
        return (self.common_dir / "shallow").is_file()

    def shallow_boundary(self) -> frozenset[str]:
        """Return the commits whose parents a shallow clone leaves out."""
        file = self.common_dir / "shallow"
        return frozenset(file.read_text("ascii", "replace").split()) if file.is_file() else frozenset()

    def commit_dates(self, oids: Iterable[str]) -> dict[str, int]:
        """Return when each commit was made, in seconds since 1970; what is no commit, or is not here, is left out."""
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        kinds = self.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).text.splitlines()
        commits = [line.split()[0] for line in kinds if line.endswith(" commit")]
        if not commits:
            return {}
        given = "".join(f"{oid}\n" for oid in commits).encode()
        text = self.run("rev-list", "--no-walk", "--timestamp", "--stdin", stdin=given).text
        return {oid: int(date) for date, oid in (line.split() for line in text.splitlines())}
