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
from mlops_ci.integrations.github.client import GitHubClient
from mlops_ci.integrations.github.queries import get_nested, require_list, require_number
from mlops_ci.integrations.github.runner_files import cut_to_bytes

_PERMISSION = "pull-requests: write"
_MAX_BYTES = 60_000  # bytes: GitHub takes 65,536 characters
_MAX_ROUNDS = 3
_PAUSE = 2.0  # seconds that GitHub may take to show what it was told before its answer was lost


@dataclass(frozen=True)
class CommentAuthor:
    """Who writes with this token. A job's own token cannot ask that; what GitHub answers to a first comment says it."""

    login: str

    def is_author_of(self, comment: Any) -> bool:
        """Tell whether a comment is by this author: a person's login cannot end like that of a bot."""
        bot = not self.login.endswith("[bot]") or get_nested(comment, "user", "type") == "Bot"
        return bot and bool(get_nested(comment, "user", "login") == self.login)


def update_sticky_comment(client: GitHubClient, one: StickyComment, author: CommentAuthor, run: str) -> CommentAuthor:
    """Make the comment say what it is to say, and be the only one of its marker; return who wrote. Raises HostProblem."""
    marker = f"<!-- mlops-ci: {re.sub(r'[^A-Za-z0-9._/-]', '-', one.marker)} -->"
    pointer = f"\n\n_The rest was left out: [the run]({run}) has it all._\n"
    body = f"{marker}\n{cut_to_bytes(one.body, _MAX_BYTES, pointer)}"
    for left in reversed(range(_MAX_ROUNDS)):
        mine = _own_comments(client, one.pull, marker, author)
        if not mine:
            author = _add_comment(client, one.pull, body, author)
            mine = _own_comments(client, one.pull, marker, author)  # somebody else may have been as fast
        if not mine or _keep_oldest(client, mine, body, last=not left):
            break
    return author


def _keep_oldest(client: GitHubClient, mine: list[Any], body: str, *, last: bool) -> bool:
    """Write to the oldest, and only then delete the others; False when the oldest is gone."""
    oldest, *others = mine
    if _comparable_text(oldest.get("body")) != _comparable_text(body):
        try:
            _edit_comment(client, oldest, body)
        except HostProblem as problem:
            if problem.status != 404 or last:
                raise
            return False
    for other in others:
        try:
            client.send("DELETE", f"/issues/comments/{require_number(other, 'id')}", needs=_PERMISSION)
        except HostProblem as problem:
            if problem.status != 404:  # another job has deleted it
                raise
    return True


def _edit_comment(client: GitHubClient, comment: Any, body: str) -> None:
    client.send("PATCH", f"/issues/comments/{require_number(comment, 'id')}", {"body": body}, needs=_PERMISSION)


def _add_comment(client: GitHubClient, pull: int, body: str, author: CommentAuthor) -> CommentAuthor:
    path = f"/issues/{pull}/comments"
    try:
        made = client.send("POST", path, {"body": body}, needs=_PERMISSION)
    except HostProblem as problem:
        if not problem.unsure:
            raise
        client.wait(_PAUSE)
        if _own_comments(client, pull, body.partition("\n")[0], author):
            return author
        made = client.send("POST", path, {"body": body}, needs=_PERMISSION)
    login = get_nested(made, "user", "login")
    return CommentAuthor(login) if isinstance(login, str) else author


def _own_comments(client: GitHubClient, pull: int, marker: str, author: CommentAuthor) -> list[Any]:
    """Return our comments, the oldest first."""
    listed = require_list(client.read(f"/issues/{pull}/comments?per_page=100"))
    marked = [
        one
        for one in listed
        if _comparable_text(get_nested(one, "body")).partition("\n")[0] == marker and author.is_author_of(one)
    ]
    return sorted(marked, key=lambda one: require_number(one, "id"))


def _comparable_text(body: Any) -> str:
    """Return a comment's text, as it is compared: GitHub's page writes other line ends."""
    return body.replace("\r\n", "\n").rstrip() if isinstance(body, str) else ""
