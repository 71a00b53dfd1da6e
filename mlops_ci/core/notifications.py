"""What a plan wants the git host to be told, as values: comments, check runs, releases, deployments, pull requests, dispatches.

They come after the push, and only tell what git has already: one that fails is a warning, and changes no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Conclusion = Literal["success", "failure", "neutral"]


@dataclass(frozen=True)
class StickyComment:
    """The one comment that a workflow keeps on a pull request: found by its hidden `marker` and by who wrote it, else made."""

    pull: int
    marker: str  # of letters, digits, `-`, `.`, `_` and `/`
    body: str


@dataclass(frozen=True)
class CheckRun:
    """A check of a commit, with its verdict (`neutral`: not decided)."""

    name: str
    commit: str
    conclusion: Conclusion
    title: str
    summary: str


@dataclass(frozen=True)
class PublishRelease:
    """The host's release of a tag that is there, with a model card and a file with the tag's evidence; one that exists is left as it is.

    Where the host has immutable releases, nothing can be added to it afterwards.
    """

    tag: str
    title: str
    body: str
    evidence: bytes | None = None


@dataclass(frozen=True)
class RecordDeployment:
    """A deployment of a ref to an environment that has happened, with its state."""

    ref: str
    environment: str
    description: str
    task: Literal["deploy", "rollback"] = "deploy"


@dataclass(frozen=True)
class RecordArtifact:
    """Where a file of a model runs, by its SHA-256, for the page of the organisation that shows its artifacts."""

    name: str
    sha256: str
    version: str
    environment: str
    deployment: str  # what is replaced when the next version comes


@dataclass(frozen=True)
class OpenPullRequest:
    """A pull request from a branch of this repository to another; one that is open already is left as it is."""

    branch: str
    base: str
    title: str
    body: str


@dataclass(frozen=True)
class Dispatch:
    """A repository_dispatch event: what the job's own token pushes starts no workflow, this does."""

    event: str
    payload: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StartWorkflow:
    """A run of one of the repository's workflows (its file name) on a branch or tag, by workflow_dispatch."""

    workflow: str
    ref: str
    inputs: Mapping[str, str] = field(default_factory=dict)


Notification = (
    StickyComment
    | CheckRun
    | PublishRelease
    | RecordDeployment
    | RecordArtifact
    | OpenPullRequest
    | Dispatch
    | StartWorkflow
)


def describe_notification(one: Notification) -> str:
    """Return a notification in one line, as a plan shows it."""
    match one:
        case StickyComment():
            return f"comment  on pull request #{one.pull}"
        case CheckRun():
            return f"check    {one.name}: {one.conclusion} on {one.commit[:10]}"
        case PublishRelease():
            return f"release  {one.tag} on the host"
        case RecordDeployment():
            return f"deployed {one.ref} to {one.environment}, on the host"
        case RecordArtifact():
            return f"artifact {one.name} {one.version} in {one.environment}, on the host"
        case OpenPullRequest():
            return f"request  {one.branch} -> {one.base}"
        case Dispatch():
            return f"dispatch {one.event}"
        case StartWorkflow():
            return f"start    {one.workflow} on {one.ref}"
