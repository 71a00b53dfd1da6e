"""What the verbs that write answer: releases, deployments, what is taken back, files, runs that go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_ci.core.records.base import FileDigest


@dataclass(frozen=True)
class InitReport:
    """What `init` wrote, what it left as it was, and what to do next."""

    folder: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    next: tuple[str, ...]


@dataclass(frozen=True)
class ReleaseResult:
    """A model's release, or why there is none: it is there already, it has not been through the gate, or else `held`.

    `environment` is the first one that has a Deployment spec of the model.
    """

    model: str
    version: str
    state: Literal["released", "unchanged", "ungated", "held"]
    sentence: str
    environment: str | None = None


@dataclass(frozen=True)
class ReleaseReport:
    """What `release` tagged."""

    models: tuple[ReleaseResult, ...]


@dataclass(frozen=True)
class DeployReport:
    """Where a version went.

    `requested`: `branch` carries the manifests as a pull request; after its merge, the command `again` makes the assignment.
    """

    model: str
    version: str
    environment: str
    state: Literal["assigned", "unchanged", "requested"]
    folder: str
    number: int | None = None
    replaced: str | None = None
    branch: str | None = None
    follow_up_command: str | None = None
    reason: str | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApproveReport:
    """Whose approval of a version for an environment was signed, how many it has by it, and how many are asked for."""

    model: str
    version: str
    environment: str
    state: Literal["approved", "unchanged"]
    signer: str
    ref: str
    approvals: int
    required: int


@dataclass(frozen=True)
class RetireReport:
    """What was taken back, and by which tags; `version` is None for a whole model. `requested` is as in DeployReport.

    `set_aside` is the tag of the event that was set aside.
    """

    model: str
    event: Literal["unassignment", "deregistration", "deprecation", "set-aside"]
    state: Literal["retired", "unchanged", "requested"]
    reason: str
    version: str | None = None
    environment: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    branch: str | None = None
    follow_up_command: str | None = None
    set_aside: str | None = None


@dataclass(frozen=True)
class FetchReport:
    """A model's files as written, and the lines of Python that load it and predict."""

    model: str
    version: str
    folder: str
    files: tuple[FileDigest, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class TablePredictionsReport:
    """A table that a released model predicted: the file of its predictions, their number, and the file's columns."""

    model: str
    version: str
    table: str
    out: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class SweepResult:
    """How many runs or objects stay, by reason, and the names of those that go; `size` is in bytes, where it is known."""

    kept: Mapping[str, int]
    removed: tuple[str, ...]
    size: int | None = None


@dataclass(frozen=True)
class GcReport:
    """What `gc` removes. `objects` is None where git keeps every file."""

    keep: str
    runs: SweepResult
    objects: SweepResult | None = None
