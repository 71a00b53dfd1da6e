"""What this process would leave behind: folders for scratch files, and programs. They can be removed at once.

A process that is killed removes nothing. Its scratch has a token in its name, and while the process lived the kernel held a
lock on a file of this token. So a later command removes what nobody holds: an id of a process would be used again.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_ci.core.process_activity import parent_pids

_TOKEN = os.urandom(6).hex()  # ours among the folders of all processes
_COUNTER = itertools.count()
_KILL_SECONDS = 1.0  # a fork bomb may win against it
_CLAIM_ATTEMPTS = 20
_NAMED = re.compile(r"mlops-ci-(?P<host>[0-9a-f]{8})-(?P<token>[0-9a-f]{12})(?P<rest>-.*|\.lock)")
_DEPTH = 3  # folders below a claimed one in which scratch may be

# programs that are no descendants of this process (an ssh-agent puts itself into the background), by id
outsiders: set[int] = set()
# the locks of this process, each with the id of the process that took it, by their file
_claims: dict[Path, tuple[int, int]] = {}


@contextmanager
def scratch_folder(kind: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder below `parent`, or the machine's folder for temporary files, and remove it.

    Raises OSError on a full disk. Whoever names a parent removes it.
    """
    import tempfile  # queries of the registry need no scratch folder

    if parent is None:
        parent = _temporary_files()
        claim(parent)
    with tempfile.TemporaryDirectory(prefix=f"{scratch_prefix()}{kind}-", dir=parent) as name:
        yield Path(name)


@contextmanager
def scratch_folder_beside(path: Path) -> Iterator[Path]:
    """Give a new folder in the folder of a file that is to be replaced, and remove it; and what killed commands left there."""
    with hold(path.parent, depth=1), scratch_folder("part", path.parent) as folder:
        yield folder


@contextmanager
def hold(folder: Path, *, depth: int = _DEPTH) -> Iterator[None]:
    """Have scratch in a folder, or `depth` folders deep in it, for a while, and remove what killed commands left there.

    Raises OSError where the folder cannot be written.
    """
    claim(folder)
    try:
        remove_abandoned(folder, depth=depth)
        yield
    finally:
        _release(folder)


def unused_scratch_path(kind: str) -> Path:
    """Return the path of a folder that does not exist yet, for a program that makes one when it needs it."""
    return _temporary_files() / f"{scratch_prefix()}{kind}-{os.getpid()}-{next(_COUNTER)}"


def scratch_prefix() -> str:
    """Return how the name of each scratch file and folder of this process begins."""
    return f"mlops-ci-{_host()}-{_TOKEN}-"


def claim(folder: Path) -> None:
    """Say that this process has scratch in a folder or below it, for as long as it lives. Raises OSError on a full disk."""
    import fcntl  # as above

    path = folder / f"{scratch_prefix().removesuffix('-')}.lock"
    if path in _claims:  # also in a fork of the process that took it, which has it as well
        return
    for _ in range(_CLAIM_ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.lstat().st_ino:
                _claims[path] = descriptor, os.getpid()
                return
        except (BlockingIOError, FileNotFoundError):
            time.sleep(0.01)  # another process takes it for abandoned
        except OSError:  # a file system without locks, where nobody takes anything for abandoned
            _claims[path] = descriptor, os.getpid()
            return
        os.close(descriptor)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))


def remove_abandoned(folder: Path | None = None, *, depth: int = _DEPTH) -> None:
    """Remove the scratch in a folder (that for temporary files) that no living process holds. What cannot be removed stays.

    Scratch of other users and of other machines, which may share the folder, stays too.
    """
    import fcntl  # as above

    place = folder or _temporary_files()
    for path in _entries(place, 1):
        found = _NAMED.fullmatch(path.name)
        if found is None or found["rest"] != ".lock" or found["host"] != _host() or found["token"] == _TOKEN:
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove_named(place, path.name.removesuffix(".lock") + "-", depth)
                    path.unlink()
            finally:
                os.close(descriptor)


def remove_leftovers() -> None:
    """Kill every program that this process has started, and remove its scratch folders. What cannot be removed stays."""
    for _ in range(2):  # what is still at work may have made another one meanwhile
        _kill_descendants()
        _remove_folders()


def _kill_descendants() -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        parents = parent_pids()
        found = [os.getpid(), *(pid for pid in outsiders if pid in parents)]
        for pid in found:
            found += [one for one, parent in parents.items() if parent == pid and one not in found]
        living = found[1:]
        if not living:
            return
        for pid in living:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _remove_folders() -> None:
    with contextlib.suppress(OSError):
        _remove_named(_temporary_files(), scratch_prefix(), 1)
    for path in list(_claims):
        _remove_named(path.parent, scratch_prefix(), _DEPTH)
    _release_all()


def _remove_named(folder: Path, prefix: str, depth: int) -> None:
    """Remove our own files and folders whose names begin with `prefix`; `depth` 1 is the folder itself."""
    import shutil

    for path in _entries(folder, depth):
        if not path.name.startswith(prefix):
            continue
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid != os.geteuid():
                continue
            if stat.S_ISDIR(found.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _entries(folder: Path, depth: int) -> Iterator[Path]:
    """Yield what is in a folder, and down to `depth` in folders that are none of ours."""
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for entry in found:
        if entry.name.startswith("mlops-ci-"):
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), depth - 1)


def _release(folder: Path) -> None:
    path = folder / f"{scratch_prefix().removesuffix('-')}.lock"
    descriptor, owner = _claims.pop(path, (-1, 0))
    if owner == os.getpid():
        with contextlib.suppress(OSError):
            path.unlink()
        with contextlib.suppress(OSError):
            os.close(descriptor)


@atexit.register
def _release_all() -> None:
    for path in list(_claims):
        _release(path.parent)


def _temporary_files() -> Path:
    """Return the folder for temporary files. Raises OSError if there is none: the current folder, which Python takes then, is the user's."""
    import tempfile

    found = tempfile.gettempdir()
    known = {os.path.abspath(os.environ[name]) for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)}  # noqa: PTH100 - as tempfile has it
    if found == os.getcwd() and found not in {*known, "/tmp", "/var/tmp", "/usr/tmp"}:  # noqa: PTH109, S108 - as tempfile has them
        raise FileNotFoundError(errno.ENOENT, "there is no folder for temporary files that can be written")
    return Path(found)


def _host() -> str:
    """Return a short name of this machine, or container: a lock says nothing about processes of another one."""
    import hashlib  # as above
    import socket

    global _host_name
    if not _host_name:
        try:
            machine = Path("/etc/machine-id").read_bytes()
        except OSError:
            machine = b""
        _host_name = hashlib.sha256(machine + socket.gethostname().encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return _host_name


_host_name = ""
