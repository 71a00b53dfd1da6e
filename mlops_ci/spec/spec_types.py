"""The spec kinds as frozen values. Defaults stand here and in the schemas' descriptions only; the JSON Schemas say what is valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from mlops_ci.core.choices import CheckSeverity, Trust
from mlops_ci.core.codec import DecodeError, decode
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Group, Plugin, load

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
Task = Literal["binary-classification", "multiclass-classification", "regression"]
BaselineRole = Literal["champion", "anchor"]
Delivery = Literal["push", "pull-request"]
ChangeKind = Literal["changed", "retrained"]


@dataclass(frozen=True)
class Metadata:
    """What every spec is called and who answers for it."""

    name: str
    owner: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class SigningSpec:
    """Tags are signed, by those whom a file of the repository names: OpenSSH's allowed signers, or armoured public keys."""

    format: Literal["ssh", "openpgp"]
    allowed_signers: str
    required: bool = True


@dataclass(frozen=True)
class PolicySpec:
    """What must be there before a version is put somewhere: by environment, how many others have approved it.

    `trust` is the least that a release accepts of the place where its candidate was judged.
    """

    approvals: Mapping[str, int] = field(default_factory=dict)
    trust: Trust = "local"


@dataclass(frozen=True)
class ProjectSpec:
    """The repository's own settings: promotion order, who is champion, where models are kept, how deployments are delivered."""

    environments: tuple[str, ...] = ("staging", "prod")
    champion: str | None = None  # an environment; default: the last one of `environments`
    store: str = "git"  # or the URL that takes the files that are too large for git
    branch: str | None = None  # the branch that manifests are written to; default: the remote's default branch
    delivery: Delivery = "push"
    store_limit_mb: int = 50  # the largest model file that git keeps
    signing: SigningSpec | None = None
    policy: PolicySpec = PolicySpec()

    @property
    def champion_environment(self) -> str:
        """The environment whose assigned version is the champion."""
        return self.champion or self.environments[-1]


def decode_options(group: Group, data: Mapping[str, Any]) -> Any:
    """Return the fields beside `type` as the options of the plugin that an installed package offers for the type.

    Raises DecodeError for data without a type, UsageProblem and EnvironmentProblem as `load` does, and EnvironmentProblem
    `plugin-broken` where the plugin's schema allows what its options do not.
    """
    name = data.get("type")
    if not isinstance(name, str):
        raise DecodeError("$: expected a type")
    table: Mapping[str, Plugin[Any]] = {}
    plugin = load(table, group, name)
    try:
        return decode(plugin.options, {field: value for field, value in data.items() if field != "type"})
    except DecodeError as error:
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"the schema of the plugin '{name}' allows what its options do not: {error}",
            help="tell its author: mlops_ci.testing checks a plugin's schema",
        ) from error


@dataclass(frozen=True)
class PluginSource:
    """A source of a type that an installed package offers, with the plugin's own options."""

    type: str
    options: Any

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the source that the fields describe; raises as `decode_options` does."""
        return cls(str(data.get("type")), decode_options("mlops_ci.sources", data))


@dataclass(frozen=True)
class SourceSpec:
    """Where rows are read from: a path or glob inside the repository."""

    type: Literal["csv", "parquet"]
    path: str
    delimiter: str = ","


@dataclass(frozen=True)
class Nulls:
    """The largest share of missing values that is accepted, 0 to 1."""

    max: float


@dataclass(frozen=True)
class Length:
    """Bounds of a text's length, in characters."""

    min: int | None = None
    max: int | None = None


@dataclass(frozen=True)
class ColumnSpec:
    """What a column must be. Bounds of dates and timestamps are ISO 8601 text."""

    type: ColumnType | None = None
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


@dataclass(frozen=True)
class PluginCheck:
    """A check of a type that an installed package offers, with the plugin's own options."""

    type: str
    options: Any
    name: str | None = None
    severity: CheckSeverity = "error"

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the check that the fields describe; raises as `decode_options` does."""
        own = {name: value for name, value in data.items() if name not in ("name", "severity")}
        options = decode_options("mlops_ci.checks", own)
        return cls(str(data.get("type")), options, data.get("name"), data.get("severity", "error"))


@dataclass(frozen=True)
class SealedSource:
    """Where a sealed holdout is read from: exactly one of a path inside the repository and the URL of a file."""

    type: Literal["csv", "parquet"]
    path: str | None = None
    url: str | None = None
    delimiter: str = ","


@dataclass(frozen=True)
class SplitSpec:
    """How the holdout is set aside; a new epoch is a fresh holdout."""

    by: Literal["key-hash", "time", "sealed"] = "key-hash"
    holdout: float = 0.2
    epoch: int = 1
    holdout_budget: int | None = None  # how many candidates may be judged on it; they share the error probability
    duplicates: Literal["fail", "allow"] = "fail"  # a holdout row that is a copy of a training row
    source: SealedSource | None = None  # of the holdout, where it is sealed


@dataclass(frozen=True)
class DatasetSpec:
    """A table: its source, the identity of a row, what its columns must be, and its split."""

    source: SourceSpec | PluginSource
    key: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None  # a column; rows of one value depend on each other
    blocks: str | None = None  # a duration; rows of one such stretch of time depend on each other
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    columns_closed: bool = False
    checks: tuple[CheckSpec | PluginCheck, ...] = ()
    split: SplitSpec = SplitSpec()


@dataclass(frozen=True)
class TrainSpec:
    """How a candidate is built: an estimator by dotted path, or a function of the repository's own code.

    `framework` fits and packages it; None: scikit-learn.
    """

    estimator: str | None = None
    entrypoint: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    trusted: tuple[str, ...] = ()
    framework: str | None = None


@dataclass(frozen=True)
class SliceSpec:
    """Rows of the holdout that a condition is true of."""

    name: str
    where: str


@dataclass(frozen=True)
class Cost:
    """What it costs to predict one class where another is true."""

    actual: str | int | bool
    predicted: str | int | bool
    cost: float


@dataclass(frozen=True)
class CustomMetric:
    """A function of the repository that values each row's prediction; the metric is the mean."""

    entrypoint: str
    better: Literal["higher", "lower"]
    of: Literal["predictions", "probabilities"] = "predictions"
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateSpec:
    """What is reported about a model, as a whole and by slice (columns whose values cut the holdout, and conditions)."""

    metrics: tuple[str, ...] = ()
    slices: tuple[str | SliceSpec, ...] = ()
    weights: str | None = None
    top_k: int = 3
    quantile: float = 0.5
    costs: tuple[Cost, ...] = ()
    custom: Mapping[str, CustomMetric] = field(default_factory=dict)
    cost_per_hour: float | None = None  # of training


@dataclass(frozen=True)
class Requirement:
    """One thing that must hold: a floor or ceiling, a test against an older version, or a ratio to it."""

    metric: str
    min: float | None = None
    max: float | None = None
    against: BaselineRole | None = None
    test: Literal["superiority", "non-inferiority", "no-regression"] | None = None
    margin: float = 0.0
    slices: Literal["all"] | tuple[str, ...] | None = None
    when: ChangeKind | None = None
    by: str | None = None  # the column of the groups that a fairness gap is between
    max_ratio: float | None = None  # of the candidate's value to the older version's


@dataclass(frozen=True)
class GateSpec:
    """The rules of promotion. `requirements` absent means the task's default ones (`learn.metrics`)."""

    confidence: float = 0.95
    requirements: tuple[Requirement, ...] = ()
    on_inconclusive: Literal["neutral", "fail"] = "neutral"
    accept_incomparable: str | None = None  # why a champion that cannot be measured any more may be replaced
    min_rows: int = 50
    min_slice_rows: int = 100
    anchor: str | None = None  # a version; default: the newest release that was not a retrain


@dataclass(frozen=True)
class ReleaseSpec:
    """How the next version is numbered."""

    bump: Literal["auto", "major", "minor", "patch"] = "auto"


@dataclass(frozen=True)
class ModelSpec:
    """A model: its task, data, training, evaluation and gate."""

    task: Task
    dataset: str
    target: str
    features: tuple[str, ...]
    train: TrainSpec
    evaluate: EvaluateSpec = EvaluateSpec()
    gate: GateSpec = GateSpec()
    release: ReleaseSpec = ReleaseSpec()


@dataclass(frozen=True)
class TargetSpec:
    """Where a deployment runs. `repository` is what the init container clones; default: the remote's URL without credentials."""

    type: Literal["kubernetes"]
    namespace: str = "default"
    image: str | None = None
    repository: str | None = None
    credentials_secret: str | None = None


@dataclass(frozen=True)
class PluginTarget:
    """A target of a type that an installed package offers, with the plugin's own options."""

    type: str
    options: Any

    @classmethod
    def decode_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the target that the fields describe; raises as `decode_options` does."""
        return cls(str(data.get("type")), decode_options("mlops_ci.targets", data))


@dataclass(frozen=True)
class Replicas:
    """Bounds of the autoscaler."""

    min: int = 1
    max: int = 3


@dataclass(frozen=True)
class Resources:
    """What one replica asks for, as Kubernetes quantities."""

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
