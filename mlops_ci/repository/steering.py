"""What steers git in a repository, and whether a candidate's code has changed it: configuration, hooks, attributes, programs, refs.

Such code runs as the same user, so it can write these files. Git would then run the candidate's command later, with the rights
and secrets of who trains. What has changed is put back, set aside, and reported; nothing else is done in that repository.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_command import run_git

# below the common folder and below the work tree's own: what git reads before it does what it is asked to do. A folder counts whole
_STEERING = (
    *("config", "config.worktree", "hooks", "remotes", "branches", "commondir", "gitdir"),
    *("info/attributes", "info/exclude", "info/grafts", "info/sparse-checkout"),
    *("objects/info/alternates", "objects/info/http-alternates"),
)
# below HOME: what git and the programs that it starts read there
_STEERING_AT_HOME = (".gitconfig", ".config/git", ".netrc", ".git-credentials", ".ssh/config")
# what the next command would start: the first in a folder of PATH. Elsewhere than in a job, people update these meanwhile
_PROGRAMS = (
    *("git", "git-remote-http", "git-remote-https", "git-lfs", "git-credential-cache", "git-credential-store"),
    *("ssh", "ssh-add", "ssh-agent", "ssh-keygen", "gpg"),
)
# files of a job in GitHub Actions that become the environment of its next steps; no command that runs a candidate writes them
_NEXT_STEP = ("GITHUB_ENV", "GITHUB_PATH")
_CONFIGURED_PATHS = r"^(core\.(attributesfile|excludesfile|hookspath)|gpg\.ssh\.allowedsignersfile)$"
# what people's programs write while a training takes long: a new branch and what it follows
_OF_BRANCHES = "branch."
_LARGEST = 1 << 20  # bytes of a file that are kept to be put back
_ANYWHERE_ELSE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "0"}

_Files = Mapping[Path, "_File"]


@dataclass(frozen=True)
class _File:
    """A file as it was: its mode, its content, and where it leads if it is a link.

    Of a file that is too large to keep, and of one that cannot be read, the content is only what tells that it has changed.
    """

    mode: int
    content: bytes
    link: str | None = None
    is_whole: bool = True


class SteeringWatch:
    """A watch (see `core.child_watch`) over one repository.

    `is_alone`: nobody else works in this clone, so that a ref that moves and a program of git's that changes are findings as well.
    Elsewhere a person or an editor may fetch, commit and make branches meanwhile, and the verdict rests on the commits and events
    that were read before.
    """

    def __init__(self, repo: Repository, *, is_alone: bool) -> None:
        self._repo, self._is_alone = repo, is_alone
        self._places: tuple[Path, ...] | None = None
        self._files: _Files = {}
        self._refs: Mapping[str, str] | None = None

    def remember(self) -> None:
        """Remember the files the first time, and the refs each time; raises as `verify` does where files have changed since."""
        if self._places is None:
            of_job = _job_places() if self._is_alone else ()
            self._places = tuple(dict.fromkeys((*_steering_places(self._repo), *of_job)))
            self._files = _read_files(self._places)
        self.verify()
        self._refs = self._read_refs()

    def verify(self) -> None:
        """Raise EnvironmentProblem `git-changed` when a file or a ref is not as it was remembered; a file is put back first."""
        if self._places is None:
            return
        names, kept = self._restore_files()  # before git runs once more
        before, self._refs = self._refs, None  # until the next child starts, whatever moves refs is this command
        if before is not None:
            now = self._read_refs()
            names += sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if names:
            aside = f" Files are as they were before, and what was written is in {kept}." if kept else ""
            raise EnvironmentProblem.of(
                "git-changed",
                f"while code of the candidate ran, something changed what git does here: {', '.join(names[:20])}",
                help=f"review that code before you run anything else here.{aside} A ref that nobody made: git update-ref -d REF. If this"
                " was you, change it once more, and run the command again",
            )

    def _restore_files(self) -> tuple[list[str], Path | None]:
        """Put back the files that have changed; return their names, with the keys, and the folder of what was in them."""
        now = _read_files(self._places or ())
        changed = sorted(path for path in self._files.keys() | now.keys() if self._files.get(path) != now.get(path))
        if not changed or (not self._is_alone and self._tells_of_branches_only(changed, now)):
            return [], None
        folder = _make_folder(self._repo.common_dir / "mlops-ci" / "set-aside")
        names: list[str] = []
        for number, path in enumerate(changed):
            _put_back(path, self._files.get(path), folder / f"{number}-{path.name}")
            keys = _changed_keys(self._files.get(path), now.get(path)) if "config" in path.name else ()
            names += [f"{key} in {path}" for key in keys] or [str(path)]
        return names, folder

    def _tells_of_branches_only(self, changed: list[Path], now: _Files) -> bool:
        """Tell whether the only change is one of branches in the repository's configuration, which then counts as remembered."""
        config = self._repo.common_dir / "config"
        keys = _changed_keys(self._files.get(config), now.get(config)) if changed == [config] else ()
        if not keys or not all(key.startswith(_OF_BRANCHES) for key in keys):
            return False
        self._files = now
        return True

    def _read_refs(self) -> Mapping[str, str]:
        if not self._is_alone:
            return {}
        files = {
            "HEAD": self._repo.git_dir / "HEAD",
            "shallow": self._repo.common_dir / "shallow",
        }  # a fetch may write both
        texts = {name: path.read_text("utf-8", "replace") if path.is_file() else "" for name, path in files.items()}
        return self._repo.ref_oids("refs/") | texts


def _job_places() -> Iterator[Path]:
    yield from (Path(path).absolute() for name in _NEXT_STEP if (path := os.environ.get(name)))
    for folder in os.get_exec_path():
        yield from (Path(folder).absolute() / name for name in _PROGRAMS)


def _steering_places(repo: Repository) -> Iterator[Path]:
    for folder in dict.fromkeys((repo.common_dir, repo.git_dir)):
        yield from (folder / name for name in _STEERING)
    yield from repo.common_dir.glob("modules/**/config")
    if not repo.bare:
        yield repo.root / ".gitattributes"
        yield repo.root / ".lfsconfig"
        yield repo.root / ".git"  # a file in a linked work tree; a folder tells nothing by itself
    home = Path.home()
    yield from (home / name for name in _STEERING_AT_HOME)
    if configured := os.environ.get("XDG_CONFIG_HOME"):
        yield Path(configured) / "git"
    if chosen := os.environ.get("GIT_CONFIG_GLOBAL"):
        yield Path(chosen)
    listed = repo.run("config", "--list", "--show-origin", "--name-only", "-z", check=False)
    for origin in listed.out.decode("utf-8", "surrogateescape").split("\0"):
        if origin.startswith("file:"):
            yield repo.root / origin.removeprefix("file:")
    named = repo.run("config", "--type=path", "-z", "--get-regexp", _CONFIGURED_PATHS, check=False)
    for entry in named.out.decode("utf-8", "surrogateescape").split("\0"):
        if (path := entry.partition("\n")[2]) and path != os.devnull:
            yield repo.root / path


def _read_files(places: Iterable[Path]) -> _Files:
    found: dict[Path, _File] = {}
    for place in places:
        for path in [place, *(place.rglob("*") if place.is_dir() and place.name != ".git" else ())]:
            try:
                if (file := _read_file(path)) is not None:
                    found[path] = file
            except FileNotFoundError:
                continue
            except OSError as error:
                found[path] = _File(-1, type(error).__name__.encode(), is_whole=False)
    return found


def _read_file(path: Path) -> _File | None:
    """Return a file, or a link with what it leads to; None for a folder. Raises OSError."""
    mode = path.lstat().st_mode
    link = str(path.readlink()) if stat.S_ISLNK(mode) else None
    if not path.is_file():
        return _File(mode, b"", link, is_whole=False) if link is not None else None
    status = path.stat()
    if status.st_size > _LARGEST:
        times = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        return _File(mode, times.encode(), link, is_whole=False)
    return _File(mode, path.read_bytes(), link)


def _put_back(path: Path, before: _File | None, aside: Path) -> None:
    """Move what is there now aside, and write what was there; what cannot be written stays aside."""
    with contextlib.suppress(OSError):  # the error that follows names the file all the same
        if path.is_dir() and not path.is_symlink():
            shutil.move(path, aside)
        elif path.is_symlink() or path.exists():
            if path.is_file():  # and no pipe, which nobody would ever write
                shutil.copyfile(path, aside)
                aside.chmod(0o600)
            path.unlink()
        if before is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if before.link is not None:
            path.symlink_to(before.link)
        if before.is_whole:
            path.write_bytes(before.content)  # of a link, where it leads
        if before.is_whole and before.link is None:
            path.chmod(stat.S_IMODE(before.mode))


def _changed_keys(before: _File | None, now: _File | None) -> tuple[str, ...]:
    """Return the keys of a configuration file whose values are others; none when it cannot be read as one."""
    settings = [_settings(one.content if one is not None else b"") for one in (before, now)]
    if None in settings:
        return ()
    then, today = (set(one or ()) for one in settings)
    return tuple(dict.fromkeys(sorted(entry.partition("\n")[0] for entry in then ^ today)))


def _settings(content: bytes) -> tuple[str, ...] | None:
    """Return the entries of a configuration's text; git reads the text as a file outside of every repository."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config"
        file.write_bytes(content)
        env = {**_ANYWHERE_ELSE, "GIT_CEILING_DIRECTORIES": str(Path(name).parent)}
        answer = run_git(Path(name), ("config", "--file", str(file), "--no-includes", "--list", "-z"), b"", env)
    return tuple(answer.out.decode("utf-8", "replace").split("\0")[:-1]) if answer.status == 0 else None


def _make_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent, prefix="changed-"))
