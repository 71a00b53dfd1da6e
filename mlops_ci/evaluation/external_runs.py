"""Imports candidates that another job trained: this job derives every claim of that job again, without running its code.

The training job runs the change's code, so everything that it hands over may be forged. This job takes two things from it:
the model file, which it inspects as an untrusted file; and the start, duration, rounds and packages of the training, which only
the training job knows. A model with its own code has predicted the holdout rows in a job without labels; this job gets only the
predictions.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mlops_ci.core.codec import DecodeError, decode_json
from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.core.errors import EnvironmentProblem, Findings, error_headline
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingEnvironment, TrainingRun
from mlops_ci.data.split import SplitSource, write_training_rows
from mlops_ci.evaluation.base_branch_rules import BaseBranch
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate
from mlops_ci.evaluation.candidates.trained_model import ExternalPredictions, TrainedModel
from mlops_ci.evaluation.candidates.training import copy_source, training_record, training_task
from mlops_ci.registry import run_store, run_transfer
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.read_apart import is_read_apart
from mlops_ci.training.external_model import package_external
from mlops_ci.training.fit import plausible_rounds
from mlops_ci.training.golden import external_golden_rows, make_golden_rows
from mlops_ci.training.inspection import ExternalAnswers
from mlops_ci.training.package import FittedModel
from mlops_ci.training.workers import untrusted_files
from mlops_ci.training.workers.protocol import ModelCosts

PREDICTIONS_SUFFIX, COSTS_SUFFIX = ".predictions.parquet", ".costs.json"
_COSTS_LIMIT = 1 << 20  # bytes
_NAME_PATTERN, _VERSION_PATTERN = (
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}"),
)
_MAX_PACKAGES, _MAX_TEXT_LENGTH = 500, 200  # _MAX_TEXT_LENGTH in characters


@dataclass(frozen=True)
class RunArtifact:
    """The files that arrived about one model: its run, the claimed record and the log of that run.

    For a model with its own code there are also `predictions` and `costs`.
    """

    run: run_store.StoredRun
    claimed_run: TrainingRun
    log: bytes
    predictions: Path | None = None
    costs: Path | None = None


def read_artifacts(repo: Repository, folder: Path) -> Mapping[str, RunArtifact]:
    """Return the artifacts in a folder, by model.

    Raises Findings `bundle-invalid` when a bundle has no valid run, or when a model has two runs.
    """
    artifacts: dict[str, RunArtifact] = {}
    for file in sorted(folder.rglob("*.bundle")):
        for run in run_transfer.read_bundle(repo, file):
            model = run_transfer.run_model_name(run)
            if model in artifacts:
                raise run_transfer.invalid_bundle_error(file, f"there is a second run of '{model}'")
            prediction_files = (
                next(iter(sorted(folder.rglob(f"{model}{end}"))), None) for end in (PREDICTIONS_SUFFIX, COSTS_SUFFIX)
            )
            artifacts[model] = RunArtifact(
                run, _read_claimed_run(repo, file, run), _read_log(repo, run), *prediction_files
            )
    return artifacts


def match_candidate(
    project: Project, name: str, data: DatasetSnapshot, base: BaseBranch | None, artifact: RunArtifact
) -> Candidate:
    """Return the candidate of an arrived run, identified from the specs, code and data of this job.

    Raises Findings `run-misfits` when the run was trained from another spec, code, data or environment.
    """
    candidate = identify_candidate(
        project, name, data, recorded_environment=_sanitise_environment(artifact.claimed_run.environment), base=base
    )
    if artifact.run.ref != run_store.run_ref(name, candidate.key):
        raise Findings.of(
            "run-misfits",
            f"the run of '{name}' from the training job was trained from a different spec, code, data or environment than this job has",
            location=candidate.model.locate("metadata", "name"),
            help="both jobs must check out the same commit: run the whole workflow again, not only one of its jobs",
        )
    return candidate


def import_run(project: Project, repo: Repository, candidate: Candidate, artifact: RunArtifact) -> TrainedModel:
    """Return an arrived model as a trained model, after inspecting its files; the candidate's holdout must be open.

    Raises Findings when the spec does not allow the model, and `predictions-missing` when the model has its own code
    but its predictions did not arrive.
    """
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    environment = _sanitise_environment(artifact.claimed_run.environment)
    task = replace(training_task(candidate, context.root), environment=environment)
    model = scratch / "arrived-model"
    # the spec defines the format, not the run's claim
    model.write_bytes(_read_blob(repo, artifact.run, f"{run_store.MODEL_FOLDER}{task.packager.entry_file}"))
    source = SplitSource(context.root, candidate.dataset_by_rules, candidate.snapshot.files)
    rows = write_training_rows(source, candidate.columns, spec.target, scratch, order=spec.features)
    if secret := candidate.secret_columns:
        task = replace(task, secret=secret, personal_rows=rows)
    golden = make_golden_rows(rows, candidate.inputs, candidate.golden, candidate.dataset.spec.columns)
    if runs_untrusted_code(candidate):
        golden = external_golden_rows(golden, candidate.golden)
    golden_answers, predictions = (
        _split_predictions(candidate, artifact, golden.table.num_rows)
        if runs_untrusted_code(candidate)
        else (None, None)
    )
    package = package_external(task, model, golden, scratch / "examined", golden_answers)
    run = _imported_record(context.root, candidate, artifact.claimed_run, package)
    return TrainedModel(run, package.folder, artifact.log, predictions=predictions, diagnostics=package.diagnostics)


def runs_untrusted_code(candidate: Candidate) -> bool:
    """Tell whether loading a model can run code of the change, or other code than that of the reviewed types."""
    return bool(candidate.code or is_read_apart(candidate.model.spec.train))


def _imported_record(root: Path, candidate: Candidate, claim: TrainingRun, package: FittedModel) -> TrainingRun:
    seconds = claim.seconds if math.isfinite(claim.seconds) and 0 <= claim.seconds < 1e9 else 0.0
    files = (*package.files, *copy_source(root, candidate, package.folder))
    made = replace(package, seconds=seconds, rounds=plausible_rounds(claim.rounds))
    return training_record(candidate, made, files, _normalise_timestamp(claim.started_on))


def _split_predictions(
    candidate: Candidate, artifact: RunArtifact, golden: int
) -> tuple[ExternalAnswers, ExternalPredictions]:
    """Split the arrived predictions: the holdout rows come first, the golden rows last. Return the golden part first."""
    name, rows = candidate.model.name, candidate.sides.split.holdout_rows
    where = candidate.model.locate("spec", "train", key=True)
    if artifact.predictions is None:
        raise Findings.of(
            "predictions-missing",
            f"the predictions of '{name}' for the holdout rows are missing; another job must make them, because the model has its"
            " own code or types that its spec trusts",
            location=where,
            help="the evaluating job never loads such a model: read the log of the job that predicts",
        )
    classes = artifact.claimed_run.signature.classes
    try:
        table = untrusted_files.read_prediction_table(
            artifact.predictions, task=candidate.model.spec.task, classes=classes, rows=rows + golden
        )
        costs = _read_costs(artifact.costs, name)
    except (ValueError, OSError, DecodeError) as error:
        raise Findings.of(
            "predictions-invalid",
            f"the predictions of '{name}' cannot be used: {error_headline(error)}",
            location=where,
            help="read the log of the job that predicts",
        ) from error
    return ExternalAnswers(classes, table.slice(rows), candidate.code), ExternalPredictions(table.slice(0, rows), costs)


def _read_costs(file: Path | None, name: str) -> ModelCosts:
    if file is None:
        return ModelCosts(name)
    with untrusted_files.open_regular_file(file, _COSTS_LIMIT) as stream:
        return replace(decode_json(ModelCosts, stream.read(_COSTS_LIMIT)), name=name)


def _read_claimed_run(repo: Repository, file: Path, run: run_store.StoredRun) -> TrainingRun:
    try:
        return run_store.read_record(repo, run, "run.json", TrainingRun)
    except EnvironmentProblem as error:
        raise run_transfer.invalid_bundle_error(file, error.diagnostics[0].message) from error


def _read_log(repo: Repository, run: run_store.StoredRun) -> bytes:
    return (repo.read_blob(run.files["log.txt"]) or b"") if "log.txt" in run.files else b""


def _read_blob(repo: Repository, run: run_store.StoredRun, path: str) -> bytes:
    content = repo.read_blob(run.files[path]) if path in run.files else None
    if content is None:
        raise Findings.of("bundle-invalid", f"{run.ref} has no {path}", help="read the log of the job that trains")
    return content


def _sanitise_environment(claim: TrainingEnvironment) -> TrainingEnvironment:
    """Return the environment that another job claims, with checked names and versions and shortened texts.

    The packages become a requirements.txt that people install from. Raises Findings `bundle-invalid` when a name or
    version is malformed, or when there are too many packages.
    """
    names = all(_NAME_PATTERN.fullmatch(name) for name in claim.packages)
    versions = all(_VERSION_PATTERN.fullmatch(version) for version in (claim.python, *claim.packages.values()))
    if not (names and versions and len(claim.packages) <= _MAX_PACKAGES):
        raise Findings.of(
            "bundle-invalid",
            f"a run from another job has malformed package names or versions, or more than {_MAX_PACKAGES} packages",
            help="read the log of the job that trains",
        )
    pools = tuple(_sanitise_text(one) for one in claim.threadpools[:20])
    return replace(claim, platform=_sanitise_text(claim.platform), cpu=_sanitise_text(claim.cpu), threadpools=pools)


def _sanitise_text(text: str) -> str:
    return replace_control_characters(" ".join(text.split()))[:_MAX_TEXT_LENGTH]


def _normalise_timestamp(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat(timespec="seconds")
    except ValueError:
        return ""
