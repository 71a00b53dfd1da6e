"""The records of events: releases, assignments and retirements, and the evidence that their tags carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlops_ci.core.choices import Trust
from mlops_ci.core.records.base import RECORD_FORMAT, EventRef, FileDigest, ProjectRef, Provenance
from mlops_ci.core.records.comparison import MetricValue, Verdict
from mlops_ci.core.records.training_run import ModelFormat
from mlops_ci.core.requirements import RequirementResult


@dataclass(frozen=True)
class DataRef:
    """The data a model learned from.

    `train_digest` and `train_rows` are of the training rows, as in Split; the gate's evidence has those of the holdout.
    `files_digest` and `schema_digest` are those of the DatasetSnapshot.
    """

    dataset: str
    train_digest: str
    train_rows: int
    schema_digest: str
    files_digest: str


@dataclass(frozen=True)
class GateEvidence:
    """What the gate said, short enough for a tag; `digest` is of the whole Comparison, which the run's tree holds.

    `confidence` is that of each test, `budget` how many questions share the error probability, where they are counted;
    tags of earlier versions tell neither.
    """

    digest: str
    verdict: Verdict
    sentence: str
    policy_digest: str
    holdout_digest: str
    holdout_rows: int
    champion_version: str | None
    metrics: tuple[MetricValue, ...]
    requirements: tuple[RequirementResult, ...]
    confidence: float | None = None
    budget: int | None = None


@dataclass(frozen=True)
class Approval:
    """Somebody's consent to a version in an environment: a signed tag object (`ref`), or what CI saw (`url`)."""

    kind: Literal["signature", "review", "environment"]
    actor: str
    on: str
    ref: EventRef | None = None
    url: str | None = None


@dataclass(frozen=True)
class ApprovalStatement:
    """What an approver signs: this very release may go into this environment."""

    model: str
    version: str
    environment: str
    release: EventRef
    model_files: tuple[FileDigest, ...]
    model_digest: str
    made_by: Provenance
    made_on: str
    reason: str | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Consent"] = "Consent"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class LedgerHead:
    """A ledger as a release found it: its ref, the commit that it ended at, and the place of the release's question (from 1)."""

    ref: str
    oid: str
    question: int


@dataclass(frozen=True)
class Release:
    """A version of a model with its evidence: digests of spec, data, environment, model files, holdout and gate.

    `run_key` is the training run's; `run_oid` is the commit that holds the gated run, pinned at refs/mlops/releases.
    `overrides` is the rollback that had abandoned this very model, where it was released again for a `reason`. `ledger` is
    there where questions to the holdout are counted.
    `occasion` is what the gate took it for: a change, or the champion's spec and code trained again. `policy_commit` is the commit
    of the branch whose policy the writer obeyed, so that a policy that is weakened later cannot excuse the event; all events have it.
    """

    model: str
    version: str
    commit: str
    spec_path: str
    spec_digest: str
    interface_digest: str
    seed: int
    code: tuple[FileDigest, ...]
    data: tuple[DataRef, ...]
    environment_digest: str
    model_digest: str
    model_format: ModelFormat
    model_files: tuple[FileDigest, ...]
    trusted: tuple[str, ...]
    run_key: str
    run_ref: str
    run_oid: str
    evidence: GateEvidence
    trust: Trust
    made_by: Provenance
    made_on: str
    reason: str | None = None
    overrides: EventRef | None = None
    previous: EventRef | None = None
    ledger: LedgerHead | None = None
    occasion: Literal["changed", "retrained"] | None = None
    policy_commit: str | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Release"] = "Release"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class DataLock:
    """On which rows the version that an environment runs has learned and was judged; it lies beside the manifests, as `data.lock`.

    The digests of both sides' rows are those of the release; `commit` has the `files`, whose paths count from mlops.yaml's folder.
    """

    dataset: str
    train_digest: str
    train_rows: int
    holdout_digest: str
    holdout_rows: int
    schema_digest: str
    files: tuple[FileDigest, ...]
    commit: str
    kind: Literal["DataLock"] = "DataLock"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class Assignment:
    """A version put into an environment; `rollback_of` is the one that ran there last, when it is a rollback.

    `overrides` is the event that had taken the model back, where it came back for a `reason`. `approvals_required` is what the policy of the branch asked for when it was made.
    `skipped` are the earlier environments that it went round, for the `reason`.
    """

    model: str
    version: str
    environment: str
    number: int
    release: EventRef
    model_files: tuple[FileDigest, ...]
    model_digest: str
    run_key: str
    train_digest: str
    manifests: tuple[FileDigest, ...]
    made_by: Provenance
    made_on: str
    reason: str | None = None
    skipped: tuple[str, ...] = ()
    rollback_of: str | None = None
    overrides: EventRef | None = None
    approvals: tuple[Approval, ...] = ()
    approvals_required: int = 0
    previous: EventRef | None = None
    policy_commit: str | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Assignment"] = "Assignment"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class Retirement:
    """Something taken back: a version from an environment, a version, the whole model (its newest version is named then), or an event.

    `sets_aside` is the event that a `set-aside` takes back: one that does not verify, so that nothing follows from it any more.
    """

    event: Literal["unassignment", "deregistration", "deprecation", "set-aside"]
    model: str
    version: str
    release: EventRef
    model_files: tuple[FileDigest, ...]
    reason: str
    made_by: Provenance
    made_on: str
    environment: str | None = None
    number: int = 0
    previous: EventRef | None = None
    sets_aside: EventRef | None = None
    policy_commit: str | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Retirement"] = "Retirement"
    format: Literal[1] = RECORD_FORMAT
