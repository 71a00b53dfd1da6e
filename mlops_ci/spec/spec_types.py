"""The kinds of specs as frozen dataclasses.

The JSON Schemas define which specs are valid. Default values are defined here; the schemas' descriptions repeat them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from mlops_ci.core.choices import CheckSeverity, Trust
from mlops_ci.core.codec import DecodeError, decode
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Group, Plugin, load
from mlops_ci.core.time_formats import format_has_clock
from mlops_ci.spec.source_types import SealedSource as SealedSource
from mlops_ci.spec.source_types import (
    SourceSpec as SourceSpec,  # a spec type like the others, kept in a file of its own
)
from mlops_ci.spec.train_spec import TrainSpec as TrainSpec  # the same

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
Task = Literal["binary-classification", "multiclass-classification", "regression"]
BaselineRole = Literal["champion", "anchor"]
Delivery = Literal["push", "pull-request"]
ChangeKind = Literal["changed", "retrained"]


@dataclass(frozen=True)
class Metadata:
    """The name, owner and description of a spec."""

    name: str
    owner: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class SigningSpec:
    """How tags are signed, and the file in the repository that lists the allowed signers.

    The file has OpenSSH's allowed-signers format, or contains armoured OpenPGP public keys.
    """

    format: Literal["ssh", "openpgp"]
    allowed_signers: str
    required: bool = True


@dataclass(frozen=True)
class PolicySpec:
    """The conditions for a promotion: `approvals` is the number of approvals that an environment needs.

    `trust` is the lowest trust of a verdict that a release accepts.
    """

    approvals: Mapping[str, int] = field(default_factory=dict)
    trust: Trust = "local"


@dataclass(frozen=True)
class FormerProject:
    """A project whose history this one continues: its name, its folder in the repository, and the models (none: all)."""

    name: str
    path: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectSpec:
    """The repository's settings: order of environments, champion environment, model store, delivery of manifests, policy."""

    environments: tuple[str, ...] = ("staging", "prod")
    champion: str | None = None  # an environment; default: the last one of `environments`
    store: str = "git"  # or the URL of a store for files that are too large for git
    branch: str | None = None  # the branch that manifests are written to; default: the remote's default branch
    delivery: Delivery = "push"
    store_limit_mb: int = 50  # the size of the largest model file that is stored in git
    signing: SigningSpec | None = None
    policy: PolicySpec = PolicySpec()
    formerly: tuple[FormerProject, ...] = ()  # the names and folders that this project had before

    @property
    def champion_environment(self) -> str:
        """The environment whose assigned version is the champion."""
        return self.champion or self.environments[-1]


def decode_options(group: Group, data: Mapping[str, Any]) -> Any:
    """Return the fields other than `type`, decoded as the options of the plugin for this type.

    Raises DecodeError for data without a type, UsageProblem and EnvironmentProblem as `load` does, and EnvironmentProblem
    `plugin-broken` when the plugin's schema allows a value that its options class does not.
    """
    name = data.get("type")
    if not isinstance(name, str):
        raise DecodeError("$: the field `type` is missing or is not text")
    table: Mapping[str, Plugin[Any]] = {}
    plugin = load(table, group, name)
    try:
        return decode(plugin.options, {field: value for field, value in data.items() if field != "type"})
    except DecodeError as error:
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"the schema of the plugin '{name}' allows a value that its options class does not: {error}",
            help="report this to the plugin's author: mlops_ci.testing checks a plugin's schema",
        ) from error


@dataclass(frozen=True)
class PluginSource:
    """A source whose type is a plugin of an installed package, with the plugin's options."""

    type: str
    options: Any

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the source that the fields describe; raises as `decode_options` does."""
        return cls(str(data.get("type")), decode_options("mlops_ci.sources", data))


@dataclass(frozen=True)
class Nulls:
    """The largest accepted share of missing values, from 0 to 1."""

    max: float


@dataclass(frozen=True)
class Length:
    """Bounds of a text's length, in characters."""

    min: int | None = None
    max: int | None = None


@dataclass(frozen=True)
class ColumnSpec:
    """The rules for one column. Bounds of dates and timestamps are ISO 8601 text."""

    type: ColumnType | None = None
    format: str | None = None  # how dates and times are written, with the codes of strptime
    nulls: Nulls | None = None
    unique: bool = False
    min: float | int | str | None = None
    max: float | int | str | None = None
    values: tuple[str | int | float | bool, ...] | None = None
    pattern: str | None = None
    length: Length | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    severity: CheckSeverity = "error"

    @property
    def expected_type(self) -> ColumnType | None:
        """The declared type; with a time format, `date` or `timestamp` is implied."""
        if self.type is not None or self.format is None:
            return self.type
        return "timestamp" if format_has_clock(self.format) else "date"


@dataclass(frozen=True)
class CheckSpec:
    """A check of the whole table: `row-count`, `unique`, `freshness` or `custom-sql`."""

    type: Literal["row-count", "unique", "freshness", "custom-sql"]
    name: str | None = None
    severity: CheckSeverity = "error"
    min: int | None = None
    max: float | int | None = None
    columns: tuple[str, ...] = ()
    column: str | None = None
    max_age: str | None = None
    sql: str | None = None
    max_seconds: float = 30.0
    max_megabytes: int = 2000


@dataclass(frozen=True)
class PluginCheck:
    """A check whose type is a plugin of an installed package, with the plugin's options."""

    type: str
    options: Any
    name: str | None = None
    severity: CheckSeverity = "error"

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the check that the fields describe; raises as `decode_options` does."""
        plugin_fields = {name: value for name, value in data.items() if name not in ("name", "severity")}
        options = decode_options("mlops_ci.checks", plugin_fields)
        return cls(str(data.get("type")), options, data.get("name"), data.get("severity", "error"))


@dataclass(frozen=True)
class SplitSpec:
    """How a dataset is split into training rows and holdout. A new epoch is a fresh holdout."""

    by: Literal["key-hash", "time", "sealed"] = "key-hash"
    holdout: float = 0.2
    epoch: int = 1
    holdout_budget: int | None = None  # the largest number of evaluations; they share the error probability
    duplicates: Literal["fail", "allow"] = "fail"  # whether a holdout row may be a copy of a training row
    source: SealedSource | None = None  # the source of a sealed holdout


@dataclass(frozen=True)
class DatasetSpec:
    """A table: its source, key, rules for columns, checks and split."""

    source: SourceSpec | PluginSource
    key: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None  # a column: rows with the same value depend on each other
    blocks: str | None = None  # a duration: rows within the same block of time depend on each other
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    columns_closed: bool = False
    checks: tuple[CheckSpec | PluginCheck, ...] = ()
    split: SplitSpec = SplitSpec()


@dataclass(frozen=True)
class SliceSpec:
    """A slice: the holdout rows for which the condition `where` is true."""

    name: str
    where: str


@dataclass(frozen=True)
class Cost:
    """The cost of predicting class `predicted` for a row of class `actual`."""

    actual: str | int | bool
    predicted: str | int | bool
    cost: float


@dataclass(frozen=True)
class CustomMetric:
    """A metric that a function in the repository computes for each row; the metric is the mean over the rows."""

    entrypoint: str
    better: Literal["higher", "lower"]
    of: Literal["predictions", "probabilities"] = "predictions"
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateSpec:
    """The metrics that are reported for the whole holdout and by slice (a column's values, or a condition)."""

    metrics: tuple[str, ...] = ()
    slices: tuple[str | SliceSpec, ...] = ()
    weights: str | None = None
    top_k: int = 3
    quantile: float = 0.5
    costs: tuple[Cost, ...] = ()
    custom: Mapping[str, CustomMetric] = field(default_factory=dict)
    cost_per_hour: float | None = None  # the price of one hour of training


@dataclass(frozen=True)
class Requirement:
    """One requirement of the gate: a floor or ceiling, a test against a baseline, or a ratio to a baseline."""

    metric: str
    min: float | None = None
    max: float | None = None
    against: BaselineRole | None = None
    test: Literal["superiority", "non-inferiority", "no-regression"] | None = None
    margin: float = 0.0
    slices: Literal["all"] | tuple[str, ...] | None = None
    when: ChangeKind | None = None
    by: str | None = None  # the column whose values are the groups of a fairness metric
    max_ratio: float | None = None  # the largest ratio of the candidate's value to the baseline's value


@dataclass(frozen=True)
class GateSpec:
    """The settings of the gate. Without `requirements`, the task's defaults apply (`spec.defaults`)."""

    confidence: float = 0.95
    requirements: tuple[Requirement, ...] = ()
    on_inconclusive: Literal["neutral", "fail"] = "neutral"
    accept_incomparable: str | None = None  # the reason to replace a champion that can no longer be measured
    min_rows: int = 50
    min_slice_rows: int = 100
    anchor: str | None = None  # a version; default: the newest release that is not a retrain


@dataclass(frozen=True)
class ReleaseSpec:
    """How the next version is numbered, and what it publishes.

    `golden` are the golden rows: `rows N`, `synthetic` or `none` (see `choose_golden`). `personal` are the personal columns
    whose values may stand in the model and in reports.
    """

    bump: Literal["auto", "major", "minor", "patch"] = "auto"
    golden: str | None = None
    personal: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """A model: its task, data, training, evaluation and gate."""

    task: Task
    dataset: str
    target: str
    positive: str | int | bool | None = field(default=None, kw_only=True)  # of a binary task; None: what sorts last
    features: tuple[str, ...]
    train: TrainSpec
    evaluate: EvaluateSpec = EvaluateSpec()
    gate: GateSpec = GateSpec()
    release: ReleaseSpec = ReleaseSpec()


@dataclass(frozen=True)
class TargetSpec:
    """The Kubernetes target of a deployment.

    The init container clones `repository`; the default is the remote's URL without credentials.
    """

    type: Literal["kubernetes"]
    namespace: str = "default"
    image: str | None = None
    repository: str | None = None
    credentials_secret: str | None = None


@dataclass(frozen=True)
class PluginTarget:
    """A target whose type is a plugin of an installed package, with the plugin's options."""

    type: str
    options: Any

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the target that the fields describe; raises as `decode_options` does."""
        return cls(str(data.get("type")), decode_options("mlops_ci.targets", data))


@dataclass(frozen=True)
class Replicas:
    """The smallest and largest number of replicas of the autoscaler."""

    min: int = 1
    max: int = 3


@dataclass(frozen=True)
class Resources:
    """The CPU and memory that one replica requests, as Kubernetes quantities."""

    cpu: str = "250m"
    memory: str = "512Mi"


@dataclass(frozen=True)
class Rollout:
    """How replicas are replaced."""

    strategy: Literal["rolling", "recreate"] = "rolling"


@dataclass(frozen=True)
class DeploymentSpec:
    """How a model runs in one environment."""

    model: str
    environment: str
    target: TargetSpec | PluginTarget
    replicas: Replicas = Replicas()
    resources: Resources = Resources()
    rollout: Rollout = Rollout()


SPEC_KINDS: Mapping[str, type] = {
    "Project": ProjectSpec,
    "Dataset": DatasetSpec,
    "Model": ModelSpec,
    "Deployment": DeploymentSpec,
}
API_VERSION = "mlops-ci/v1"
