"""What steps ask GitHub: by a function that is given a path below the repository and answers with decoded JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mlops_ci.core.errors import HostProblem

_GetJson = Callable[[str], Any]


def quote_segment(text: str) -> str:
    """Return somebody's text as one part of a path or a query, which it cannot leave."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="", errors="replace")


def find_pull_requests(get: _GetJson, sha: str) -> tuple[int, ...]:
    """Return the numbers of the open pull requests whose newest commit this is, smallest first. Raises HostProblem.

    GitHub does not find those from forks by their commit, so that all open ones are looked through where it finds none.
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
    """Return what stands in nested objects; None where it does not, whatever stands there instead."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def require_list(value: Any) -> list[Any]:
    """Return a list that GitHub answered with. Raises HostProblem when it is none."""
    if not isinstance(value, list):
        raise _shape_problem("a list")
    return value


def require_number(value: Any, name: str) -> int:
    """Return a number, such as an id, that an object of GitHub's must have. Raises HostProblem when it does not."""
    found = get_nested(value, name)
    if type(found) is not int or found < 1:
        raise _shape_problem(f"an object with a number '{name}'")
    return found


def _shape_problem(wanted: str) -> HostProblem:
    return HostProblem.of(
        "host-answer-invalid",
        f"what was answered is not {wanted}, as GitHub answers",
        help="see what stands between here and GitHub: a proxy, or a wrong GITHUB_API_URL",
        unsure=True,
    )
