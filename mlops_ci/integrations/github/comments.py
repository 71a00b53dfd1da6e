"""The one comment that a workflow keeps on a pull request.

A comment is ours by its marker and by who wrote it: anybody can paste a marker, and nobody can write in our name. Jobs that run
at once agree without a lock: each keeps the oldest of ours and deletes the others, after it has written what it has to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import StickyComment
from mlops_ci.integrations.github.client import Client
from mlops_ci.integrations.github.queries import at, items, number
from mlops_ci.integrations.github.runner_files import cut

_NEEDS = "pull-requests: write"
_LIMIT = 60_000  # bytes: GitHub takes 65,536 characters
_ROUNDS = 3
_PAUSE = 2.0  # seconds that GitHub may take to show what it was told before its answer was lost


@dataclass(frozen=True)
class Author:
    """Who writes with this token. A job's own token cannot ask that; what GitHub answers to a first comment says it."""

    login: str

    def wrote(self, comment: Any) -> bool:
        """Tell whether a comment is by this author: a person's login cannot end like that of a bot."""
        bot = not self.login.endswith("[bot]") or at(comment, "user", "type") == "Bot"
        return bot and bool(at(comment, "user", "login") == self.login)


def keep(client: Client, one: StickyComment, author: Author, run: str) -> Author:
    """Make the comment say what it is to say, and be the only one of its marker; return who wrote. Raises HostProblem."""
    marker = f"<!-- mlops-ci: {re.sub(r'[^A-Za-z0-9._/-]', '-', one.marker)} -->"
    pointer = f"\n\n_The rest was left out: [the run]({run}) has it all._\n"
    body = f"{marker}\n{cut(one.body, _LIMIT, pointer)}"
    for left in reversed(range(_ROUNDS)):
        mine = _mine(client, one.pull, marker, author)
        if not mine:
            author = _add(client, one.pull, body, author)
            mine = _mine(client, one.pull, marker, author)  # somebody else may have been as fast
        if not mine or _settle(client, mine, body, last=not left):
            break
    return author


def _settle(client: Client, mine: list[Any], body: str, *, last: bool) -> bool:
    """Write to the oldest, and only then delete the others; False when the oldest is gone."""
    oldest, *others = mine
    if _text(oldest.get("body")) != _text(body):
        try:
            _edit(client, oldest, body)
        except HostProblem as problem:
            if problem.status != 404 or last:
                raise
            return False
    for other in others:
        try:
            client.send("DELETE", f"/issues/comments/{number(other, 'id')}", needs=_NEEDS)
        except HostProblem as problem:
            if problem.status != 404:  # another job has deleted it
                raise
    return True


def _edit(client: Client, comment: Any, body: str) -> None:
    client.send("PATCH", f"/issues/comments/{number(comment, 'id')}", {"body": body}, needs=_NEEDS)


def _add(client: Client, pull: int, body: str, author: Author) -> Author:
    path = f"/issues/{pull}/comments"
    try:
        made = client.send("POST", path, {"body": body}, needs=_NEEDS)
    except HostProblem as problem:
        if not problem.unsure:
            raise
        client.wait(_PAUSE)
        if _mine(client, pull, body.partition("\n")[0], author):
            return author
        made = client.send("POST", path, {"body": body}, needs=_NEEDS)
    login = at(made, "user", "login")
    return Author(login) if isinstance(login, str) else author


def _mine(client: Client, pull: int, marker: str, author: Author) -> list[Any]:
    """Return our comments, the oldest first."""
    listed = items(client.read(f"/issues/{pull}/comments?per_page=100"))
    marked = [one for one in listed if _text(at(one, "body")).partition("\n")[0] == marker and author.wrote(one)]
    return sorted(marked, key=lambda one: number(one, "id"))


def _text(body: Any) -> str:
    """Return a comment's text, as it is compared: GitHub's page writes other line ends."""
    return body.replace("\r\n", "\n").rstrip() if isinstance(body, str) else ""
