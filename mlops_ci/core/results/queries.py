"""What the verbs that look closer answer: what runs and why, experiments, differences, audits, reproductions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlops_ci.core.records.base import EventRef, FileDigest
from mlops_ci.core.records.comparison import MetricValue, Verdict
from mlops_ci.core.records.events import Approval, DataRef
from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.registry import Actor


@dataclass(frozen=True)
class RunningVersion:
    """What an environment runs: since when, by whom and why, with which approvals, on which evidence and data.

    `since` is when this version came, `assigned_on` when it was last assigned; what only records tell is None for tags of
    other tools. `by` is who the record names, `actor` who made the tag. `forced`: the model had been taken back before.
    """

    environment: str
    version: str
    since: str
    assigned_on: str
    event: str
    by: str
    actor: Actor
    tag: EventRef
    commit: str
    forced: bool = False
    reason: str | None = None
    rollback_of: str | None = None
    run_url: str | None = None
    approvals: tuple[Approval, ...] = ()
    approvals_required: int = 0
    release: EventRef | None = None
    released_on: str | None = None
    released_by: str | None = None
    verdict: Verdict | None = None
    evidence: str | None = None
    data: tuple[DataRef, ...] = ()
    spec_path: str | None = None
    model_digest: str | None = None
    model_files: tuple[FileDigest, ...] = ()
    run: str | None = None
    reproduce_command: str | None = None


@dataclass(frozen=True)
class RunRow:
    """One experiment: `key` names it, `run` its training, of which there may be several by what they were judged against.

    `differs` has only what is not the same in all of the model's runs; `verdict` is None before the gate.
    """

    key: str
    run: str
    ref: str
    on: str
    estimator: str
    differs: Mapping[str, str]
    metrics: Mapping[str, float]
    verdict: Verdict | None
    version: str | None


@dataclass(frozen=True)
class ModelRuns:
    """A model's experiments, the newest first; `differing` and `metrics` are the names that their columns have."""

    model: str
    differing: tuple[str, ...]
    metrics: tuple[str, ...]
    runs: tuple[RunRow, ...]


@dataclass(frozen=True)
class RunsReport:
    """The experiments that this clone holds; `fetch` is the command that brings those of others."""

    models: tuple[ModelRuns, ...]
    fetch_command: str | None = None


@dataclass(frozen=True)
class FieldChange:
    """One thing that is not the same on both sides; None where a side has no such thing."""

    field: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class MetricChange:
    """A metric on both sides; `difference` is the later minus the earlier, and `better` whether that is the good direction."""

    metric: str
    before: MetricValue | None
    after: MetricValue | None
    difference: float | None
    better: bool | None


@dataclass(frozen=True)
class FileChange:
    """A file of the packaged model on both sides: sizes in bytes, None where it is missing."""

    path: str
    before: int | None
    after: int | None
    same: bool


@dataclass(frozen=True)
class DiffSide:
    """One of two runs that are compared; `version` and `commit` where it is released."""

    name: str
    model: str
    run: str
    model_digest: str
    on: str
    version: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class DiffReport:
    """Two versions or runs side by side. Every section but `metrics` and `files` holds only what differs.

    `same_holdout` tells whether the metrics are of the same rows; None when a side has none.
    """

    before: DiffSide
    after: DiffSide
    same_model: bool
    same_holdout: bool | None
    spec: tuple[FieldChange, ...]
    data: tuple[FieldChange, ...]
    metrics: tuple[MetricChange, ...]
    environment: tuple[FieldChange, ...]
    code: tuple[FieldChange, ...]
    gate: tuple[FieldChange, ...]
    files: tuple[FileChange, ...]


@dataclass(frozen=True)
class AuditedModel:
    """One model that was audited. `head` is that of its log: kept, it is what a later `--since` asks for."""

    model: str
    events: int
    versions: int
    head: str | None


@dataclass(frozen=True)
class AuditedLedger:
    """One ledger of questions to a holdout; its `head`, too, is what a later `--since` asks for."""

    ref: str
    questions: int
    head: str


@dataclass(frozen=True)
class AuditReport:
    """How much was verified, so that no findings mean something. `commit` is of the branch whose specs were used.

    `bytes` are of everything that was read of released runs; `elsewhere` counts model files at a URL, which were not read. The remote
    named the branch as its default one at `branch_asked` (ISO 8601), so long ago; both are None where it was not asked for.
    """

    branch: str | None
    commit: str | None
    models: tuple[AuditedModel, ...]
    events: int
    signatures: int
    runs: int
    files: int
    external_files: int
    bytes: int
    manifests: int
    approvals: int
    ledgers: tuple[AuditedLedger, ...] = ()
    branch_asked: str | None = None
    branch_age_seconds: int | None = None


@dataclass(frozen=True)
class RecordedDifference:
    """One thing that is not as it was: its name, what was recorded, and what was found (None: nothing)."""

    what: str
    recorded: str | None
    found: str | None


CauseKind = Literal["data", "commit", "library", "cpu", "unseeded", "toolkit", "unexplained"]


@dataclass(frozen=True)
class Cause:
    """Why a model could not be made again exactly, and the evidence for it."""

    kind: CauseKind
    sentence: str
    evidence: tuple[RecordedDifference, ...] = ()


@dataclass(frozen=True)
class ReproductionEnvironment:
    """What a model was made again in: the environment at hand (`built_by` None), or one that was built; never both.

    `problem` says why the recorded one could not be built, where that was tried.
    """

    environment: TrainingEnvironment
    built_by: Literal["uv", "pip"] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ReproduceReport:
    """Whether a release can be made again. `reproduced` are the structural digests of the trainings here, at most two.

    `compared` is the strongest comparison that was needed: of structure, of predictions for the golden `rows`, or none.
    `changed` and `difference`: in how many of the rows the answer is another one, and how far apart the others are at
    most (`learn.golden.Agreement`); `tolerance` is what may be.
    """

    release: str
    commit: str
    run: str
    state: Literal["identical", "equivalent", "different"]
    compared: Literal["nothing", "structure", "predictions"]
    recorded: str
    recorded_environment: TrainingEnvironment
    reproduced: tuple[str, ...] = ()
    rows: int = 0
    changed: int = 0
    difference: float | None = None
    tolerance: float = 0.0
    causes: tuple[Cause, ...] = ()
    used: ReproductionEnvironment | None = None
    seconds: float = 0.0
