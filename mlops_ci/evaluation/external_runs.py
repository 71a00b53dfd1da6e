"""Candidates that were trained in another job: whatever that job says is found out again here, without running their code.

The training job runs a change's code, so that all it hands over may be forged. Taken from it are the model file, which is
looked into as one that a stranger made, and what nobody else can tell: when, how long, and with which packages. A model with
code of its own has answered the held-out rows in a job that was given no labels; only its answers come here.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mlops_ci.core.codec import DecodeError, read
from mlops_ci.core.diagnostics import Diagnostic, printable
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records import DatasetSnapshot, Environment, TrainingRun
from mlops_ci.data.split import materialise
from mlops_ci.evaluation.base_branch_rules import Base
from mlops_ci.evaluation.candidates.candidate import Candidate, identify
from mlops_ci.evaluation.candidates.training import described, with_code
from mlops_ci.evaluation.evaluate import Given
from mlops_ci.registry import run_store as store
from mlops_ci.registry import run_transfer as bundles
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.training.fit import Answers, Fitted, examined, golden_rows
from mlops_ci.training.packaging import skops as package
from mlops_ci.training.workers import untrusted_files as received
from mlops_ci.training.workers.protocol import Measured

PREDICTIONS, COSTS = ".predictions.parquet", ".costs.json"
_COSTS_LIMIT = 1 << 20  # bytes
_NAME, _VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
_PACKAGES, _TEXT = 500, 200  # how many, and characters


@dataclass(frozen=True)
class Arrival:
    """What came of a model: its run, what was said there of it, and, of a model with code of its own, its answers and costs."""

    run: store.StoredRun
    claim: TrainingRun
    log: bytes
    predictions: Path | None = None
    costs: Path | None = None


@dataclass(frozen=True)
class Taken:
    """A candidate that has arrived, as this job found it: its record, its packaged files in `folder`, and its answers."""

    run: TrainingRun
    folder: Path
    log: bytes
    given: Given | None
    diagnostics: tuple[Diagnostic, ...]


def arrived(repo: Repository, folder: Path) -> Mapping[str, Arrival]:
    """Return what a folder of artifacts holds, by model; raises Findings `bundle-invalid` for what is no run, or two of a model."""
    found: dict[str, Arrival] = {}
    for file in sorted(folder.rglob("*.bundle")):
        for run in bundles.taken(repo, file):
            model = bundles.model_of(run)
            if model in found:
                raise bundles.invalid(file, f"there is a second run of '{model}'")
            beside = (next(iter(sorted(folder.rglob(f"{model}{end}"))), None) for end in (PREDICTIONS, COSTS))
            found[model] = Arrival(run, _claim(repo, file, run), _log(repo, run), *beside)
    return found


def recognised(project: Project, name: str, data: DatasetSnapshot, base: Base | None, arrival: Arrival) -> Candidate:
    """Return the candidate that a run was trained as, by the specs, code and data of this job.

    Raises Findings `run-misfits` when it was trained from others.
    """
    candidate = identify(project, name, data, recorded=_environment(arrival.claim.environment), base=base)
    if arrival.run.ref != store.run_ref(name, candidate.key):
        raise Findings.of(
            "run-misfits",
            f"the run of '{name}' that arrived was trained from another spec, code, data or environment than is here",
            location=candidate.model.locate("metadata", "name"),
            help="both jobs must check out the same commit; run the whole workflow again, and not one job of it",
        )
    return candidate


def taken(project: Project, repo: Repository, candidate: Candidate, arrival: Arrival) -> Taken:
    """Look into what arrived of a candidate whose holdout is open, and describe it as if it had been trained here.

    Raises Findings when the model is none that the spec allows, or `predictions-missing` when it has code of its own and
    its answers did not arrive.
    """
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    model = scratch / "arrived.skops"
    model.write_bytes(_blob(repo, arrival.run, f"{store.MODEL}{package.MODEL}"))
    sides = materialise(context.root, candidate.dataset, candidate.snapshot.files, spec.features, spec.target, scratch)
    sides.holdout.unlink()
    golden = golden_rows(sides.train, candidate.inputs)
    answers, given = _answers(candidate, arrival, golden.num_rows) if own_code(candidate) else (None, None)
    made = examined(
        model,
        spec.train,
        task=spec.task,
        inputs=candidate.inputs,
        output=candidate.output,
        golden=golden,
        root=context.root,
        scratch=scratch / "examined",
        environment=_environment(arrival.claim.environment),
        where=candidate.model.locate("spec", "train", key=True),
        answers=answers,
    )
    run = _described(context.root, candidate, arrival.claim, made)
    return Taken(run, made.folder, arrival.log, given, made.diagnostics)


def own_code(candidate: Candidate) -> bool:
    """Tell whether a model is made of code that the change may have brought, or of types that it says are safe to make."""
    return bool(candidate.code or candidate.model.spec.train.trusted)


def _described(root: Path, candidate: Candidate, claim: TrainingRun, made: Fitted) -> TrainingRun:
    seconds = claim.seconds if math.isfinite(claim.seconds) and 0 <= claim.seconds < 1e9 else 0.0
    files = (*made.files, *with_code(root, candidate, made.folder))
    return described(candidate, replace(made, seconds=seconds), files, _time(claim.started_on))


def _answers(candidate: Candidate, arrival: Arrival, golden: int) -> tuple[Answers, Given]:
    """Part the answers that arrived into those for the held-out rows and, behind them, those for the golden rows."""
    name, rows = candidate.model.name, candidate.sides.split.holdout_rows
    where = candidate.model.locate("spec", "train", key=True)
    if arrival.predictions is None:
        raise Findings.of(
            "predictions-missing",
            f"'{name}' has code of its own, or types that its spec trusts, and its answers for the held-out rows did not arrive",
            location=where,
            help="such a model is never loaded by the job that judges: look at the log of the job that lets it predict",
        )
    classes = arrival.claim.signature.classes
    try:
        table = received.predictions(
            arrival.predictions, task=candidate.model.spec.task, classes=classes, rows=rows + golden
        )
        costs = _costs(arrival.costs, name)
    except (ValueError, OSError, DecodeError) as error:
        raise Findings.of(
            "predictions-invalid",
            f"the answers of '{name}' cannot be used: {package.headline_of(error)}",
            location=where,
            help="look at the log of the job that lets it predict",
        ) from error
    return Answers(classes, table.slice(rows), candidate.code), Given(table.slice(0, rows), costs)


def _costs(file: Path | None, name: str) -> Measured:
    if file is None:
        return Measured(name)
    with received.open_regular(file, _COSTS_LIMIT) as stream:
        return replace(read(Measured, stream.read(_COSTS_LIMIT)), name=name)


def _claim(repo: Repository, file: Path, run: store.StoredRun) -> TrainingRun:
    try:
        return store.read_record(repo, run, "run.json", TrainingRun)
    except EnvironmentProblem as error:
        raise bundles.invalid(file, error.diagnostics[0].message) from error


def _log(repo: Repository, run: store.StoredRun) -> bytes:
    return (repo.read(run.files["log.txt"]) or b"") if "log.txt" in run.files else b""


def _blob(repo: Repository, run: store.StoredRun, path: str) -> bytes:
    content = repo.read(run.files[path]) if path in run.files else None
    if content is None:
        raise Findings.of("bundle-invalid", f"{run.ref} has no {path}", help="look at the log of the job that trained")
    return content


def _environment(claim: Environment) -> Environment:
    """Return what another job says of its packages, in the form that such things have; raises Findings for the rest.

    It becomes a requirements.txt, which somebody will install from.
    """
    names = all(_NAME.fullmatch(name) for name in claim.packages)
    versions = all(_VERSION.fullmatch(version) for version in (claim.python, *claim.packages.values()))
    if not (names and versions and len(claim.packages) <= _PACKAGES):
        raise Findings.of(
            "bundle-invalid",
            "a run that arrived names packages or versions that cannot be any",
            help="look at the log of the job that trained",
        )
    pools = tuple(_line(one) for one in claim.threadpools[:20])
    return replace(claim, platform=_line(claim.platform), cpu=_line(claim.cpu), threadpools=pools)


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:_TEXT]


def _time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat(timespec="seconds")
    except ValueError:
        return ""
