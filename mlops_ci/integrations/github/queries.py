"""What steps ask GitHub: by a function that is given a path below the repository and answers with decoded JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mlops_ci.core.errors import HostProblem

Get = Callable[[str], Any]


def segment(text: str) -> str:
    """Return somebody's text as one part of a path or a query, which it cannot leave."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="", errors="replace")


def pulls_of(get: Get, sha: str) -> tuple[int, ...]:
    """Return the numbers of the open pull requests whose newest commit this is, smallest first. Raises HostProblem.

    GitHub does not find those from forks by their commit, so that all open ones are looked through where it finds none.
    """
    found = _heads(get(f"/commits/{segment(sha)}/pulls?per_page=100"), sha)
    return found or _heads(get("/pulls?state=open&per_page=100"), sha)


def _heads(pulls: Any, sha: str) -> tuple[int, ...]:
    mine = [pull for pull in items(pulls) if at(pull, "state") == "open" and at(pull, "head", "sha") == sha]
    return tuple(sorted({number(pull, "number") for pull in mine}))


def at(value: Any, *names: str) -> Any:
    """Return what stands in nested objects; None where it does not, whatever stands there instead."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def items(value: Any) -> list[Any]:
    """Return a list that GitHub answered with. Raises HostProblem when it is none."""
    if not isinstance(value, list):
        raise _misshapen("a list")
    return value


def number(value: Any, name: str) -> int:
    """Return a number, such as an id, that an object of GitHub's must have. Raises HostProblem when it does not."""
    found = at(value, name)
    if type(found) is not int or found < 1:
        raise _misshapen(f"an object with a number '{name}'")
    return found


def _misshapen(wanted: str) -> HostProblem:
    return HostProblem.of(
        "host-answer-invalid",
        f"what was answered is not {wanted}, as GitHub answers",
        help="see what stands between here and GitHub: a proxy, or a wrong GITHUB_API_URL",
        unsure=True,
    )
