"""What happened, as frozen values that name their parents' digests. Their JSON (camelCase, `codec`) is what git keeps.

DatasetSnapshot -> TrainingRun -> Comparison (and the Question that it was) -> Release -> Assignment (with its DataLock) | Retirement. Digests are SHA-256 in hex unless said otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_ci.core.choices import CheckSeverity, Trust
from mlops_ci.core.requirements import RequirementResult

Scalar = str | int | float | bool | None
Verdict = Literal["pass", "fail", "inconclusive", "incomparable"]
RECORD_FORMAT: Literal[1] = 1  # of every record below; a reader refuses a newer one
# as `store` in project.schema.json, save `git`; a test holds them against each other
STORE_URL = re.compile(
    r"(?!.*/\.\.?(/|$))((s3|gs|abfs)://[A-Za-z0-9][A-Za-z0-9._-]*|file:///[A-Za-z0-9_=+,.@~-]+)(/[A-Za-z0-9_=+,.@~-]+)*/?"
)


@dataclass(frozen=True)
class ProjectRef:
    """The project that a record is of: its name, and the folder of its mlops.yaml in the repository (POSIX; `.` is the top)."""

    name: str
    path: str

    def __post_init__(self) -> None:
        """Refuse a path that could lead out of the repository: records are read from what others wrote."""
        if self.path != ".":
            _require_safe_path(self.path)


@dataclass(frozen=True)
class FileDigest:
    """A file of the repository or of a package: its path (POSIX, relative), SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        """Refuse a path that could lead out of the folder it is joined to: records are read from what others wrote."""
        _require_safe_path(self.path)


def _require_safe_path(path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path or not path.isprintable():
        raise ValueError(f"unsafe path {path!r}")


@dataclass(frozen=True)
class StoredFiles:
    """The model files of a run that are not in its tree: each is at `<url>/sha256/<its first two digits>/<its SHA-256>`."""

    url: str
    files: tuple[FileDigest, ...]
    kind: Literal["StoredFiles"] = "StoredFiles"
    format: Literal[1] = RECORD_FORMAT

    def __post_init__(self) -> None:
        """Refuse what `store` in mlops.yaml could not be: records are read from what others wrote."""
        if not STORE_URL.fullmatch(self.url):
            raise ValueError(f"not the URL of a store {self.url!r:.200}")
        if any(not re.fullmatch("[0-9a-f]{64}", file.sha256) or file.size < 0 for file in self.files):
            raise ValueError("not a SHA-256 with a size")


@dataclass(frozen=True)
class ColumnProfile:
    """One column as the data have it. `mean` and `std` are of numbers only; `minimum` and `maximum` are text for dates."""

    name: str
    type: str
    nulls: int
    minimum: Scalar = None
    maximum: Scalar = None
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class CheckResult:
    """One check's answer. `failing` counts rows where the check is about rows; `samples` are at most five of them."""

    check: str
    wanted: str
    observed: str
    passed: bool
    severity: CheckSeverity = "error"
    column: str | None = None
    failing: int | None = None
    samples: tuple[Mapping[str, Scalar], ...] = ()


@dataclass(frozen=True)
class DatasetSnapshot:
    """A dataset as it was read: `digest` is of the content, whatever the order of rows or the layout of files."""

    dataset: str
    spec_digest: str
    digest: str
    rows: int
    files: tuple[FileDigest, ...]
    columns: tuple[ColumnProfile, ...]
    schema_digest: str
    checks: tuple[CheckResult, ...]
    project: ProjectRef = field(kw_only=True)
    kind: Literal["DatasetSnapshot"] = "DatasetSnapshot"
    format: Literal[1] = RECORD_FORMAT

    @property
    def has_passed(self) -> bool:
        """Whether no check of severity `error` failed."""
        return all(check.passed or check.severity == "warn" for check in self.checks)


@dataclass(frozen=True)
class Split:
    """Which rows a model may learn from. Digests are of the rows' content, as in DatasetSnapshot.

    By time, `cutoff` is the holdout's first moment, of the column `time`; runs of earlier versions do not tell them.
    """

    by: str
    epoch: int
    fraction: float
    train_rows: int
    train_digest: str
    holdout_rows: int
    holdout_digest: str
    cutoff: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class TrainingEnvironment:
    """What the model was trained with. Only `python` and `packages` identify a run; the rest explains differences."""

    python: str
    packages: Mapping[str, str]
    platform: str = ""
    cpu: str = ""
    threadpools: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, object]:
        """The part that a run's key depends on."""
        return {"python": self.python, "packages": dict(self.packages)}


@dataclass(frozen=True)
class ModelField:
    """One input or output column of a model; `type` is a spec column type."""

    name: str
    type: str


@dataclass(frozen=True)
class ModelSignature:
    """What a model takes and gives. `classes` are the target's labels in the order of the probabilities' columns."""

    inputs: tuple[ModelField, ...]
    output: ModelField
    classes: tuple[str | int | bool, ...] = ()


@dataclass(frozen=True)
class ModelFormat:
    """How a model is packaged: the format's name, and the file of the package that holds the model."""

    name: str
    entry_file: str

    def find_entry(self, files: Iterable[FileDigest]) -> FileDigest:
        """Return the entry file among a package's files; raises ValueError when it is not there."""
        for file in files:
            if file.path == self.entry_file:
                return file
        raise ValueError(f"a package in the format {self.name!r:.100} has no file {self.entry_file!r:.200}")


@dataclass(frozen=True)
class TrainingRun:
    """A fitted, packaged candidate. `key` names it by everything that went in; `model_digest` by what came out (structural).

    `row_key` are the columns that the split went by, `params` the estimator's as the spec gives them; runs of earlier
    versions do not tell them.
    """

    key: str
    model: str
    task: Literal["binary-classification", "multiclass-classification", "regression"]
    dataset: str
    spec_path: str
    spec_digest: str
    interface_digest: str
    code: tuple[FileDigest, ...]
    data_digest: str
    schema_digest: str
    split: Split
    row_key: tuple[str, ...]
    environment: TrainingEnvironment
    seed: int
    estimator: str
    trusted: tuple[str, ...]
    signature: ModelSignature
    model_digest: str
    model_format: ModelFormat
    files: tuple[FileDigest, ...]
    started_on: str
    seconds: float
    params: Mapping[str, Any] | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["TrainingRun"] = "TrainingRun"
    format: Literal[1] = RECORD_FORMAT

    def __post_init__(self) -> None:
        """Refuse a package without its entry file: records are read from what others wrote."""
        self.model_format.find_entry(self.files)


@dataclass(frozen=True)
class MetricValue:
    """A metric on the holdout or a slice of it, with its two-sided interval at the gate's confidence where it has one."""

    metric: str
    value: float
    lower: float | None = None
    upper: float | None = None
    slice: str | None = None
    rows: int = 0


@dataclass(frozen=True)
class ComparedRelease:
    """A released version that a candidate is measured against; `excluded` holdout rows were its to learn from, and left out."""

    version: str
    run: str
    model_digest: str
    release_oid: str
    metrics: tuple[MetricValue, ...] = ()
    excluded: int = 0


@dataclass(frozen=True)
class HoldoutQuestion:
    """What an answer of the gate cost: one of `budget` questions to an epoch of a dataset's holdout.

    `number` is the question's place in the ledger, from 1. A run keeps none: whoever loses the race for a place takes another.
    """

    dataset: str
    epoch: int
    budget: int
    number: int | None = None


@dataclass(frozen=True)
class Comparison:
    """The gate's answer for one candidate. `champion` is None only when `champion_state` says that there is none.

    `confidence` is that of each test; `asked` what led to it, where questions are counted.
    """

    key: str
    model: str
    run: str
    model_digest: str
    champion_state: Literal["none", "same", "compared", "incomparable"]
    holdout_digest: str
    holdout_rows: int
    policy_digest: str
    confidence: float
    metrics: tuple[MetricValue, ...]
    requirements: tuple[RequirementResult, ...]
    verdict: Verdict
    sentence: str
    champion: ComparedRelease | None = None
    holdout_question: HoldoutQuestion | None = None
    anchor: ComparedRelease | None = None
    occasion: Literal["changed", "retrained"] | None = None
    rules_source: str | None = (
        None  # the branch and commit whose rules these were, where they are not the candidate's own
    )
    trust: Trust | None = (
        None  # of the place where it was judged; earlier versions do not tell, and it was somebody's machine
    )
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Comparison"] = "Comparison"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class HoldoutLedgerEntry:
    """A model that was judged on a holdout: what the ledger of its dataset and epoch keeps, one commit each."""

    dataset: str
    epoch: int
    holdout_digest: str
    model_digest: str
    model: str
    run: str
    asked_on: str
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Question"] = "Question"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class EventRef:
    """An event in git: the tag's name and the tag object's id."""

    name: str
    oid: str


@dataclass(frozen=True)
class Provenance:
    """Who and what made an event: the person or bot, the toolkit's version, and the CI run where there was one."""

    actor: str
    toolkit: str
    workflow: str | None = None
    run_url: str | None = None


@dataclass(frozen=True)
class DataRef:
    """The data a model learned from: its content digest, rows, and the digest of its columns' names and types."""

    dataset: str
    digest: str
    rows: int
    schema_digest: str


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
    `occasion` is what the gate took it for: a change, or the champion's spec and code trained again.
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
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Release"] = "Release"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class DataLock:
    """On which data the version that an environment runs has learned; it lies beside the manifests, as `data.lock`.

    `digest` and `schema_digest` are as in DatasetSnapshot; `commit` has the `files`, whose paths count from mlops.yaml's folder.
    """

    dataset: str
    digest: str
    rows: int
    schema_digest: str
    files: tuple[FileDigest, ...]
    commit: str
    kind: Literal["DataLock"] = "DataLock"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class Assignment:
    """A version put into an environment; `rollback_of` is the one that ran there last, when it is a rollback.

    `overrides` is the event that had taken the model back, where it came back for a `reason`. `approvals_required` is what the policy of the branch asked for when it was made.
    """

    model: str
    version: str
    environment: str
    number: int
    release: EventRef
    model_files: tuple[FileDigest, ...]
    model_digest: str
    run_key: str
    data_digest: str
    manifests: tuple[FileDigest, ...]
    made_by: Provenance
    made_on: str
    reason: str | None = None
    rollback_of: str | None = None
    overrides: EventRef | None = None
    approvals: tuple[Approval, ...] = ()
    approvals_required: int = 0
    previous: EventRef | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Assignment"] = "Assignment"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class Retirement:
    """Something taken back: a version from an environment, a version, or the whole model (its newest version is named then)."""

    event: Literal["unassignment", "deregistration", "deprecation"]
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
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Retirement"] = "Retirement"
    format: Literal[1] = RECORD_FORMAT
