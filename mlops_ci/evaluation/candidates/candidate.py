"""A candidate's identity: a key of its spec, code, training rows and environment, known before the training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlops_ci.core.choices import Trust
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import Findings
from mlops_ci.core.plugins import distribution_of, list_offers
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import DatasetSnapshot, ModelField, TrainingEnvironment
from mlops_ci.data.leakage import leak_findings
from mlops_ci.data.sealed_holdout import SealedHoldout
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.data.split import SplitSource, SplitSummary, split_dataset, target_findings
from mlops_ci.evaluation.base_branch_rules import (
    BaseBranch,
    GateRules,
    RowDependence,
    effective_rules,
    rule_change_warnings,
)
from mlops_ci.evaluation.candidates.columns import columns_to_learn, missing_column_findings, training_column_findings
from mlops_ci.evaluation.candidates.left_out import require_code_files, require_data_files
from mlops_ci.evaluation.candidates.opponents import Opponents
from mlops_ci.repository.context import Project
from mlops_ci.spec.defaults import default_requirements
from mlops_ci.spec.load import LocatedSpec
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.personal_data import personal_split_finding
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, Requirement, SplitSpec, TrainSpec
from mlops_ci.spec.validation.cost_classes import cost_class_findings
from mlops_ci.spec.validation.positive import positive_class_findings
from mlops_ci.training.environment import training_environment
from mlops_ci.training.golden import DEFAULT_GOLDEN, GoldenChoice, choose_golden, personal_inputs
from mlops_ci.training.inspection import personal_values_finding
from mlops_ci.training.source_code import code_files, imported_packages

TRAIN_FORMAT = 2  # increase it when the same inputs would give another model
VERDICT_FORMAT = 7  # increase it when the same models could get another verdict
RUN_KEY_LENGTH = 32  # hex digits of a run's key


@dataclass(frozen=True)
class Candidate:
    """A model as it would be trained now.

    `key` is a digest of every input of the training: spec, code, training rows and environment. `dataset` is the spec as
    written; the gate's rules may have another split, which `dataset_by_rules` applies.
    """

    model: LocatedSpec[ModelSpec]
    dataset: LocatedSpec[DatasetSpec]
    snapshot: DatasetSnapshot
    sides: SplitSummary
    inputs: tuple[ModelField, ...]
    output: ModelField
    code: tuple[FileDigest, ...]
    environment: TrainingEnvironment
    rules: GateRules
    key: str
    findings: tuple[Diagnostic, ...] = ()  # warnings and notes
    sealed_holdout: SealedHoldout | None = None  # a sealed holdout that has been opened

    @property
    def dataset_by_rules(self) -> LocatedSpec[DatasetSpec]:
        """The dataset spec with the split of the gate's rules; this split divides the rows."""
        return dataset_with_split(self.dataset, self.rules.split)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the training reads beside the target."""
        return columns_to_learn(self.model.spec, self.dataset_by_rules.spec)

    @property
    def interface_digest(self) -> str:
        """The digest of the model's interface: inputs, output, task."""
        return _interface_digest(self.model.spec, self.inputs, self.output)

    @property
    def fit_key(self) -> str:
        """The digest of what the fitted model depends on: as `key`, but without the types that the spec trusts and the golden rows.

        They decide whether the model is accepted and what its package has beside it, and do not change it.
        """
        train, rows = replace(self.model.spec.train, trusted=()), self.sides.split.train_digest
        return _run_key(train, self.code, self.environment, self.interface_digest, rows)

    @property
    def personal_columns(self) -> tuple[str, ...]:
        """The columns of the training that are tagged as personal data."""
        spec = self.model.spec
        return personal_inputs((*self.columns, spec.target), self.dataset.spec)

    @property
    def secret_columns(self) -> tuple[str, ...]:
        """Those of `personal_columns` whose values the spec does not allow in the model."""
        return tuple(name for name in self.personal_columns if name not in self.model.spec.release.personal)

    @property
    def golden(self) -> GoldenChoice:
        """The golden rows that the model's package publishes."""
        return choose_golden(self.model.spec, self.dataset.spec)

    @property
    def holdout_budget(self) -> int | None:
        """The number of evaluations that the holdout allows; None: they are not counted."""
        return self.rules.holdout_budget

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The gate's requirements, or the task's default requirements."""
        return self.rules.gate.requirements or default_requirements(self.model.spec.task)

    @property
    def policy_digest(self) -> str:
        """The digest of the gate's rules for the candidate."""
        parts = [encode(self.rules.gate), encode(self.rules.evaluate), encode(self.rules.metric_code)]
        if self.rules.positive is not None:
            parts.append({"positive": self.rules.positive})
        if packages := self._metric_packages():
            parts.append(packages)
        return digest_json(parts)

    def _metric_packages(self) -> list[str]:
        """Return the packages, with versions, that provide metrics of the rules; a new version may compute another value."""
        evaluate = self.rules.evaluate
        named = {*evaluate.metrics, *(one.metric for one in self.requirements)} - {
            *METRIC_DEFINITIONS,
            *evaluate.custom,
        }
        offered = {offer.name for offer in list_offers("mlops_ci.metrics")} if named else set()
        return sorted({distribution_of("mlops_ci.metrics", name) for name in named & offered})

    def comparison_key(self, opponents: Opponents, trust: Trust = "local") -> str:
        """Return the key of the gate's result: a digest of the candidate, its baselines, the rows of both sides and the rules.

        The training rows are in the candidate's key. Of the holdout every column counts: slices, weights and metrics of
        the rules, and older splits, read other columns than the model. Results with different `trust` have different keys, so that one never replaces the other.
        """
        champion, anchor = opponents.champion, opponents.anchor
        parts = [
            VERDICT_FORMAT,
            self.key,
            champion.ref.oid if champion else None,
            self.sides.split.holdout_digest,
            self.sides.holdout_columns_digest,
            self.policy_digest,
        ]
        if self.holdout_budget is not None:  # the budget decides the level of every test
            parts.append(self.holdout_budget)
        if anchor is not None and anchor != champion:
            parts.append(f"anchor {anchor.ref.oid}")
        if self.rules.dependence != RowDependence():
            parts.append(encode(self.rules.dependence))
        if trust != "local":
            parts.append(f"trust {trust}")
        return digest_json(parts)[:RUN_KEY_LENGTH]


def dataset_with_split(dataset: LocatedSpec[DatasetSpec], split: SplitSpec) -> LocatedSpec[DatasetSpec]:
    """Return a dataset spec with another split and a digest of both; return the same spec when the split is equal."""
    if split == dataset.spec.split:
        return dataset
    digest = digest_json([dataset.digest, encode(split)])
    return replace(dataset, spec=replace(dataset.spec, split=split), digest=digest)


def read_data(project: Project, model: str) -> tuple[DatasetSnapshot, tuple[Diagnostic, ...]]:
    """Return the snapshot of a model's dataset, and the findings of its checks; raises Findings when it cannot be read."""
    context = project.context
    dataset = project.specs.datasets[project.specs.models[model].spec.dataset]
    require_data_files(project, dataset)
    require_code_files(project, project.specs.models[model])
    return take_snapshot(context.root, dataset, context.clock(), context.cache, project.reference)


def require_data(project: Project, model: str) -> DatasetSnapshot:
    """Return the snapshot of a model's dataset; raises Findings when it cannot be read, or when a check fails as an error."""
    data, findings = read_data(project, model)
    if has_errors(findings):
        raise Findings(findings)
    return data


def identify_candidate(
    project: Project,
    name: str,
    data: DatasetSnapshot,
    recorded_environment: TrainingEnvironment | None = None,
    base: BaseBranch | None = None,
    *,
    allow_leaks: bool = False,
) -> Candidate:
    """Return a model's current candidate; reads no rows when the cache knows the data files.

    `recorded_environment` is the environment of an earlier run, used instead of the current one. `base` provides the
    rules, if given. `allow_leaks` permits rows that holdout and training side share, for a release that is made again.
    Raises Findings when the data lack a column, the target cannot be learned, or the holdout leaks.
    """
    context = project.context
    model = project.specs.models[name]
    spec = model.spec
    dataset = project.specs.datasets[spec.dataset]
    types = {column.name: column.type for column in data.columns}
    rules = effective_rules(base, project, model, dataset)
    if missing := missing_column_findings(model, rules, types) or training_column_findings(model, types):
        raise Findings(missing)
    secret = _personal_classes(model, dataset, types[spec.target])
    if problem := secret or personal_split_finding(model, dataset, rules.split):
        raise Findings([problem])  # before a value is written anywhere
    dataset_by_rules = dataset_with_split(dataset, rules.split)
    hides = has_secret_target(model, dataset)
    source = SplitSource(context.root, dataset_by_rules, data.files, hides_labels=hides)
    sides = split_dataset(source, columns_to_learn(spec, dataset_by_rules.spec), spec.target, context.cache)
    findings = target_findings(sides, spec.target, spec.task, model.locate("spec", "target"))
    if spec.task == "binary-classification":
        findings += tuple(positive_class_findings(model, sides.target.labels, rules.positive, rules.base or ""))
        findings += tuple(cost_class_findings(model, sides.target.labels, rules.evaluate.costs))
    if not allow_leaks:
        findings += leak_findings(sides.leaks, dataset_by_rules, sides.split.holdout_rows)
    if has_errors(findings):
        raise Findings((*findings, *rule_change_warnings(model, rules)))
    code = code_files(context.root, spec.train.entrypoint)
    env = recorded_environment or training_environment(
        (
            (spec.train.estimator or "sklearn").partition(".")[0],
            *imported_packages(context.root, spec.train.entrypoint),
        )
    )
    inputs = tuple(ModelField(feature, types[feature]) for feature in spec.features)
    output = ModelField(spec.target, types[spec.target])
    digests = (_interface_digest(spec, inputs, output), sides.split.train_digest)
    return Candidate(
        model=model,
        dataset=dataset,
        snapshot=data,
        sides=sides,
        inputs=inputs,
        output=output,
        code=code,
        environment=env,
        rules=rules,
        key=_run_key(spec.train, code, env, *digests, choose_golden(spec, dataset.spec)),
        findings=findings,
    )


def has_secret_target(model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]) -> bool:
    """Return whether the target is personal data that the spec does not allow in the model."""
    target = model.spec.target
    return bool(personal_inputs((target,), dataset.spec)) and target not in model.spec.release.personal


def _personal_classes(model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec], type: str) -> Diagnostic | None:
    """Return a finding if a classifier's classes would be texts of a personal column that the spec does not allow."""
    spec = model.spec
    if spec.task == "regression" or type != "string" or not has_secret_target(model, dataset):
        return None
    return personal_values_finding((spec.target,), model.locate("spec", "target"))


def _interface_digest(spec: ModelSpec, inputs: tuple[ModelField, ...], output: ModelField) -> str:
    return digest_json([encode(inputs), encode(output), spec.task])


def _run_key(
    train: TrainSpec,
    code: tuple[FileDigest, ...],
    environment: TrainingEnvironment,
    interface: str,
    rows: str,
    golden: GoldenChoice = DEFAULT_GOLDEN,
) -> str:
    """Return the key of a training run; `interface` and `rows` are the digests of the interface and the training rows."""
    parts = [TRAIN_FORMAT, interface, encode(train), encode(code), rows, environment.identity]
    if golden != DEFAULT_GOLDEN:
        parts.append(f"golden {golden.text}")
    return digest_json(parts)[:RUN_KEY_LENGTH]
