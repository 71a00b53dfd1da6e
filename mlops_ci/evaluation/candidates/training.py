"""Trains a candidate on the training side of its data, or loads its run from the store."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import Findings
from mlops_ci.core.plan import Plan, Stages
from mlops_ci.core.planned_writes import DropFit, FileContent, KeepFit, Push, Upload
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import ModelField, TrainingRun
from mlops_ci.data.earlier_splits import split_key
from mlops_ci.data.split import SplitSource, ValidationShare, write_training_rows
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.registry import run_store
from mlops_ci.registry.kept_fits import KeptFit, find_fit
from mlops_ci.registry.lookup import ensure_own_run
from mlops_ci.repository.context import Project
from mlops_ci.training.fit import UninspectedModel, package_fit, run_training
from mlops_ci.training.golden import GoldenRows, make_golden_rows
from mlops_ci.training.package import FittedModel, make_folder
from mlops_ci.training.spec_places import field_places
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers.protocol import CURRENT_INTERPRETER, Interpreter, prepare_worker


class RefusedFit(Findings):
    """A model was fitted just now and then refused. Its fit is kept, so that an amended spec does not fit it again."""


@dataclass(frozen=True)
class _TrainingInputs:
    """A candidate's training task, its training rows (a parquet file), its golden rows, and an empty folder."""

    task: TrainingTask
    rows: Path
    golden: GoldenRows
    scratch: Path


def fit_candidate(
    project: Project,
    candidate: Candidate,
    interpreter: Interpreter = CURRENT_INTERPRETER,
    recorded: GoldenRows | None = None,
) -> FittedModel:
    """Return a candidate's fitted model; the process that fits it gets the training rows only.

    Its golden rows are the `recorded` ones, if there are any. The files are in a new folder of the project's scratch. Raises what `run_training` and `package_fit` raise.
    """
    given = _write_training_inputs(project, candidate, interpreter)
    fitted = run_training(given.task, given.rows, given.scratch)
    return package_fit(given.task, fitted, recorded or given.golden, given.scratch)


def _write_training_inputs(
    project: Project, candidate: Candidate, interpreter: Interpreter = CURRENT_INTERPRETER
) -> _TrainingInputs:
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    if interpreter == CURRENT_INTERPRETER:
        prepare_worker(
            spec.train.estimator, spec.train.entrypoint
        )  # the worker imports while this process writes the rows
    source = SplitSource(context.root, candidate.dataset_by_rules, candidate.snapshot.files)
    # the training process must not find the holdout, so it is not written
    stopping = spec.train.early_stopping
    rows = write_training_rows(
        source,
        candidate.columns,
        spec.target,
        scratch,
        order=spec.features,
        validation=ValidationShare(stopping.validation, spec.train.seed) if stopping else None,
    )
    task = replace(training_task(candidate, context.root), interpreter=interpreter)
    if secret := candidate.secret_columns:
        task = replace(task, secret=secret, personal_rows=rows)
    # chosen before the training process knows the path of the data
    golden = make_golden_rows(rows, task.inputs, candidate.golden, candidate.dataset.spec.columns)
    folder = scratch / "fit"
    folder.mkdir()
    return _TrainingInputs(task, rows, golden, folder)


def training_task(candidate: Candidate, root: Path) -> TrainingTask:
    """Return the training task of a candidate's spec; `root` is the folder with its code."""
    spec = candidate.model.spec
    types = {column.name: column.type for column in candidate.snapshot.columns}
    return TrainingTask(
        train=spec.train,
        task=spec.task,
        inputs=candidate.inputs,
        output=candidate.output,
        root=root,
        environment=candidate.environment,
        where=candidate.model.locate("spec", "train", key=True),
        places=field_places(candidate.model),
        columns=tuple(ModelField(name, types[name]) for name in spec.train.columns or ()),
        personal=candidate.personal_columns,
    )


def train_candidate(
    project: Project,
    candidate: Candidate,
    store: run_store.StoreTarget,
    *,
    explain: bool = False,
    check_determinism: bool = False,
) -> Stages[TrainedModel]:
    """Return the candidate's stored run; or fit the candidate, and return its run, whose plan has the uploads of large files.

    The plans that it yields keep the fit as soon as there is one, and store the run before anybody judges it. `explain` makes
    `why` name the ref of the run. `check_determinism` fits the candidate once more; when that gives another model, the result
    has the error `train-not-deterministic`, and neither run nor fit stays. Raises RefusedFit for a fitted model that cannot be
    packaged or stored, and what `run_training` raises.
    """
    trained = find_stored_run(project, candidate)
    if trained is None:
        trained = yield from _fit_new_run(project, candidate, store, explain=explain)
    elif explain:
        ref = run_store.run_ref(candidate.model.name, candidate.key)
        trained = replace(trained, why=f"the inputs of the training have not changed since {ref}")
    if check_determinism:
        project.context.progress(f"training {candidate.model.name} once more")
        digests = (trained.run.model_digest, fit_candidate(project, candidate).model_digest)
        if len(set(digests)) > 1:
            # neither of the two models stands for these inputs, so none is found again
            yield Plan((DropFit(candidate.model.name, candidate.fit_key),))
            flaky = _flaky_finding(candidate, digests)
            return replace(trained, diagnostics=(*trained.diagnostics, flaky), plan=Plan())
    if not trained.plan:
        return trained
    now = tuple(write for write in trained.plan.writes if not isinstance(write, Push | Upload))
    uploads = Plan(tuple(write for write in trained.plan.writes if isinstance(write, Upload)))
    is_stored = yield Plan((*now, Push(None), DropFit(candidate.model.name, candidate.fit_key)))
    # another command may have stored a run of this candidate first, and that one counts
    first = None if is_stored else find_stored_run(project, candidate)
    if first is None:
        return replace(trained, plan=uploads)
    return replace(first, fitted=trained.fitted, why=trained.why, diagnostics=trained.diagnostics)


def _flaky_finding(candidate: Candidate, digests: tuple[str, str]) -> Diagnostic:
    return Diagnostic(
        "train-not-deterministic",
        f"{candidate.model.name}: the same code, data, environment and seed gave two models,"
        f" {' and '.join(digest[:16] for digest in digests)}",
        candidate.model.locate("spec", "train", key=True),
        "take all random numbers from random_state or numpy's global generator: the spec's seed sets both; otherwise each"
        " training gives a different model, and the verdict on one of them is not valid for the next one",
    )


def _fit_new_run(
    project: Project, candidate: Candidate, store: run_store.StoreTarget, *, explain: bool
) -> Stages[TrainedModel]:
    context, name = project.context, candidate.model.name
    ref = run_store.run_ref(name, candidate.key)
    kept = find_fit(context.repo, name, candidate.fit_key)
    given = _write_training_inputs(project, candidate)
    if kept is None:
        context.progress(f"training {name} on {candidate.sides.split.train_rows:,} rows")
        started = context.clock().isoformat(timespec="seconds")
        model = run_training(given.task, given.rows, given.scratch, started)
        _require_unchanged_code(context.root, candidate)
        if not candidate.secret_columns:  # nobody has looked yet whether the file holds values that must not stay
            yield Plan((KeepFit(name, candidate.fit_key, model.fit, model.path, model.log),))
        why = f"the store has no {ref}" if explain else "not trained before"
    else:
        model = _copy_kept_fit(kept, given.scratch)
        why = (
            f"the store has no {ref}, but this clone kept its fit" if explain else "fitted earlier, and not stored then"
        )
    try:
        package = package_fit(given.task, model, given.golden, given.scratch)
        files = (*package.files, *copy_source(context.root, candidate, package.folder))
        run = training_record(candidate, package, files, model.fit.started_on)
        records: dict[str, FileContent] = {"run.json": canonical_json(encode(run)).encode(), "log.txt": package.log}
        plan = run_store.plan_store(ref, f"{name}: run {run.key}", records, run.files, package.folder, store)
    except Findings as refused:
        raise (RefusedFit if kept is None else Findings)(refused.diagnostics) from refused
    return TrainedModel(
        run, package.folder, package.log, fitted=kept is None, why=why, diagnostics=package.diagnostics, plan=plan
    )


def _copy_kept_fit(kept: KeptFit, scratch: Path) -> UninspectedModel:
    """Copy the kept model file into a folder of its own, in which the inspecting process may write."""
    folder = make_folder(scratch, "inspect-")
    shutil.copyfile(kept.path, folder / kept.fit.file.path)
    return UninspectedModel(folder / kept.fit.file.path, kept.fit, kept.log)


def find_stored_run(project: Project, candidate: Candidate) -> TrainedModel | None:
    """Return the candidate's run and model files from the store; None when it has not been trained.

    Raises Findings `run-of-another-project` when another project's model of this name has the same run.
    """
    context = project.context
    stored = run_store.find_run(context.repo, run_store.run_ref(candidate.model.name, candidate.key))
    if stored is None or context.repo is None:
        return None
    run = run_store.read_record(context.repo, stored, "run.json", TrainingRun)
    ensure_own_run(project, run, stored.ref)
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
        text=spec.train.text,
        personal=candidate.personal_columns or None,
        weights=spec.train.weights,
        fit=encode(spec.train.fit) if spec.train.fit else None,
        rounds=made.rounds,
        columns=spec.train.columns,
        project=candidate.snapshot.project,
    )


def copy_source(root: Path, candidate: Candidate, folder: Path) -> tuple[FileDigest, ...]:
    """Copy the model's own code into the package folder, because serving the model needs the code; return its files.

    Raises Findings `code-changed` when a file has changed since the candidate was identified.
    """
    _require_unchanged_code(root, candidate)
    for file in candidate.code:
        content = (root / file.path).read_bytes()
        path = folder / run_store.CODE_FOLDER / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(replace(file, path=f"{run_store.CODE_FOLDER}/{file.path}") for file in candidate.code)


def _require_unchanged_code(root: Path, candidate: Candidate) -> None:
    for file in candidate.code:
        if digest_bytes((root / file.path).read_bytes()) != file.sha256:
            raise Findings.of("code-changed", f"{file.path} changed during the training", help="run the command again")
