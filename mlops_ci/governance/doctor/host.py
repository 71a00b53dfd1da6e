"""GitHub's answers about the repository as validated values, or the reason why there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.errors import HostProblem

_GetJson = Callable[[str], Any]


@dataclass(frozen=True)
class UnknownAnswer:
    """The reason why a value is unknown, and the HTTP status of GitHub's refusal, if it was one."""

    why: str
    status: int | None = None


class HostReader:
    """Reads GitHub's API and caches each answer. A refused request is an answer too: it says why a value is unknown."""

    def __init__(self, get: _GetJson | None) -> None:
        self._get = get
        self._known: dict[str, Any] = {}

    def fetch(self, path: str) -> Any:
        """Return the decoded JSON at an API path below the repository, or an UnknownAnswer."""
        if path not in self._known:
            self._known[path] = self._fetch_uncached(path)
        return self._known[path]

    def _fetch_uncached(self, path: str) -> Any:
        if self._get is None:
            return UnknownAnswer("there is no token for GitHub")
        try:
            return self._get(path)
        except HostProblem as problem:
            return UnknownAnswer(_failure_reason(problem), problem.status)


def _failure_reason(problem: HostProblem) -> str:
    match problem.status:
        case 401:
            return "GitHub does not accept the token (401)"
        case 403:
            return "this token has no permission to read this setting (403); a job's own token cannot read administrators' settings"
        case 404:
            return f"GitHub does not have this setting, or hides it from this token (404): {problem}"
        case status if status is None or status < 400:
            return f"GitHub gave no readable answer: {problem}"
        case status:
            return f"GitHub answered with {status}: {problem}"


UNREADABLE_ANSWER = UnknownAnswer("GitHub's answer does not have the form that its API documents")


def dict_or_empty(value: Any) -> dict[str, Any]:
    """Return a value if it is a dict, else an empty dict."""
    return value if isinstance(value, dict) else {}


def dicts_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the dicts in a value if it is a list, else nothing."""
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def strings_in(value: Any) -> tuple[str, ...]:
    """Return the strings in a value if it is a list, else nothing."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def string_or_empty(value: Any) -> str:
    """Return a value if it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def join_names(names: list[str] | tuple[str, ...], most: int = 10) -> str:
    """Return names joined with commas, at most `most` of them and the number of the others."""
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
