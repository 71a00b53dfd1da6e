"""What a model's spec, code, data and environment at hand amount to: a candidate, named by them before anything is trained."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.core.plugins import distribution_of, list_offers
from mlops_ci.core.records import DatasetSnapshot, FileDigest, ModelField, Release, TrainingEnvironment
from mlops_ci.data.leakage import leak_findings
from mlops_ci.data.sealed_holdout import SealedHoldout
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.data.split import SplitSummary, split_dataset, target_findings
from mlops_ci.evaluation.base_branch_rules import (
    BaseBranch,
    GateRules,
    RowDependence,
    effective_rules,
    rule_change_warnings,
)
from mlops_ci.registry import state as registry
from mlops_ci.registry.events import Event, version_key
from mlops_ci.repository.context import Project
from mlops_ci.spec.defaults import default_requirements
from mlops_ci.spec.load import LocatedSpec
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.slice_conditions import parse_condition
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, Requirement, Trust
from mlops_ci.training.environment import training_environment
from mlops_ci.training.source_code import code_files, imported_packages

TRAIN_FORMAT = 1  # rises when the same inputs would give another model
VERDICT_FORMAT = 5  # rises when the same models would get another verdict
RUN_KEY_LENGTH = 32  # hex digits of a run's name


@dataclass(frozen=True)
class Candidate:
    """A model as it would be trained now. `key` is of all that decides the result: spec, code, training rows, environment."""

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
    findings: tuple[Diagnostic, ...] = ()  # what is worth a word, and stops nothing
    sealed_holdout: SealedHoldout | None = None  # a sealed holdout that has been opened

    @property
    def interface_digest(self) -> str:
        """The digest of what callers see: inputs, output, task."""
        return digest_json([encode(self.inputs), encode(self.output), self.model.spec.task])

    @property
    def holdout_budget(self) -> int | None:
        """How many questions the holdout may be asked; None: they are not counted."""
        return self.rules.holdout_budget

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What must hold: what the gate names, or the task's usual ones."""
        return self.rules.gate.requirements or default_requirements(self.model.spec.task)

    @property
    def policy_digest(self) -> str:
        """The digest of the rules that the candidate is judged by."""
        parts = [encode(self.rules.gate), encode(self.rules.evaluate), encode(self.rules.metric_code)]
        if packages := self._metric_packages():
            parts.append(packages)
        return digest_json(parts)

    def _metric_packages(self) -> list[str]:
        """Return the packages, with their versions, whose metrics the rules name: another version is another rule."""
        evaluate = self.rules.evaluate
        named = {*evaluate.metrics, *(one.metric for one in self.requirements)} - {
            *METRIC_DEFINITIONS,
            *evaluate.custom,
        }
        offered = {offer.name for offer in list_offers("mlops_ci.metrics")} if named else set()
        return sorted({distribution_of("mlops_ci.metrics", name) for name in named & offered})

    def comparison_key(self, champion: Event | None, anchor: Event | None = None, trust: Trust = "local") -> str:
        """Return the name of the gate's answer: the candidate, the older versions, today's rows and the rules.

        The same answer from a place of another `trust` has another name, so that none stands in another's way.
        """
        against = champion.ref.oid if champion else None
        parts = [
            VERDICT_FORMAT,
            self.key,
            against,
            self.snapshot.digest,
            self.sides.split.holdout_digest,
            self.policy_digest,
        ]
        if self.holdout_budget is not None:  # which decides the level of every test
            parts.append(self.holdout_budget)
        if anchor is not None and anchor != champion:
            parts.append(f"anchor {anchor.ref.oid}")
        if self.sealed_holdout is not None:  # of which more columns may be looked at than the digest is of
            parts.append(encode(self.sealed_holdout.files))
        if self.rules.dependence != RowDependence():
            parts.append(encode(self.rules.dependence))
        if trust != "local":
            parts.append(f"trust {trust}")
        return digest_json(parts)[:RUN_KEY_LENGTH]


def select_models(project: Project, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models that a command names, or all; raises UsageProblem for one that has no spec."""
    known = project.specs.models
    if not known:
        raise UsageProblem.of(
            "model-none",
            "this project has no Model spec",
            help="mlops-ci init --from data.csv --target COLUMN writes one for a table; --template minimal is an example",
        )
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise UsageProblem.of(
                "model-unknown",
                f"there is no Model spec '{name}'",
                help=f"did you mean '{close[0]}'?" if close else f"the models are {', '.join(known) or 'none yet'}",
            )
    return tuple(dict.fromkeys(names)) or tuple(known)


def read_data(project: Project, model: str) -> tuple[DatasetSnapshot, tuple[Diagnostic, ...]]:
    """Return the snapshot of a model's dataset with its checks judged now; raises Findings when it cannot be read."""
    context = project.context
    dataset = project.specs.datasets[project.specs.models[model].spec.dataset]
    return take_snapshot(context.root, dataset, context.clock(), context.cache)


def identify_candidate(
    project: Project,
    name: str,
    data: DatasetSnapshot,
    recorded_environment: TrainingEnvironment | None = None,
    base: BaseBranch | None = None,
    *,
    allow_leaks: bool = False,
) -> Candidate:
    """Return the candidate that a model is now; reads no rows where the cache knows these files.

    `recorded` is the environment of a run, to be taken in place of the one at hand; one that is made `again` was judged
    before, and is not refused for what its holdout shares with its training side. `base` has the rules, where there is one. Raises Findings
    when the data lack a column, the target cannot be learnt, or the holdout leaks.
    """
    context = project.context
    model = project.specs.models[name]
    spec = model.spec
    dataset = project.specs.datasets[spec.dataset]
    types = {column.name: column.type for column in data.columns}
    rules = effective_rules(base, project, model, dataset)
    if rules.split != dataset.spec.split:
        digest = digest_json([dataset.digest, encode(rules.split)])
        dataset = replace(dataset, spec=replace(dataset.spec, split=rules.split), digest=digest)
    _require_columns(model, rules, types)
    sides = split_dataset(context.root, dataset, data.files, spec.features, spec.target, context.cache)
    findings = target_findings(sides, spec.target, spec.task, model.locate("spec", "target"))
    if not allow_leaks:
        findings += leak_findings(sides.leaks, dataset, sides.split.holdout_rows)
    if has_errors(findings):
        raise Findings((*findings, *rule_change_warnings(model, rules)))
    code = code_files(context.root, spec.train.entrypoint)
    env = recorded_environment or training_environment(
        (
            (spec.train.estimator or "sklearn").partition(".")[0],
            *imported_packages(context.root, spec.train.entrypoint),
        )
    )
    candidate = Candidate(
        model=model,
        dataset=dataset,
        snapshot=data,
        sides=sides,
        inputs=tuple(ModelField(feature, types[feature]) for feature in spec.features),
        output=ModelField(spec.target, types[spec.target]),
        code=code,
        environment=env,
        rules=rules,
        key="",
        findings=findings,
    )
    decides = [
        TRAIN_FORMAT,
        candidate.interface_digest,
        encode(spec.train),
        encode(code),
        sides.split.train_digest,
        env.identity,
    ]
    return replace(candidate, key=digest_json(decides)[:RUN_KEY_LENGTH])


def find_champion(project: Project, model: str, environment: str | None = None) -> Event | None:
    """Return the release that a model's candidates must beat, or None before the first one.

    It is the one assigned to `environment`, by default the project's own choice.

    Raises EnvironmentProblem `champion-unknown` when the remote did not answer and this clone knows of none, Findings
    `champion-missing` when the champion's tag is gone: neither means that there is no champion.
    """
    state = registry.read_registry(project.context.repo).model(model)
    found = state.champion(environment or project.specs.project.spec.champion_environment)
    if found is None and project.context.offline:
        raise EnvironmentProblem.of(
            "champion-unknown",
            f"the remote did not answer, and this clone knows no release of '{model}': whether there is a champion cannot be told",
            help="check the network and your rights (git fetch), then run the same command again",
        )
    return found


def find_anchor(project: Project, candidate: Candidate, champion: Event | None) -> Event | None:
    """Return the fixed version that small losses of many retrains are measured from; None where no test is against it.

    The gate's `anchor`, or else the newest release up to the champion that was no retrain (by its record; or, where that
    does not tell, its patch number is 0), or else the oldest: where there is a champion there is an anchor. Raises
    Findings `anchor-unknown` when the gate names a version that is not registered.
    """
    if champion is None or not any(one.against == "anchor" for one in candidate.requirements):
        return None
    state = registry.read_registry(project.context.repo).model(candidate.model.name)
    named = candidate.rules.gate.anchor
    if named is not None:
        found = state.releases.get(named.removeprefix("v"))
        if found is None:
            raise Findings.of(
                "anchor-unknown",
                f"the anchor v{named.removeprefix('v')} of '{candidate.model.name}' is not a registered version",
                location=candidate.model.locate("spec", "gate", "anchor"),
                help=f"registered are {', '.join(state.releases)}; leave `anchor` out to take the newest that was no retrain",
            )
        return found
    newest = version_key(champion.version)
    known = sorted(
        (event for version, event in state.releases.items() if version_key(version) <= newest),
        key=lambda event: version_key(event.version),
    )
    return next((event for event in reversed(known) if _is_change(event)), known[0] if known else champion)


def _is_change(event: Event) -> bool:
    occasion = event.record.occasion if isinstance(event.record, Release) else None
    return version_key(event.version)[2] == 0 if occasion is None else occasion == "changed"


def required_columns(rules: GateRules) -> dict[str, tuple[str | int, ...]]:
    """Return the columns that judging needs beside those of models, each with the place in a Model spec that names it."""
    evaluate = rules.evaluate
    found: dict[str, tuple[str | int, ...]] = {}
    for index, one in enumerate(evaluate.slices):
        names = (one,) if isinstance(one, str) else parse_condition(one.where).columns
        found |= dict.fromkeys(names, ("spec", "evaluate", "slices", index))
    found |= {name: ("spec", "dataset") for name in (rules.dependence.group, rules.dependence.time) if name is not None}
    if evaluate.weights:
        found[evaluate.weights] = ("spec", "evaluate", "weights")
    for metric, custom in evaluate.custom.items():
        found |= dict.fromkeys(custom.columns, ("spec", "evaluate", "custom", metric, "columns"))
    conditions = {one.name for one in evaluate.slices if not isinstance(one, str)}
    for index, requirement in enumerate(rules.gate.requirements):
        if requirement.by:
            found[requirement.by] = ("spec", "gate", "requirements", index, "by")
        if isinstance(requirement.slices, tuple):
            place = ("spec", "gate", "requirements", index, "slices")
            found |= {name: place for name in requirement.slices if name not in conditions}
    return found


def slice_columns(rules: GateRules) -> tuple[str, ...]:
    """Return the columns whose values cut the holdout: those that are reported, and those that a requirement names."""
    conditions = {one.name for one in rules.evaluate.slices if not isinstance(one, str)}
    reported = [one for one in rules.evaluate.slices if isinstance(one, str)]
    named = [item.slices for item in rules.gate.requirements if isinstance(item.slices, tuple)]
    return tuple(dict.fromkeys((*reported, *(name for names in named for name in names if name not in conditions))))


def _require_columns(model: LocatedSpec[ModelSpec], rules: GateRules, types: dict[str, str]) -> None:
    spec = model.spec
    places: list[tuple[str, tuple[str | int, ...]]] = []
    places += [(name, ("spec", "features", index)) for index, name in enumerate(spec.features)]
    places += [(spec.target, ("spec", "target"))]
    places += list(required_columns(rules).items())
    found = []
    for name, place in places:
        if name not in types:
            close = difflib.get_close_matches(name, types, 1)
            help = f"did you mean '{close[0]}'?" if close else f"the data have: {', '.join(list(types)[:10])}"
            found.append(
                Diagnostic(
                    "model-column-missing",
                    f"the data of '{spec.dataset}' have no column '{name}'"
                    + (
                        f", which the rules of {rules.base} need"
                        if rules.base and name in required_columns(rules)
                        else ""
                    ),
                    model.locate(*place),
                    help,
                )
            )
    if found:
        raise Findings(found)
