"""The records of training: a dataset as it was read, and the run that fitted a model to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_ci.core.choices import CheckSeverity
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.base import RECORD_FORMAT, FileDigest, ProjectRef, Scalar

# as `store` in project.schema.json, save `git`; a test holds them against each other
STORE_URL = re.compile(
    r"(?!.*/\.\.?(/|$))((s3|gs|abfs)://[A-Za-z0-9][A-Za-z0-9._-]*|file:///[A-Za-z0-9_=+,.@~-]+)(/[A-Za-z0-9_=+,.@~-]+)*/?"
)


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
    """A dataset as it was read: the SHA-256 of every file names it. Digests of its rows are in the Split."""

    dataset: str
    spec_digest: str
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

    @property
    def files_digest(self) -> str:
        """The digest of the files' paths, SHA-256 and sizes, in the order of their paths."""
        return digest_json(sorted([file.path, file.sha256, file.size] for file in self.files))


@dataclass(frozen=True)
class Split:
    """Which rows a model may learn from.

    Each digest is of one side's rows in the columns that a model uses (key, group, features, target), whatever the order
    of rows and columns or the layout of files; repeated rows count. A sealed holdout that is not open has an empty one.
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
class Fit:
    """What one training process gave, before its model file was inspected; `seconds` is the time of the fit.

    `rounds` are those of a fit that stopped by validation rows.
    """

    file: FileDigest
    estimator: str
    threadpools: tuple[str, ...]
    seconds: float
    started_on: str
    rounds: int | None = None
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class TrainingRun:
    """A fitted, packaged candidate. `key` names it by everything that went in; `model_digest` by what came out (structural).

    `row_key` are the columns that the split went by, `params` the estimator's as the spec gives them, `personal`
    the columns of the training that are tagged as personal data; runs of earlier versions do not tell them. `text` are
    the features that are read as words. `weights`, `fit` and `columns` are those of the spec. `rounds` is the number of rounds that
    the model uses, if its fit stopped by validation rows.
    """

    key: str
    model: str
    task: Literal["binary-classification", "multiclass-classification", "regression"]
    dataset: str
    spec_path: str
    spec_digest: str
    interface_digest: str
    code: tuple[FileDigest, ...]
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
    text: tuple[str, ...] = ()
    personal: tuple[str, ...] | None = None
    weights: str | None = None
    fit: Mapping[str, Any] | None = None
    rounds: int | None = None
    columns: tuple[str, ...] | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["TrainingRun"] = "TrainingRun"
    format: Literal[1] = RECORD_FORMAT

    def __post_init__(self) -> None:
        """Refuse a package without its entry file: records are read from what others wrote."""
        self.model_format.find_entry(self.files)
