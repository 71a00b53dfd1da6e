"""The single comment that a workflow maintains on a pull request.

A comment is ours if it has the marker and the right author: anybody can copy a marker, but nobody can use our account.
Concurrent jobs need no lock: each edits the oldest of our comments, then deletes the others.
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
_MAX_BYTES = 60_000  # bytes: GitHub accepts 65,536 characters
_MAX_ROUNDS = 3
_PAUSE = 2.0  # seconds until GitHub shows a write whose response was lost


@dataclass(frozen=True)
class CommentAuthor:
    """The account of the token. A job's own token cannot query it; GitHub's response to the first comment names it."""

    login: str

    def is_author_of(self, comment: Any) -> bool:
        """Return whether this author wrote the comment; a login that ends in `[bot]` must belong to a bot."""
        bot = not self.login.endswith("[bot]") or get_nested(comment, "user", "type") == "Bot"
        return bot and bool(get_nested(comment, "user", "login") == self.login)


def update_sticky_comment(client: GitHubClient, one: StickyComment, author: CommentAuthor, run: str) -> CommentAuthor:
    """Write the comment, delete our other comments with its marker, and return the author. Raises HostProblem."""
    marker = f"<!-- mlops-ci: {re.sub(r'[^A-Za-z0-9._/-]', '-', one.marker)} -->"
    pointer = f"\n\n_The rest is omitted: [the run]({run}) has everything._\n"
    body = f"{marker}\n{cut_to_bytes(one.body, _MAX_BYTES, pointer)}"
    for rounds_left in reversed(range(_MAX_ROUNDS)):
        mine = _own_comments(client, one.pull, marker, author)
        if not mine:
            author = _add_comment(client, one.pull, body, author)
            mine = _own_comments(client, one.pull, marker, author)  # a concurrent job may have added one, too
        if not mine or _keep_oldest(client, mine, body, last=not rounds_left):
            break
    return author


def _keep_oldest(client: GitHubClient, mine: list[Any], body: str, *, last: bool) -> bool:
    """Edit the oldest comment, then delete the others; return False if the oldest no longer exists."""
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
            if problem.status != 404:  # a missing comment is fine: another job has deleted it
                raise
    return True


def _edit_comment(client: GitHubClient, comment: Any, body: str) -> None:
    client.send("PATCH", f"/issues/comments/{require_number(comment, 'id')}", {"body": body}, needs=_PERMISSION)


def _add_comment(client: GitHubClient, pull: int, body: str, author: CommentAuthor) -> CommentAuthor:
    path = f"/issues/{pull}/comments"
    try:
        comment = client.send("POST", path, {"body": body}, needs=_PERMISSION)
    except HostProblem as problem:
        if not problem.unsure:
            raise
        client.wait(_PAUSE)
        if _own_comments(client, pull, body.partition("\n")[0], author):
            return author
        comment = client.send("POST", path, {"body": body}, needs=_PERMISSION)
    login = get_nested(comment, "user", "login")
    return CommentAuthor(login) if isinstance(login, str) else author


def _own_comments(client: GitHubClient, pull: int, marker: str, author: CommentAuthor) -> list[Any]:
    """Return our comments with the marker, the oldest first."""
    listed = require_list(client.read(f"/issues/{pull}/comments?per_page=100"))
    marked = [
        one
        for one in listed
        if _comparable_text(get_nested(one, "body")).partition("\n")[0] == marker and author.is_author_of(one)
    ]
    return sorted(marked, key=lambda one: require_number(one, "id"))


def _comparable_text(body: Any) -> str:
    """Return a comment's text for a comparison: GitHub's website writes other line ends."""
    return body.replace("\r\n", "\n").rstrip() if isinstance(body, str) else ""
