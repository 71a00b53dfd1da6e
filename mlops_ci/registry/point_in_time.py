"""The registry at an earlier point: `--at` names a time, an event or a commit."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from mlops_ci.core.errors import UsageProblem
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import LOG_PREFIX
from mlops_ci.repository.refs import LATEST_DATE

_COMMITTER = re.compile(rb"^committer .*> (\d+) [+-]\d{4}$", re.MULTILINE)


def state_at(repo: Repository | None, registry: RegistryState, at: str) -> tuple[RegistryState, str]:
    """Return the registry at an earlier point, and the time of that point (ISO 8601, UTC).

    `at` is one of these:
    - a time, or a date (the end of that day), in ISO 8601; UTC unless it has a time zone;
    - an event's tag or a commit of a log: its model up to exactly that event, the other models up to the event's time;
    - any other commit: all models up to its committer time.

    Raises UsageProblem `at-unknown` for any other value.
    """
    if (seconds := _parse_time(at)) is not None:
        return registry.rewind_to(seconds), _format_time(seconds)
    through = _find_event(registry, at)
    commit = repo.resolve(f"{at}^{{commit}}") if repo and through is None else None
    if repo is not None and commit is not None:
        through = _find_logged_event(repo, registry, commit)
        seconds = None if through else _read_commit_time(repo, commit)
    if through is not None:
        return registry.rewind_to(through.date, through), _format_time(through.date)
    if seconds is None:
        raise UsageProblem.of(
            "at-unknown",
            f"'{at}' is neither a time nor a commit of this clone",
            help="give a date (2026-11-01 means the end of that day), a time (2026-11-01T12:00, in UTC unless it has a zone such"
            " as +02:00), a tag from `mlops-ci history`, or a commit; if only the remote has the commit, fetch it first",
        )
    return registry.rewind_to(seconds), _format_time(seconds)


def _parse_time(text: str) -> int | None:
    try:
        when = datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    except ValueError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            return None
    seconds = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    return min(max(seconds, 0), LATEST_DATE)


def _find_event(registry: RegistryState, name: str) -> Event | None:
    """Return the event of a tag, named with or without refs/tags/."""
    wanted = name.removeprefix("refs/tags/")
    return next((event for state in registry.models.values() for event in state.events if event.name == wanted), None)


def _find_logged_event(repo: Repository, registry: RegistryState, commit: str) -> Event | None:
    """Return the event of a log's commit; None for a commit that is in no log.

    Raises UsageProblem `at-unknown` when the event's tag is not in this clone: the state at that event is then unknown.
    """
    logs = repo.refs_containing(commit, LOG_PREFIX)
    if not logs:
        return None
    name = (_read_content(repo, commit).partition(b"\n\n")[2]).decode("utf-8", "replace").strip()
    events = (event for log in logs for event in registry.model(log.removeprefix(LOG_PREFIX)).events)
    found = next((event for event in events if event.name == name), None)
    if found is None:
        raise UsageProblem.of(
            "at-unknown",
            f"commit {commit[:10]} is the entry for the tag '{name}' in {logs[0]}, but this clone does not have that tag",
            help="git fetch --tags; if the remote does not have the tag either, it was deleted: run `mlops-ci audit`",
        )
    return found


def _read_commit_time(repo: Repository, commit: str) -> int | None:
    found = _COMMITTER.search(_read_content(repo, commit).partition(b"\n\n")[0])
    return min(int(found.group(1)), LATEST_DATE) if found else None


def _read_content(repo: Repository, commit: str) -> bytes:
    return next(repo.read_objects([commit])) or b""


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
