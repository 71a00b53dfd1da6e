"""Queries to GitHub. They use a function that takes a path below the repository and returns decoded JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mlops_ci.core.errors import HostProblem

_GetJson = Callable[[str], Any]


def quote_segment(text: str) -> str:
    """Return untrusted text, quoted as one segment of a path or one value of a query."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="", errors="replace")


def find_pull_requests(get: _GetJson, sha: str) -> tuple[int, ...]:
    """Return the numbers of the open pull requests with this newest commit, smallest first. Raises HostProblem.

    GitHub does not find pull requests from forks by commit, so all open ones are searched if GitHub finds none.
    """
    found = _numbers_with_head(get(f"/commits/{quote_segment(sha)}/pulls?per_page=100"), sha)
    return found or _numbers_with_head(get("/pulls?state=open&per_page=100"), sha)


def _numbers_with_head(pulls: Any, sha: str) -> tuple[int, ...]:
    mine = [
        pull
        for pull in require_list(pulls)
        if get_nested(pull, "state") == "open" and get_nested(pull, "head", "sha") == sha
    ]
    return tuple(sorted({require_number(pull, "number") for pull in mine}))


def get_nested(value: Any, *names: str) -> Any:
    """Return the value at a path of names in nested objects; None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def require_list(value: Any) -> list[Any]:
    """Return the value if it is a list; raises HostProblem otherwise."""
    if not isinstance(value, list):
        raise _shape_problem("a list")
    return value


def require_number(value: Any, name: str) -> int:
    """Return the positive number with this name, such as an id, of an object; raises HostProblem if it has none."""
    found = get_nested(value, name)
    if type(found) is not int or found < 1:
        raise _shape_problem(f"an object with a number '{name}'")
    return found


def _shape_problem(wanted: str) -> HostProblem:
    return HostProblem.of(
        "host-answer-invalid",
        f"GitHub's API should return {wanted}, but the response is something else",
        help="check for a proxy between this machine and GitHub, and check GITHUB_API_URL",
        unsure=True,
    )
