"""What `show` and `history` answer in their plain forms: tuples, imported alone, since queries are quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # these are never decoded, and queries need no records
    from collections.abc import Mapping

    from mlops_ci.core.results.queries import RunningVersion


class ModelRow(NamedTuple):
    """One model in the registry: its highest version and what runs where.

    Other tools can assign a commit without a version; its id is shown instead.
    """

    model: str
    latest: str | None
    environments: Mapping[str, str]
    versions: tuple[str, ...]
    evidence: str | None = None
    deprecated: bool = False


class ShowReport(NamedTuple):
    """The registry now, or as it was `at` a time; `running` is what runs where, where one model was asked for."""

    environments: tuple[str, ...]
    models: tuple[ModelRow, ...]
    running: tuple[RunningVersion, ...] = ()
    at: str | None = None


class EventRow(NamedTuple):
    """One event, for people."""

    on: str
    model: str
    event: str
    version: str
    environment: str | None
    tag: str
    commit: str
    actor: str
    sentence: str


class HistoryReport(NamedTuple):
    """Events, the newest first; `at` is the time up to which they are told."""

    events: tuple[EventRow, ...]
    at: str | None = None
