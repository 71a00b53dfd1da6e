"""What steps ask GitHub: by a function that is given a path below the repository and answers with decoded JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mlops_ci.errors import HostProblem

Get = Callable[[str], Any]


def segment(text: str) -> str:
    """Return somebody's text as one part of a path or a query, which it cannot leave."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def pulls_of(get: Get, sha: str) -> tuple[int, ...]:
    """Return the numbers of the open pull requests whose newest commit this is, smallest first. Raises HostProblem.

    GitHub does not find those from forks by their commit, so that all open ones are looked through where it finds none.
    """
    found = _heads(get(f"/commits/{segment(sha)}/pulls?per_page=100"), sha)
    return found or _heads(get("/pulls?state=open&per_page=100"), sha)


def _heads(pulls: Any, sha: str) -> tuple[int, ...]:
    if not isinstance(pulls, list):
        raise HostProblem.of(
            "host-answer-invalid",
            "the list of pull requests is no list",
            help="see what stands between here and GitHub: a proxy, or a wrong GITHUB_API_URL",
        )
    return tuple(sorted({pull["number"] for pull in pulls if _is_open(pull, sha)}))


def _is_open(pull: Any, sha: str) -> bool:
    if not isinstance(pull, dict) or type(pull.get("number")) is not int or pull["number"] < 1:
        return False
    head = pull.get("head")
    return pull.get("state") == "open" and isinstance(head, dict) and head.get("sha") == sha
