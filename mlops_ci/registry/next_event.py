"""What the next event of a model is called, and which event it follows. Pure functions of the model's state."""

from __future__ import annotations

from typing import Literal

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import EventRef
from mlops_ci.registry.events import next_version, next_versions, version_key
from mlops_ci.registry.state import ModelState
from mlops_ci.repository.ref_listing import TAG_PREFIX


def find_highest_version(state: ModelState) -> str | None:
    """Return the highest version ever registered, also if it was deregistered: the next version is counted from it.

    A release that does not verify counts only if it has a version that could be next.
    """
    highest: str | None = None
    for event in state.events:
        if event.kind != "release" or (event.oid in state.unverified and event.version not in next_versions(highest)):
            continue
        if highest is None or version_key(event.version) > version_key(highest):
            highest = event.version
    return highest


def next_release_version(state: ModelState, bump: Literal["major", "minor", "patch"]) -> str:
    """Return the version after the highest one; one that a forged release has is left out.

    Raises Findings `tag-name-taken` if a tag that is no event has the name.
    """
    forged = {event.version for event in state.events if event.oid in state.unverified and event.kind == "release"}
    version = next_version(find_highest_version(state), bump)
    while version in forged:
        version = next_version(version, bump)
    if any(name.kind == "release" and name.version == version for name in state.occupied):
        tag = f"{state.model}@v{version}"
        raise Findings.of(
            "tag-name-taken",
            f"the next release is {tag}, and there is a lightweight tag of this name, which is no event",
            help=f"find out who made it (git show '{tag}'), and delete it here and at the remote: git tag -d '{tag}';"
            f" git push origin ':{TAG_PREFIX}{tag}'",
        )
    return version


def next_event_number(state: ModelState) -> int:
    """Return the number of the next event. One sequence, from 1, counts the events of all environments.

    A number of a tag that is no event, or of an event that does not verify, is left out: nobody blocks a rollback by making its
    tag first.
    """
    taken = {event.number for event in state.events if event.oid in state.unverified}
    taken |= {name.number for name in state.occupied}
    number = max((event.number for event in state.events if event.oid not in state.unverified), default=0) + 1
    while number in taken:
        number += 1
    return number


def find_predecessor(state: ModelState) -> EventRef | None:
    """Return the event that the next one follows: the newest one that the log has, or that verifies; None before the first.

    A tag that somebody wrote beside the log, and that does not verify, is no part of the chain. Without a log, it is the newest event.
    """
    logged = next((at for at, event in enumerate(state.events) if event.name == state.newest_logged), None)
    if logged is None:
        return state.last_event.ref if state.last_event else None
    later = [event for event in state.events[logged + 1 :] if event.oid not in state.unverified]
    return (later[-1] if later else state.events[logged]).ref
