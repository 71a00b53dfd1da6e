"""A candidate's model: made from the training side alone, or taken from the store."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import Findings
from mlops_ci.core.records import FileDigest, TrainingRun
from mlops_ci.data.split import split_key, write_split_files
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.registry import run_store
from mlops_ci.repository.context import Project
from mlops_ci.training.fit import FittedModel, fit_model
from mlops_ci.training.workers.protocol import CURRENT_INTERPRETER, Interpreter, prepare_worker


def fit_candidate(
    project: Project, candidate: Candidate, interpreter: Interpreter = CURRENT_INTERPRETER
) -> FittedModel:
    """Fit a candidate in a process that is handed the training rows only, in a new folder of the project's scratch.

    Raises as `learn.fit.fit` does.
    """
    context, spec = project.context, candidate.model.spec
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    if interpreter == CURRENT_INTERPRETER:
        prepare_worker(spec.train.estimator, spec.train.entrypoint)  # it imports while the rows are written
    sides = write_split_files(
        context.root, candidate.dataset, candidate.snapshot.files, spec.features, spec.target, scratch
    )
    sides.holdout.unlink()  # the trainer is handed the training side only
    return fit_model(
        spec.train,
        task=spec.task,
        inputs=candidate.inputs,
        output=candidate.output,
        data=sides.train,
        root=context.root,
        scratch=scratch / "fit",
        environment=candidate.environment,
        where=candidate.model.locate("spec", "train", key=True),
        interpreter=interpreter,
    )


@dataclass(frozen=True)
class LoadedRun:
    """A candidate's stored run: its record, its packaged files in `folder`, and the training's output."""

    run: TrainingRun
    folder: Path
    log: bytes


def load_stored_run(project: Project, candidate: Candidate) -> LoadedRun:
    """Return what the store has of a candidate; raises Findings `run-missing` when it has not been trained."""
    context, name = project.context, candidate.model.name
    stored = run_store.find_run(context.repo, run_store.run_ref(name, candidate.key))
    if stored is None or context.repo is None:
        raise Findings.of(
            "run-missing",
            f"'{name}' as it is now has not been trained",
            help=f"mlops-ci train {name} (or mlops-ci gate {name})",
        )
    run = run_store.read_record(context.repo, stored, "run.json", TrainingRun)
    folder = Path(tempfile.mkdtemp(dir=context.scratch))
    run_store.write_model_files(context.repo, stored, run.files, folder)
    return LoadedRun(run, folder, context.repo.read_blob(stored.files["log.txt"]) or b"")


def training_record(
    candidate: Candidate, made: FittedModel, files: tuple[FileDigest, ...], started_on: str
) -> TrainingRun:
    """Return the record of a candidate's training; `files` are those of its package, its code among them."""
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
        files=files,
        started_on=started_on,
        seconds=round(made.seconds, 3),
        params=spec.train.params,
    )


def copy_source(root: Path, candidate: Candidate, folder: Path) -> tuple[FileDigest, ...]:
    """Put the code that the model is made of beside it: whoever fetches or serves the model needs it too.

    Raises Findings when a file has changed since the candidate was identified.
    """
    for file in candidate.code:
        content = (root / file.path).read_bytes()
        if digest_bytes(content) != file.sha256:
            raise Findings.of(
                "code-changed", f"{file.path} changed while the model was trained", help="run the command again"
            )
        path = folder / run_store.CODE_FOLDER / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(replace(file, path=f"{run_store.CODE_FOLDER}/{file.path}") for file in candidate.code)
