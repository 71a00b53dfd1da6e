"""What GitHub says of the repository, as values that can be trusted to have their form; or why it does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.errors import HostProblem

_GetJson = Callable[[str], Any]


@dataclass(frozen=True)
class UnknownAnswer:
    """Why something is not known. `missing`: GitHub says that there is none, or hides it from this token."""

    why: str
    is_missing: bool = False


class HostReader:
    """Asks GitHub, each question once. A refusal is an answer, too: it says why something is not known."""

    def __init__(self, get: _GetJson | None) -> None:
        self._get = get
        self._known: dict[str, Any] = {}

    def fetch(self, path: str) -> Any:
        """Return what is at a path below the repository, decoded, or Unknown."""
        if path not in self._known:
            self._known[path] = self._fetch_uncached(path)
        return self._known[path]

    def _fetch_uncached(self, path: str) -> Any:
        if self._get is None:
            return UnknownAnswer("there is no token to ask GitHub with")
        try:
            return self._get(path)
        except HostProblem as problem:
            return UnknownAnswer(_failure_reason(problem), problem.status == 404)


def _failure_reason(problem: HostProblem) -> str:
    match problem.status:
        case 401:
            return "GitHub does not take the token (401)"
        case 403:
            return "this token may not see it (403); a job's own token never sees what is for administrators"
        case 404:
            return f"GitHub has none, or hides it from this token (404): {problem}"
        case status if status is None or status < 400:
            return f"GitHub gave no answer that can be read: {problem}"
        case status:
            return f"GitHub answered with {status}: {problem}"


UNREADABLE_ANSWER = UnknownAnswer("GitHub's answer has another form than its API describes")


def dict_or_empty(value: Any) -> dict[str, Any]:
    """Return a value's fields; none where it has another form."""
    return value if isinstance(value, dict) else {}


def dicts_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list; nothing where it is none."""
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def strings_in(value: Any) -> tuple[str, ...]:
    """Return the texts of a list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def string_or_empty(value: Any) -> str:
    """Return a text; an empty one where it is none."""
    return value if isinstance(value, str) else ""


def join_names(names: list[str] | tuple[str, ...], most: int = 10) -> str:
    """Name things in a sentence, the first ones where they are many."""
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
