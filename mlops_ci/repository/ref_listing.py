"""The listing of refs with the objects that they name, begun while the rest of the tool is still to be imported.

Imports nothing but `os`: what comes before git is started is waited for, and what comes after it is not. One process names
the objects and one reads them, because `for-each-ref` alone reads them all before it writes the first (it sorts them).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as `typing` has it, whose import takes longer than the start of git
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAG_PREFIX = "refs/tags/"
LOG_PREFIX = "refs/mlops/log/"
LEDGER_PREFIX = "refs/mlops/ledger/"
APPROVAL_PREFIX = "refs/mlops/approvals/"
LIST_COMMAND = ("for-each-ref", "--format=%(objectname) %(refname)")  # and patterns
READ_COMMAND = (
    "cat-file",
    "--batch=%(objecttype) %(objectsize) %(objectname) %(rest)",
    "--buffer",
)  # for `refs.parse_refs`
# neither hooks nor a file monitor of the repository run with the rights and secrets of this command
GIT_COMMAND = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
# what would point git elsewhere, from a hook or an outer git; and what would show other objects than the refs name
_REMOVED_VARIABLES = frozenset(
    {
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE"),
    }
)
# what a job may do with its host; git is lent the token by its configuration, and a program that it starts needs none of them
TOKEN_VARIABLES = frozenset(
    {
        *("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN"),
        *("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    }
)
_FIXED_VARIABLES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "LC_ALL": "C",  # messages are read
}
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of fcntl(2); the module has it only where Linux does
_PIPE_SIZE = 1 << 20  # bytes, the most that Linux lets anybody ask for
_CHUNK_SIZE = 1 << 17
_LONGEST_SILENCE = 60.0  # seconds
_SIGKILL = 9  # the import of `signal` takes as long as the start of git


class Listing:
    """A listing under way. Whoever has one reads it to its end, or ends it."""

    def __init__(self, processes: tuple[int, ...], output: int) -> None:
        self._processes, self._output = processes, output
        self._is_read = False

    def chunks(self) -> Iterator[bytes]:
        """Yield what git writes, as it comes; nothing more after a long silence, as of a git that waits for the remote of a partial clone."""
        import select  # git runs by now

        while select.select([self._output], [], [], _LONGEST_SILENCE)[0]:
            if not (chunk := os.read(self._output, _CHUNK_SIZE)):
                self._is_read = True
                return
            yield chunk

    def end(self) -> bool:
        """Wait for the end, and tell whether git had listed everything; what has not been read is not waited for."""
        os.close(self._output)
        for process in () if self._is_read else self._processes:
            os.kill(process, _SIGKILL)
        return [os.waitpid(process, 0)[1] for process in self._processes] == [0, 0]


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that git runs with: the user's, without tokens, and without what an outer git would have it work on."""
    removed = _REMOVED_VARIABLES | TOKEN_VARIABLES
    return {name: value for name, value in environ.items() if name not in removed} | _FIXED_VARIABLES


def start_listing() -> Listing | None:
    """Start listing the tags, logs and approvals of the repository around the current directory, and return at once.

    None where no process can be started so (there is no git, or no such system call): whoever asks again gets the reason.
    """
    if not hasattr(os, "posix_spawnp"):
        return None
    nothing = os.open(os.devnull, os.O_RDWR)
    names, theirs = os.pipe()
    output, written = os.pipe()
    _widen_pipe(written)
    processes = (
        _spawn((*LIST_COMMAND, TAG_PREFIX, LOG_PREFIX, APPROVAL_PREFIX), nothing, theirs, nothing),
        _spawn(READ_COMMAND, names, written, nothing),
    )
    for descriptor in (nothing, names, theirs, written):
        os.close(descriptor)
    begun = Listing(tuple(process for process in processes if process), output)
    if all(processes):
        return begun
    begun.end()
    return None


def _spawn(arguments: tuple[str, ...], stdin: int, stdout: int, stderr: int) -> int | None:
    ends = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((stdin, stdout, stderr))]
    try:
        return os.posix_spawnp(
            GIT_COMMAND[0], [*GIT_COMMAND, *arguments], git_environment(os.environ), file_actions=ends
        )
    except OSError:
        return None


def _widen_pipe(pipe: int) -> None:
    """Let git write ahead while others import."""
    try:
        import fcntl

        fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_SIZE)
    except (ImportError, OSError):
        pass  # macOS widens pipes by itself; elsewhere git waits a little
