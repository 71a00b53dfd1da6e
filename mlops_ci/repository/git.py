"""The only caller of git: plumbing, with a clean environment and typed answers.

Nothing here touches the index or the work tree, save `fast_forward`, which does what `git merge --ff-only` does.
Git is run directly: importing a library for it takes longer than the listing that most queries consist of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import TRANSFER_LIMITS, TRUSTED_LIMITS, ProcessLimits, run_trusted
from mlops_ci.repository import ref_listing
from mlops_ci.repository.git_values import (
    ZERO_OID,
    GitResult,
    LogCommit,
    ObjectInfo,
    PathChange,
    Person,
    PushResult,
    RefUpdate,
    parse_changes,
    parse_contents,
    parse_object_info,
    update_ref_command,
)
from mlops_ci.repository.refs import MissingObject, Ref, parse_refs

# what every fetch brings; runs are not among it: those that only this clone has would be pruned
REGISTRY_REFSPECS = (
    "refs/mlops/log/*:refs/mlops/log/*",
    "refs/mlops/releases/*:refs/mlops/releases/*",
    "refs/mlops/approvals/*:refs/mlops/approvals/*",
    "refs/mlops/ledger/*:refs/mlops/ledger/*",
)


@dataclass(frozen=True)
class Credentials:
    """What git is lent for one command, by its environment alone: it stands in no file, no argument and no log.

    `remote` are the variables with which it reaches the remote. `key` is a public OpenSSH key whose private half the agent at
    `agent` (a socket) has; where there is none, the user's own configuration says what is signed with.
    """

    remote_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    signing_key: str | None = None
    agent_socket: str | None = None


@dataclass(frozen=True)
class Repository:
    """A git repository with a work tree at `root`; `common_dir` is shared by its linked work trees.

    A bare one (a mirror) has no work tree: its root is the repository itself.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    bare: bool = False
    credentials: Credentials = field(default=Credentials(), compare=False)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        limits: ProcessLimits = TRUSTED_LIMITS,
    ) -> GitResult:
        """Run a git command here; raises EnvironmentProblem `git-failed` on a non-zero exit when `check`."""
        # explicit values win over whatever a hook or an outer git left in the environment
        own = {"GIT_DIR": str(self.git_dir), "GIT_INDEX_FILE": str(self.git_dir / "index")}
        if not self.bare:
            own["GIT_WORK_TREE"] = str(self.root)
        answer = _run_git(self.root, args, stdin, {**own, **(env or {})}, limits)
        if check and answer.status != 0:
            raise _git_error(args, answer)
        return answer

    def _run_with_credentials(self, *args: str, check: bool = False) -> GitResult:
        """Run a git command that speaks with a remote."""
        return self.run(*args, env=self.credentials.remote_variables, check=check, limits=TRANSFER_LIMITS)

    def head(self) -> str | None:
        """Return the commit that is checked out, or None before the first commit."""
        answer = self.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False)
        return answer.text if answer.status == 0 else None

    def current_branch(self) -> str | None:
        """Return the branch that is checked out, or None when HEAD is detached."""
        answer = self.run("symbolic-ref", "--quiet", "--short", "HEAD", check=False)
        return answer.text if answer.status == 0 else None

    def resolve(self, name: str) -> str | None:
        """Return the object id of a ref or revision, or None when it does not exist."""
        answer = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, check=False)
        return answer.text if answer.status == 0 else None

    def remotes(self) -> tuple[str, ...]:
        """Return the names of the remotes."""
        return tuple(self.run("remote").text.split())

    def default_remote(self) -> str | None:
        """Return the remote that this repository writes to: `origin`, the configured or the only one; None without any.

        Raises EnvironmentProblem `remote-ambiguous` when there are several and nothing says which.
        """
        names = self.remotes()
        wanted = (
            "origin",
            self.config_value("remote.pushDefault"),
            self.config_value(f"branch.{self.current_branch()}.remote"),
        )
        found = next((name for name in wanted if name in names), None)
        if found is None and len(names) > 1:
            raise EnvironmentProblem.of(
                "remote-ambiguous",
                f"there are several remotes ({', '.join(names)}), and none of them is 'origin'",
                help=f"say which one holds the registry: git config remote.pushDefault {names[0]}",
            )
        return found or (names[0] if names else None)

    def remote_url(self, remote: str) -> str:
        """Return the URL that is fetched from, as configured: it may hold credentials."""
        return self.run("remote", "get-url", "--", remote).text

    def remote_default_branch(self, remote: str) -> str | None:
        """Return the remote's default branch, as this clone knows it, or else as the remote says; None where neither tells."""
        known = self.run("symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD", check=False)
        if known.status == 0:
            return known.text.removeprefix(f"{remote}/")
        asked = self._run_with_credentials("ls-remote", "--symref", "--", remote, "HEAD")
        found = re.match(r"ref: refs/heads/(\S+)\tHEAD", asked.text)
        return found.group(1) if found else None

    def config_value(self, key: str) -> str | None:
        """Return a configuration value, or None."""
        answer = self.run("config", "--get", key, check=False)
        return answer.text if answer.status == 0 else None

    def config_values(self, key: str) -> tuple[str, ...]:
        """Return every value of a configuration key that may have several."""
        return tuple(self.run("config", "--get-all", key, check=False).text.splitlines())

    def identity(self) -> Person | None:
        """Return whom git would name as committer, or None when nobody is configured."""
        answer = self.run("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT", check=False)
        found = re.match(r"(.+) <([^<>]+)> \d+ [+-]\d{4}$", answer.text)
        return Person(found.group(1), found.group(2)) if answer.status == 0 and found else None

    def refs(self, *patterns: str) -> tuple[Ref, ...]:
        """List refs with the full contents of what they name.

        Raises EnvironmentProblem `git-failed` where an object is not here, or is not what git wrote.
        """
        names = self.run(*ref_listing.LIST_COMMAND, *patterns).out
        try:
            return tuple(parse_refs([self.run(*ref_listing.READ_COMMAND, stdin=names).out]))
        except MissingObject as missing:
            raise _git_error(ref_listing.READ_COMMAND, GitResult(0, b"", f"object {missing} is missing")) from missing

    def ref_oids(self, *patterns: str) -> dict[str, str]:
        """Return the object that each ref names, by the ref's name; the objects are not read."""
        lines = self.run(*ref_listing.LIST_COMMAND, *patterns).text.splitlines()
        return {name: oid for oid, name in (line.split(" ", 1) for line in lines)}

    def list_files(self, treeish: str, folder: str = "") -> dict[str, str]:
        """Return every file below a folder of a commit or tree: path (relative to the folder) to blob id."""
        at = f"{treeish}:{folder.rstrip('/')}" if folder else treeish
        answer = self.run("ls-tree", "-r", "-z", "--end-of-options", at, check=False)
        if answer.status != 0:
            return {}
        entries = (entry.split("\t", 1) for entry in answer.out.decode("utf-8", "replace").split("\0") if entry)
        return {path: meta.split()[2] for meta, path in entries}

    def read_blob(self, name: str) -> bytes | None:
        """Return a blob by id or `commit:path`, or None when it is not there."""
        answer = self.run("cat-file", "blob", name, check=False)
        return answer.out if answer.status == 0 else None

    def read_objects(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """Yield each object's content, in the order asked for, from as few processes as can be; None for one that is not there.

        `names` are object ids or `commit:path` without newlines. A corrupt object, at which git gives up, is None too.
        """
        rest = list(names)
        while rest:
            answer = self.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in rest).encode(), check=False)
            read = 0
            for content in parse_contents(answer.out):
                yield content
                read += 1
            rest = rest[read:]
            if rest:  # git died of the next one
                yield None
                rest = rest[1:]

    def read_object_infos(self, names: Sequence[str]) -> tuple[ObjectInfo | None, ...]:
        """Return what each name stands for, by one process, in the order asked for; None for one that is not there.

        `names` are as those of `read_many`.
        """
        found: list[ObjectInfo | None] = []
        while len(found) < len(names):
            stdin = "".join(f"{name}\n" for name in names[len(found) :]).encode()
            answer = self.run("cat-file", "--batch-check", stdin=stdin, check=False)
            lines = answer.out.decode("utf-8", "replace").split("\n")[:-1]
            found += (
                [parse_object_info(line) for line in lines]
                if answer.status == 0
                else [*map(parse_object_info, lines), None]
            )
        return tuple(found)

    def reachable_commits(self, heads: Sequence[str]) -> dict[str, LogCommit]:
        """Return every commit that the heads lead to, by id.

        Raises EnvironmentProblem `git-failed` when one of them is missing.
        """
        if not heads:
            return {}
        shown = "--format=%H%x00%T%x00%P%x00%B%x00"
        answer = self.run("rev-list", "--no-commit-header", shown, "--stdin", stdin="\n".join([*heads, ""]).encode())
        fields = answer.out.decode("utf-8", "replace").split("\0")
        rows = zip(*[iter(fields)] * 4, strict=False)
        commits = (LogCommit(oid.lstrip("\n"), tree, tuple(up.split()), text) for oid, tree, up, text in rows)
        return {commit.oid: commit for commit in commits}

    def object_type(self, name: str) -> str | None:
        """Return the type of an object (`blob`, `tree`, `commit`, `tag`), or None when there is none of that name."""
        answer = self.run("cat-file", "-t", name, check=False)
        return answer.text if answer.status == 0 else None

    def uncommitted_paths(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Return those of the paths whose content HEAD does not have: edited, untracked, ignored, or links.

        Contents are compared, whatever the index says of them, after the filters that git would apply.
        """
        if not paths:
            return ()
        ref_listing = self.run("ls-tree", "-z", "--full-name", "HEAD", "--", *paths).out.decode("utf-8", "replace")
        entries = (entry.split("\t", 1) for entry in ref_listing.split("\0") if entry)
        held = {path: meta.split() for meta, path in entries}
        plain = [path for path in paths if held.get(path, [""])[0] in ("100644", "100755") and self._is_file(path)]
        stdin = "".join(f"{path}\n" for path in plain).encode()
        hashes = self.run("hash-object", "--stdin-paths", stdin=stdin).text.split() if plain else []
        same = {path for path, oid in zip(plain, hashes, strict=True) if held[path][2] == oid}
        return tuple(path for path in paths if path not in same)

    def diff(self, base: str, head: str | None) -> tuple[PathChange, ...]:
        """Return what has another content in one commit than in another, or (`head` None) than in the work tree.

        A file that moved is one that went and one that came. Of the work tree, what is not committed counts, and what git
        does not track; what it ignores does not.
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
        tracked = self.run(*own, "diff", *flags, base, "--").out
        others = self.run("ls-files", "-z", "--others", "--exclude-standard").out
        new = (PathChange(os.fsdecode(path), "added") for path in others.split(b"\0") if path)
        return (*parse_changes(tracked), *new)

    def tracked_file_modes(self) -> dict[str, str]:
        """Return every path of the index, with its mode; bytes that are no UTF-8 are surrogates in it."""
        ref_listing = self.run("ls-files", "-z", "--stage").out
        entries = (entry.split(b"\t", 1) for entry in ref_listing.split(b"\0") if entry)
        return {os.fsdecode(path): meta[:6].decode("ascii") for meta, path in entries}

    def merge_bases(self, one: str, other: str) -> tuple[str, ...]:
        """Return the best common ancestors of two commits; none where their histories have nothing in common, as far as it is here."""
        answer = self.run("merge-base", "--all", one, other, check=False)
        if answer.status not in (0, 1):
            raise _git_error(("merge-base",), answer)
        return tuple(answer.text.split())

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return a commit's parents, as the commit names them: a shallow clone need not have them."""
        head = self.run("cat-file", "commit", commit).text.partition("\n\n")[0]
        return tuple(line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent "))

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
        ref_listing = self.run("rev-list", "--objects", "--no-walk", "--missing=print", commit).text.splitlines()
        missing = {line[1:].split()[0] for line in ref_listing if line.startswith("?")}
        gone = sorted(path for path, oid in self.list_files(commit).items() if oid in missing)
        self.run("read-tree", "--reset", "--no-sparse-checkout", commit, env=env)
        info = "".join(f"0 {ZERO_OID}\t{path}\0" for path in gone).encode()
        self.run("update-index", "-z", "--index-info", stdin=info, env=env)
        # content that LFS cannot get is left as the pointer to it, which whoever reads it recognises
        self.run("checkout-index", "--all", "--force", env={**env, "GIT_LFS_SKIP_SMUDGE": "1"})
        return tuple(gone)

    def contains_commit(self, branch: str, commit: str) -> bool:
        """Tell whether a commit is on a branch."""
        return self.run("merge-base", "--is-ancestor", commit, branch, check=False).status == 0

    def refs_containing(self, commit: str, pattern: str) -> tuple[str, ...]:
        """Return the names of the refs that match and have a commit in their history."""
        answer = self.run("for-each-ref", f"--contains={commit}", "--format=%(refname)", pattern, check=False)
        return tuple(answer.text.split())

    @property
    def is_shallow(self) -> bool:
        """Whether history is cut off somewhere, so that what came before it cannot be told."""
        return (self.common_dir / "shallow").is_file()

    def shallow_boundary(self) -> frozenset[str]:
        """Return the commits whose parents a shallow clone leaves out."""
        file = self.common_dir / "shallow"
        return frozenset(file.read_text("ascii", "replace").split()) if file.is_file() else frozenset()

    def other_worktree(self, branch: str) -> Path | None:
        """Return another work tree in which the branch is checked out, or None."""
        tree = None
        for line in self.run("worktree", "list", "--porcelain").text.splitlines():
            if line.startswith("worktree "):
                tree = Path(line.removeprefix("worktree "))
            elif line == f"branch refs/heads/{branch}" and tree is not None and tree.resolve() != self.root.resolve():
                return tree
        return None

    def write_bundle(self, file: Path, refs: Sequence[str]) -> None:
        """Write refs, with all that they lead to, into a file that another repository can take them from."""
        self.run("bundle", "create", "--quiet", str(file), *refs)

    def unbundle(self, file: Path) -> dict[str, str] | None:
        """Take the objects of a bundle, and return what it says that its refs name; None for a file that is none.

        Nothing is made reachable by it, and no ref of this repository changes.
        """
        answer = self.run("bundle", "unbundle", str(file), check=False)
        if answer.status != 0:
            return None
        return {name: oid for oid, name in (line.split(" ", 1) for line in answer.text.splitlines() if " " in line)}

    def write_blob(self, content: bytes | Path) -> str:
        """Store a blob and return its id; a path is read by git itself, byte for byte."""
        if isinstance(content, Path):
            return self.run("hash-object", "-w", "--no-filters", "--", str(content)).text
        return self.run("hash-object", "-w", "--stdin", stdin=content).text

    def write_tree(self, files: Mapping[str, str], *, base: str | None = None, folder: str = "") -> str:
        """Store a tree of path to blob id, on top of `base` when given, where it replaces everything below `folder`."""
        import tempfile  # queries do not write

        with tempfile.TemporaryDirectory(prefix="mlops-ci-index-") as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            gone: Iterable[str] = ()
            if base is not None:
                self.run("read-tree", base, env=env)
                gone = self.list_files(base, folder) if folder else ()
            prefix = f"{folder.rstrip('/')}/" if folder else ""
            lines = [f"0 {ZERO_OID}\t{prefix}{path}" for path in gone]
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

    def update_refs(self, updates: Sequence[RefUpdate]) -> bool:
        """Move refs in one transaction; False when one of them was not where it was expected, and none has moved.

        Raises EnvironmentProblem `git-failed` when git could not do it for another reason (a lock, a full disk).
        """
        lines = ["start", *(update_ref_command(update) for update in updates), "prepare", "commit", ""]
        answer = self.run("update-ref", "--stdin", stdin="\n".join(lines).encode(), check=False)
        if answer.status == 0:
            return True
        if re.search(r"reference already exists|but expected|unable to resolve reference", answer.err):
            return False
        raise _git_error(("update-ref",), answer)

    def push(self, remote: str, updates: Sequence[RefUpdate]) -> PushResult:
        """Push every update or none (`--atomic`), never forced; a ref is removed only where it is at `old`."""
        gone = [update for update in updates if update.new == ZERO_OID]
        specs = [f"{'' if update in gone else update.new}:{update.ref}" for update in updates]
        leases = (f"--force-with-lease={update.ref}:{update.old}" for update in gone)
        flags = (*leases, "--atomic", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        answer = self._run_with_credentials("push", *flags, "--", remote, *specs)
        if answer.status == 0:
            return PushResult("done", "")
        said = [line for line in answer.text.splitlines() if line.startswith("!")]
        detail = "\n".join([*said, *_remote_lines(answer.err)]) or answer.err.strip()
        if "(unpacker error)" in answer.text:  # the remote could not store it: a full disk, a missing object
            return PushResult("failed", detail)
        if refused := [line for line in said if _REFUSAL.search(line)]:
            return PushResult("refused", "\n".join([*refused, *_remote_lines(answer.err)]))
        return PushResult("raced" if said else "failed", detail)

    def fetch(self, remote: str, *refspecs: str, prune: bool = False) -> GitResult:
        """Fetch, without following tags that were not asked for; `prune` removes what the remote has no longer."""
        flags = ["--no-tags", "--no-write-fetch-head", "--no-prune-tags", "--recurse-submodules=no"]
        flags.append("--prune" if prune else "--no-prune")
        return self._run_with_credentials("fetch", *flags, "--", remote, *refspecs)

    def fast_forward(self, old: str, new: str) -> bool:
        """Take the work tree from one commit to a later one, keeping local changes; False when they are in the way."""
        return self.run("read-tree", "-m", "-u", old, new, check=False).status == 0

    def configure_registry_fetch(self, remote: str) -> None:
        """Make every later `git fetch` bring the registry's refs too."""
        key = f"remote.{remote}.fetch"
        known = self.config_values(key)
        for refspec in REGISTRY_REFSPECS:
            if refspec not in known:
                self.run("config", "--add", key, refspec)

    def remote_ref_names(self, remote: str, *patterns: str) -> frozenset[str]:
        """Return the names of the remote's refs that match; nothing when it does not answer."""
        answer = self._run_with_credentials("ls-remote", "--refs", "--", remote, *patterns)
        return frozenset(line.split("\t")[1] for line in answer.text.splitlines() if "\t" in line)

    def remote_ref_oids(self, remote: str, *patterns: str) -> dict[str, str]:
        """Return the remote's refs that match, by name; raises EnvironmentProblem `git-failed` when it does not answer."""
        lines = self._run_with_credentials("ls-remote", "--refs", "--", remote, *patterns, check=True).text.splitlines()
        return {name: oid for oid, name in (line.split("\t", 1) for line in lines)}

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


# a hook or a branch rule said no; every other rejection means that somebody else was first
_REFUSAL = re.compile(r"hook declined|protected branch|GH0(06|13)|prohibited|denied|not allowed")


def find_repository(start: Path) -> Repository | None:
    """Return the repository that holds the folder, or None; a bare one too.

    Raises EnvironmentProblem `repository-not-trusted` where git refuses to work for the repository belongs to somebody else.
    """
    asked = (
        "--is-bare-repository",
        "--absolute-git-dir",
        "--path-format=absolute",
        "--git-common-dir",
        "--show-toplevel",
    )
    answer = _run_git(start, ("rev-parse", *asked), b"", {})
    if "dubious ownership" in answer.err:
        raise EnvironmentProblem.of(
            "repository-not-trusted",
            f"git does not work in {start}, because the repository belongs to somebody else",
            help=f"if you trust it: git config --global --add safe.directory {start}",
        )
    match answer.text.split("\n"):
        case ["true", git_dir, common_dir, *_]:
            return Repository(Path(git_dir), Path(git_dir), Path(common_dir), bare=True)
        case ["false", git_dir, common_dir, top]:
            return Repository(Path(top), Path(git_dir), Path(common_dir))
        case _:  # no repository, or the inside of one
            return None


def require_identity(person: Person | None) -> Person:
    """Return who writes; raises EnvironmentProblem `git-identity-missing` where git does not know."""
    if person is None:
        raise EnvironmentProblem.of(
            "git-identity-missing",
            "git does not know who you are, and commits and tags need an author",
            help='git config user.name "Your Name" && git config user.email you@example.org',
        )
    return person


def create_repository(root: Path) -> Repository:
    """Make a repository with the branch `main` and return it."""
    answer = _run_git(root, ("init", "--quiet", "--initial-branch=main"), b"", {})
    made = find_repository(root) if answer.status == 0 else None
    if made is None:
        raise _git_error(("init",), answer)
    return made


def _run_git(
    cwd: Path, args: Sequence[str], stdin: bytes, env: Mapping[str, str], limits: ProcessLimits = TRUSTED_LIMITS
) -> GitResult:
    own = {**ref_listing.git_environment(os.environ), **env}
    try:
        status, out, err = run_trusted([*ref_listing.GIT_COMMAND, *args], cwd=cwd, env=own, stdin=stdin, limits=limits)
    except FileNotFoundError as error:
        raise EnvironmentProblem.of(
            "git-missing", "git is not installed or not on PATH", help="install git 2.34 or newer"
        ) from error
    return GitResult(status, out, err.decode("utf-8", "replace"))


def _remote_lines(err: str) -> list[str]:
    return [line.strip() for line in err.splitlines() if line.startswith("remote:")]


def _git_error(args: Sequence[str], answer: GitResult) -> EnvironmentProblem:
    said = answer.err.strip().splitlines()
    return EnvironmentProblem.of(
        "git-failed",
        f"git {args[0]} failed: {said[-1] if said else f'exit code {answer.status}'}",
        help="check that the repository is whole (git fsck) and that the disk is writable and not full",
    )
