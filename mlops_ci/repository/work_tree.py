"""The work tree and the index: what differs from a commit, what is written out, and who else has a branch checked out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlops_ci.repository.git_values import IndexEntry, zero_oid
from mlops_ci.repository.object_reader import ObjectReader


class WorkTree(ObjectReader):
    """A repository's work tree. Only `fast_forward` changes it, and does what `git merge --ff-only` does."""

    def uncommitted_paths(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Return those of the paths whose content HEAD does not have: edited, untracked, ignored, or links.

        Contents are compared, whatever the index says of them, after the filters that git would apply.
        """
        if not paths:
            return ()
        listing = self.run("ls-tree", "-z", "--full-name", "HEAD", "--", *paths).out.decode("utf-8", "replace")
        entries = (entry.split("\t", 1) for entry in listing.split("\0") if entry)
        held = {path: meta.split() for meta, path in entries}
        plain = [path for path in paths if held.get(path, [""])[0] in ("100644", "100755") and self._is_file(path)]
        stdin = "".join(f"{path}\n" for path in plain).encode()
        hashes = self.run("hash-object", "--stdin-paths", stdin=stdin).text.split() if plain else []
        same = {path for path, oid in zip(plain, hashes, strict=True) if held[path][2] == oid}
        left_out = self.left_out_files() if len(plain) < len(paths) else {}
        same |= {path for path in held if path in left_out and held[path][2] == left_out[path].oid}
        return tuple(path for path in paths if path not in same)

    def left_out_files(self) -> dict[str, IndexEntry]:
        """Return the files that the work tree leaves out on purpose, by path: a sparse checkout, or bits of the index, say so."""
        if self.bare:
            return {}
        entries = self.recall("index flags", self._read_flagged_entries)
        return {path: one for path, one in entries.items() if not os.path.lexists(self.root / path)}

    def _read_flagged_entries(self) -> dict[str, IndexEntry]:
        """Return each index entry that says not to look at the work tree, by path: S (skip-worktree), or h (assume-unchanged)."""
        listing = self.run("ls-files", "-z", "-v", "--stage").out
        entries = (entry.split(b"\t", 1) for entry in listing.split(b"\0") if entry[:1] in b"Shs" and entry)
        return {
            os.fsdecode(path): IndexEntry(fields[1].decode(), fields[2].decode())
            for meta, path in entries
            if (fields := meta.split())
        }

    def index_without_flags(self, folder: Path) -> Path | None:
        """Write a copy of the index into a folder, in which no file that is in the work tree has a bit that hides its edits.

        Returns None where no such file has one: the repository's own index will do.
        """
        entries = {} if self.bare else self.recall("index flags", self._read_flagged_entries)
        flagged = [path for path in entries if os.path.lexists(self.root / path)]
        if not flagged:
            return None
        index = folder / "index"
        shutil.copyfile(self.git_dir / "index", index)
        stdin = b"".join(os.fsencode(path) + b"\0" for path in flagged)
        for bit in ("--no-skip-worktree", "--no-assume-unchanged"):
            self.run("update-index", bit, "-z", "--stdin", stdin=stdin, env={"GIT_INDEX_FILE": str(index)})
        return index

    def tracked_file_modes(self) -> dict[str, str]:
        """Return every path of the index, with its mode; bytes that are no UTF-8 are surrogates in it."""
        listing = self.run("ls-files", "-z", "--stage").out
        entries = (entry.split(b"\t", 1) for entry in listing.split(b"\0") if entry)
        return {os.fsdecode(path): meta[:6].decode("ascii") for meta, path in entries}

    def _is_file(self, path: str) -> bool:
        full = self.root / path
        return "\n" not in path and full.is_file() and full.resolve() == self.root.resolve() / path

    def check_out(self, commit: str, folder: Path, index: Path) -> tuple[str, ...]:
        """Write a commit's files into an empty folder, through the filters, and return those whose content is nowhere.

        The index is the file `index`, made here, so that neither the repository's own nor its list of work trees knows
        of it. Raises EnvironmentProblem `git-failed` when files that are here cannot be written.
        """
        env = {"GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index)}
        whole = self.run("read-tree", "--reset", "-u", "--no-sparse-checkout", commit, env=env, check=False)
        if whole.status == 0:
            return ()
        listing = self.run("rev-list", "--objects", "--no-walk", "--missing=print", commit).text.splitlines()
        missing = {line[1:].split()[0] for line in listing if line.startswith("?")}
        gone = {path: oid for path, oid in sorted(self.list_files(commit).items()) if oid in missing}
        self.run("read-tree", "--reset", "--no-sparse-checkout", commit, env=env)
        info = "".join(f"0 {zero_oid(oid)}\t{path}\0" for path, oid in gone.items()).encode()
        self.run("update-index", "-z", "--index-info", stdin=info, env=env)
        # content that LFS cannot get is left as the pointer to it, which whoever reads it recognises
        self.run("checkout-index", "--all", "--force", env={**env, "GIT_LFS_SKIP_SMUDGE": "1"})
        return tuple(gone)

    def other_worktree(self, branch: str) -> Path | None:
        """Return another work tree in which the branch is checked out, or None."""
        tree = None
        for line in self.run("worktree", "list", "--porcelain").text.splitlines():
            if line.startswith("worktree "):
                tree = Path(line.removeprefix("worktree "))
            elif line == f"branch refs/heads/{branch}" and tree is not None and tree.resolve() != self.root.resolve():
                return tree
        return None

    def fast_forward(self, old: str, new: str) -> bool:
        """Take the work tree from one commit to a later one, keeping local changes; False when they are in the way."""
        return self.run("read-tree", "-m", "-u", old, new, check=False).status == 0
