"""What git and the remote say about a push: which refs arrived, and why the others did not. Reads text only.

A push is *raced* only where git says so: another write moved, created or holds one of the refs. Everything else that the remote
declines is *refused*, whoever says it (a hook, a rule of the host, a quota, a full disk), and its words are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlops_ci.repository.git_values import PushResult

# the remote answers, but denies access; a request that came too late (408) or too soon (429) may be taken later
ACCESS_REFUSED = re.compile(
    r"Authentication failed|[Pp]ermission .*denied|[Aa]ccess denied|could not read (Username|Password)|error: 4(?!08|29)\d\d"
    r"|Host key verification failed|[Rr]epository .*not found|does not support --atomic|read-only|archived"
)
# the reasons of git (gitremote-helpers, receive-pack), JGit, libgit2 and Azure DevOps for a ref that another write moved
_RACED = re.compile(
    r"stale info|fetch first|non-fast[- ]forward|already exists|incorrect old value|reference does not exist"
    r"|failed to lock|lock failed|LOCK_FAILURE|updated by another client"
    r"|cannot lock ref '.*': (is at \S+ but expected|reference already exists|unable to resolve reference"
    r"|Unable to create '.*\.lock': File exists)",
)
# a name that is in the way of another one, or a remote that cannot write: git calls these locks too, and they stay
_LASTING = re.compile(
    r"cannot create|reference broken|Permission denied|No space left|Read-only file system|quota exceeded"
)
# the reason of a ref that is itself in order and that another one took with it, or whose own reason is among the words
_COMPANION = re.compile(
    r"atomic (push failed|push failure|transaction failed)|transaction aborted|failed to update ref"
)
_NO_ANSWER = re.compile(r"remote failed to report status")
_PROTECTED = re.compile(r"protected|GH0(06|13)|rule violations|not allowed to push|(pull|merge) request", re.IGNORECASE)
_PROGRESS = re.compile(r"(Enumerating|Counting|Compressing|Resolving|Checking|Processing|Total)\b.*\d")
_BRANCHES = "refs/heads/"
_MOST_LINES = 12


class RefAnswer(NamedTuple):
    """What `git push --porcelain` says about one ref: whether this push wrote it, or why not; one that was there before has no reason."""

    ref: str
    has_arrived: bool
    reason: str


def parse_push(output: str) -> tuple[RefAnswer, ...]:
    """Return the answer for each ref, from the output of `git push --porcelain`."""
    found = []
    for line in output.splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        if len(flag) != 1 or not summary:
            continue
        reason = re.search(r"\((.*)\)$", summary)
        found.append(
            RefAnswer(
                names.rpartition(":")[2], flag not in "!=", (reason[1] if reason else summary) if flag == "!" else ""
            )
        )
    return tuple(found)


def judge_push(status: int, output: str, err: str) -> PushResult:
    """Return how a push ended, as far as git's own answer says: `unknown` where the remote gave none."""
    if status == 0:
        return PushResult("done", "")
    answers = parse_push(output)
    failed = [one for one in answers if one.reason]
    words = remote_words(err)
    if not failed or any(_NO_ANSWER.search(one.reason) for one in failed):
        if not failed and ACCESS_REFUSED.search(err):
            return PushResult("refused", _join_lines([*words, fault_line(err)]))
        return PushResult("unknown", fault_line(err))
    own = [one for one in failed if not _COMPANION.search(one.reason)] or failed
    reasons: dict[str, list[str]] = {}
    for one in own:
        reasons.setdefault(one.reason, []).append(one.ref)
    detail = _join_lines([*(f"{', '.join(refs)}: {reason}" for reason, refs in reasons.items()), *words])
    arrived = tuple(one.ref for one in answers if one.has_arrived)
    if arrived:
        return PushResult("partial", _join_lines([*reasons, *words]), arrived, tuple(one.ref for one in failed))
    told = [one.reason for one in own] if own is not failed else words
    if any(map(_is_race, told)):
        return PushResult("raced", detail)
    return PushResult("refused", detail, is_branch_protected=_is_branch_protected(own, failed, words))


def fault_line(err: str) -> str:
    """Return the line that says why git could not do it: the one about a denied access, else git's first fatal one."""
    own = [line for line in err.splitlines() if not line.startswith("remote:")]
    told = [line for line in own if ACCESS_REFUSED.search(line)] + [line for line in own if line.startswith("fatal:")]
    return next(iter(told), "no reason given")


def remote_words(err: str) -> list[str]:
    """Return the lines that the remote wrote for people, without its progress."""
    found = (line.removeprefix("remote:").strip() for line in err.splitlines() if line.startswith("remote:"))
    return [line for line in found if line and not _PROGRESS.match(line)][:_MOST_LINES]


def _is_race(text: str) -> bool:
    return _RACED.search(text) is not None and _LASTING.search(text) is None


def _is_branch_protected(own: Sequence[RefAnswer], failed: Sequence[RefAnswer], words: Sequence[str]) -> bool:
    """Return whether the branch alone was refused by a rule, or the words speak of a protected one."""
    if not any(one.ref.startswith(_BRANCHES) for one in own) or any("checked out" in one.reason for one in own):
        return False
    alone = len(own) < len(failed) and all(one.ref.startswith(_BRANCHES) for one in own)
    return alone or any(_PROTECTED.search(text) for text in (*words, *(one.reason for one in own)))


def _join_lines(lines: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(line for line in lines if line))
