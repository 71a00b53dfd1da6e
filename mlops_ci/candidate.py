"""What a model's spec, code, data and environment at hand amount to: a candidate, named by them before anything is trained."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from mlops_ci import registry
from mlops_ci.codec import encode
from mlops_ci.data.leaks import leak_findings
from mlops_ci.data.sealed import Held
from mlops_ci.data.snapshot import snapshot
from mlops_ci.data.split import Sides, split, target_findings
from mlops_ci.diagnostics import Diagnostic, has_errors
from mlops_ci.digest import digest_json
from mlops_ci.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.events import Event
from mlops_ci.learn.code import code_files, imported_packages
from mlops_ci.learn.environment import environment
from mlops_ci.project import Project
from mlops_ci.records import DatasetSnapshot, Environment, Field, FileDigest
from mlops_ci.spec.kinds import DatasetSpec, ModelSpec
from mlops_ci.spec.load import Loaded

TRAIN_FORMAT = 1  # rises when the same inputs would give another model
JUDGE_FORMAT = 3  # rises when the same models would get another verdict
KEY = 32  # hex digits of a run's name


@dataclass(frozen=True)
class Candidate:
    """A model as it would be trained now. `key` is of all that decides the result: spec, code, training rows, environment."""

    model: Loaded[ModelSpec]
    dataset: Loaded[DatasetSpec]
    snapshot: DatasetSnapshot
    sides: Sides
    inputs: tuple[Field, ...]
    output: Field
    code: tuple[FileDigest, ...]
    environment: Environment
    key: str
    findings: tuple[Diagnostic, ...] = ()  # what is worth a word, and stops nothing
    held: Held | None = None  # a sealed holdout that has been opened

    @property
    def interface_digest(self) -> str:
        """The digest of what callers see: inputs, output, task."""
        return digest_json([encode(self.inputs), encode(self.output), self.model.spec.task])

    @property
    def budget(self) -> int | None:
        """How many questions the holdout may be asked; None: they are not counted."""
        return self.dataset.spec.split.holdout_budget

    @property
    def policy_digest(self) -> str:
        """The digest of the rules that the candidate is judged by."""
        return digest_json([encode(self.model.spec.gate), encode(self.model.spec.evaluate)])

    def comparison_key(self, champion: Event | None) -> str:
        """Return the name of the gate's answer: the candidate, the champion, today's rows and the rules."""
        against = champion.ref.oid if champion else None
        parts = [
            JUDGE_FORMAT,
            self.key,
            against,
            self.snapshot.digest,
            self.sides.split.holdout_digest,
            self.policy_digest,
        ]
        if self.budget is not None:  # which decides the level of every test
            parts.append(self.budget)
        return digest_json(parts)[:KEY]


def chosen(project: Project, names: tuple[str, ...]) -> tuple[str, ...]:
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
    return snapshot(context.root, dataset, context.clock(), context.cache)


def identify(project: Project, name: str, data: DatasetSnapshot, recorded: Environment | None = None) -> Candidate:
    """Return the candidate that a model is now; reads no rows where the cache knows these files.

    `recorded` is the environment of a run, to be taken in place of the one at hand; such a run was judged before, and is not
    refused for what its holdout shares with its training side. Raises Findings when the data lack a column, the target
    cannot be learnt, or the holdout leaks.
    """
    context = project.context
    model = project.specs.models[name]
    spec = model.spec
    dataset = project.specs.datasets[spec.dataset]
    types = {column.name: column.type for column in data.columns}
    _present(model, types)
    sides = split(context.root, dataset, data.files, spec.features, spec.target, context.cache)
    findings = target_findings(sides, spec.target, spec.task, model.locate("spec", "target"))
    if recorded is None:
        findings += leak_findings(sides.leaks, dataset, sides.split.holdout_rows)
    if has_errors(findings):
        raise Findings(findings)
    code = code_files(context.root, spec.train.entrypoint)
    env = recorded or environment(
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
        inputs=tuple(Field(feature, types[feature]) for feature in spec.features),
        output=Field(spec.target, types[spec.target]),
        code=code,
        environment=env,
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
    return replace(candidate, key=digest_json(decides)[:KEY])


def champion_of(project: Project, model: str) -> Event | None:
    """Return the release that a model's candidates must beat, or None before the first one.

    Raises EnvironmentProblem `champion-unknown` when the remote did not answer and this clone knows of none, Findings
    `champion-missing` when the champion's tag is gone: neither means that there is no champion.
    """
    state = registry.read(project.context.repo).model(model)
    found = state.champion(project.specs.project.spec.champion_environment)
    if found is None and project.context.offline:
        raise EnvironmentProblem.of(
            "champion-unknown",
            f"the remote did not answer, and this clone knows no release of '{model}': whether there is a champion cannot be told",
            help="check the network and your rights (git fetch), then run the same command again",
        )
    return found


def sliced(spec: ModelSpec) -> tuple[str, ...]:
    """Return the columns whose values cut the holdout: those that are reported, and those that a requirement names."""
    named = [item.slices for item in spec.gate.requirements if isinstance(item.slices, tuple)]
    return tuple(dict.fromkeys((*spec.evaluate.slices, *(name for names in named for name in names))))


def _present(model: Loaded[ModelSpec], types: dict[str, str]) -> None:
    spec = model.spec
    places: list[tuple[str, tuple[str | int, ...]]] = []
    places += [(name, ("spec", "features", index)) for index, name in enumerate(spec.features)]
    places += [(spec.target, ("spec", "target"))]
    places += [(name, ("spec", "evaluate", "slices")) for name in sliced(spec)]
    found = []
    for name, place in places:
        if name not in types:
            close = difflib.get_close_matches(name, types, 1)
            help = f"did you mean '{close[0]}'?" if close else f"the data have: {', '.join(list(types)[:10])}"
            found.append(
                Diagnostic(
                    "model-column-missing",
                    f"the data of '{spec.dataset}' have no column '{name}'",
                    model.locate(*place),
                    help,
                )
            )
    if found:
        raise Findings(found)
