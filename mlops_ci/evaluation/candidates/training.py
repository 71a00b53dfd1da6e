"""Trains a candidate on the training side of its data, or loads its run from the store."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import Findings
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import FileContent
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.data.split import SplitSource, split_key, write_split_files
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.registry import run_store
from mlops_ci.repository.context import Project
from mlops_ci.training.fit import fit_model
from mlops_ci.training.package import FittedModel
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers.protocol import CURRENT_INTERPRETER, Interpreter, prepare_worker


def fit_candidate(
    project: Project, candidate: Candidate, interpreter: Interpreter = CURRENT_INTERPRETER
) -> FittedModel:
    """Return a candidate's fitted model; the process that fits it gets the training rows only.

    The files are in a new folder of the project's scratch. Raises what `fit_model` raises.
    """
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    if interpreter == CURRENT_INTERPRETER:
        prepare_worker(
            spec.train.estimator, spec.train.entrypoint
        )  # the worker imports while this process writes the rows
    source = SplitSource(context.root, candidate.dataset_by_rules, candidate.snapshot.files)
    # the training process must not find the holdout, so it is not written
    sides = write_split_files(source, spec.features, spec.target, scratch, sides=("train",))
    task = replace(training_task(candidate, context.root), interpreter=interpreter)
    return fit_model(task, sides.train, scratch / "fit")


def training_task(candidate: Candidate, root: Path) -> TrainingTask:
    """Return the training task of a candidate's spec; `root` is the folder with its code."""
    spec = candidate.model.spec
    return TrainingTask(
        train=spec.train,
        task=spec.task,
        inputs=candidate.inputs,
        output=candidate.output,
        root=root,
        environment=candidate.environment,
        where=candidate.model.locate("spec", "train", key=True),
    )


def train_candidate(
    project: Project,
    candidate: Candidate,
    store: run_store.StoreTarget,
    *,
    explain: bool = False,
    check_determinism: bool = False,
) -> TrainedModel:
    """Return the candidate's stored run; or fit the candidate, and return the run with the plan that stores it.

    `explain` makes `why` name the ref of the run. `check_determinism` fits the candidate once more; when that gives
    another model, the result has the error `train-not-deterministic` and no plan. Raises what `fit_candidate` raises.
    """
    trained = find_stored_run(project, candidate)
    if trained is None:
        trained = _fit_new_run(project, candidate, store, explain=explain)
    elif explain:
        ref = run_store.run_ref(candidate.model.name, candidate.key)
        trained = replace(trained, why=f"the inputs of the training have not changed since {ref}")
    if not check_determinism:
        return trained
    project.context.progress(f"training {candidate.model.name} once more")
    digests = (trained.run.model_digest, fit_candidate(project, candidate).model_digest)
    if len(set(digests)) == 1:
        return trained
    flaky = Diagnostic(
        "train-not-deterministic",
        f"{candidate.model.name}: the same code, data, environment and seed gave two models,"
        f" {' and '.join(digest[:16] for digest in digests)}",
        candidate.model.locate("spec", "train", key=True),
        "take all random numbers from random_state or numpy's global generator: the spec's seed sets both; otherwise each"
        " training gives a different model, and the verdict on one of them is not valid for the next one",
    )
    return replace(trained, diagnostics=(*trained.diagnostics, flaky), plan=Plan())


def _fit_new_run(
    project: Project, candidate: Candidate, store: run_store.StoreTarget, *, explain: bool
) -> TrainedModel:
    context, name = project.context, candidate.model.name
    ref = run_store.run_ref(name, candidate.key)
    context.progress(f"training {name} on {candidate.sides.split.train_rows:,} rows")
    started = context.clock()
    fitted = fit_candidate(project, candidate)
    files = (*fitted.files, *copy_source(context.root, candidate, fitted.folder))
    run = training_record(candidate, fitted, files, started.isoformat(timespec="seconds"))
    records: dict[str, FileContent] = {"run.json": canonical_json(encode(run)).encode(), "log.txt": fitted.log}
    return TrainedModel(
        run,
        fitted.folder,
        fitted.log,
        fitted=True,
        why=f"the store has no {ref}" if explain else "not trained before",
        diagnostics=fitted.diagnostics,
        plan=run_store.plan_store(ref, f"{name}: run {run.key}", records, run.files, fitted.folder, store),
    )


def find_stored_run(project: Project, candidate: Candidate) -> TrainedModel | None:
    """Return the candidate's run and model files from the store; None when it has not been trained."""
    context = project.context
    stored = run_store.find_run(context.repo, run_store.run_ref(candidate.model.name, candidate.key))
    if stored is None or context.repo is None:
        return None
    run = run_store.read_record(context.repo, stored, "run.json", TrainingRun)
    folder = Path(tempfile.mkdtemp(dir=context.scratch))
    run_store.write_model_files(context.repo, stored, run.files, folder)
    log = context.repo.read_blob(stored.files["log.txt"]) if "log.txt" in stored.files else None
    return TrainedModel(run, folder, log or b"", why="nothing has changed")


def require_stored_run(project: Project, candidate: Candidate) -> TrainedModel:
    """Return the candidate's run and files from the store; raises Findings `run-missing` when it has not been trained."""
    trained, name = find_stored_run(project, candidate), candidate.model.name
    if trained is None:
        raise Findings.of(
            "run-missing",
            f"'{name}' has not been trained in its current state",
            help=f"mlops-ci train {name} (or mlops-ci gate {name})",
        )
    return trained


def training_record(
    candidate: Candidate, made: FittedModel, files: tuple[FileDigest, ...], started_on: str
) -> TrainingRun:
    """Return the record of a candidate's training; `files` are all files of its package, including its code."""
    spec = candidate.model.spec
    return TrainingRun(
        key=candidate.key,
        model=candidate.model.name,
        task=spec.task,
        dataset=spec.dataset,
        spec_path=candidate.model.path,
        spec_digest=candidate.model.digest,
        interface_digest=candidate.interface_digest,
        code=candidate.code,
        data_digest=candidate.snapshot.digest,
        schema_digest=candidate.snapshot.schema_digest,
        split=candidate.sides.split,
        row_key=split_key(candidate.dataset.spec),
        environment=made.environment,
        seed=spec.train.seed,
        estimator=spec.train.estimator or spec.train.entrypoint or "",
        trusted=made.trusted,
        signature=made.signature,
        model_digest=made.model_digest,
        model_format=made.model_format,
        files=files,
        started_on=started_on,
        seconds=round(made.seconds, 3),
        params=spec.train.params,
        project=candidate.snapshot.project,
    )


def copy_source(root: Path, candidate: Candidate, folder: Path) -> tuple[FileDigest, ...]:
    """Copy the model's own code into the package folder, because serving the model needs the code; return its files.

    Raises Findings `code-changed` when a file has changed since the candidate was identified.
    """
    for file in candidate.code:
        content = (root / file.path).read_bytes()
        if digest_bytes(content) != file.sha256:
            raise Findings.of("code-changed", f"{file.path} changed during the training", help="run the command again")
        path = folder / run_store.CODE_FOLDER / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(replace(file, path=f"{run_store.CODE_FOLDER}/{file.path}") for file in candidate.code)
