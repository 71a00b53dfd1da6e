"""What `show` and `history` answer in their plain forms: tuples, imported alone, since queries are quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # these are never decoded, and queries need no records
    from collections.abc import Mapping

    from mlops_ci.core.results.queries import RunningVersion


class Actor(NamedTuple):
    """Who made a tag: name and e-mail address of its tagger, who chose both freely, and the fingerprint of the SSH key in its signature.

    The signature is not verified here: `audit` does that.
    """

    name: str
    email: str
    key: str | None = None


class OwnerRow(NamedTuple):
    """A project of the repository, by name and folder, and its models."""

    name: str
    path: str
    models: tuple[str, ...] = ()


class ModelRow(NamedTuple):
    """One model in the registry: its highest version, what runs where, and the project that it belongs to.

    Other tools can assign a commit without a version; its id is shown instead. `evidence` are the sentences of the gate for the
    versions that run somewhere, or else for the highest one, by version.
    """

    model: str
    latest: str | None
    environments: Mapping[str, str]
    versions: tuple[str, ...]
    evidence: Mapping[str, str]
    deprecated: bool = False
    project: OwnerRow | None = None


class PendingRequest(NamedTuple):
    """A pull request, or a branch for one, that changes manifests and waits for its merge.

    `number` and `url` are known only where the git host was asked; else it may have been closed, or merged as another commit.
    """

    title: str
    branch: str
    number: int | None = None
    url: str | None = None


class ShowReport(NamedTuple):
    """The registry now, or as it was `at` a time; `running` is what runs where, where one model was asked for.

    `others` are the projects of the repository whose models are left out, because another project asked.
    """

    environments: tuple[str, ...]
    models: tuple[ModelRow, ...]
    running: tuple[RunningVersion, ...] = ()
    at: str | None = None
    others: tuple[OwnerRow, ...] = ()
    pending: tuple[PendingRequest, ...] = ()


class EventRow(NamedTuple):
    """One event: when (ISO 8601, UTC), its tag and that tag's object id, and who made it and why.

    `evidence` is the gate's sentence. `forced`: it brought back a model that had been taken back. `recorded` is false for the tags
    of other tools, which have no record. One that does not verify, or that was set aside, is not `in_force`.
    """

    on: str
    model: str
    event: str
    version: str
    environment: str | None
    tag: str
    oid: str
    commit: str
    actor: Actor
    reason: str | None = None
    evidence: str | None = None
    forced: bool = False
    recorded: bool = True
    in_force: bool = True


class HistoryReport(NamedTuple):
    """Events, the newest first; `at` is the time up to which they are told. `others` as in ShowReport."""

    events: tuple[EventRow, ...]
    at: str | None = None
    others: tuple[OwnerRow, ...] = ()
