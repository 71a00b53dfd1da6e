"""Inspects a model file in a process other than the one that wrote it.

A model with classes of the repository cannot be loaded without the repository's code. The process states the types of
the file before it imports this code. Digest, classes and predictions come from the code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.core.errors import Findings
from mlops_ci.core.process import ProcessResult
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import Task
from mlops_ci.training.failures import require_answer, training_failure
from mlops_ci.training.golden import GoldenRows
from mlops_ci.training.packaging.reviewed_types import read_reviewed_types, types_for
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.user_code import entrypoint_folders
from mlops_ci.training.withheld import withhold_output
from mlops_ci.training.workers import protocol, untrusted_files
from mlops_ci.training.workers.type_statement import open_channel, read_statement

INSPECT_WORKER = "mlops_ci.training.workers.inspect"
_ACTIVITY = "checking the model"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Inspection:
    """The content of a model file, and a pyarrow table of the model's predictions for the golden rows."""

    trusted: tuple[str, ...]
    model_digest: str
    classes: tuple[str | int | bool, ...]
    predictions: Any
    log: bytes


@dataclass(frozen=True)
class ExternalAnswers:
    """The classes and the golden predictions (a pyarrow table) that a model with its own code gave in another place.

    `code` are the files of its code. They and the model file identify the model.
    """

    classes: tuple[str | int | bool, ...]
    golden_predictions: Any
    code: tuple[FileDigest, ...]


def inspect_model_file(task: TrainingTask, model: Path, golden: Any) -> Inspection:
    """Return the content of a model file and its golden predictions. The inspecting process works in the file's folder.

    Raises Findings when the file needs types that the spec does not trust, or when the model cannot be used.
    """
    paths = entrypoint_folders(task.train.entrypoint, task.root)
    job = _inspect_job(task, model, golden, paths, types_only=False)
    ended, found = _run_inspector(task, job, model.parent)
    _require_trusted_types(task, found)
    if found.personal:
        raise Findings([personal_values_finding(found.personal, task.where)])
    if found.model_digest is None or not _SHA256.fullmatch(found.model_digest):
        raise training_failure(f"{_ACTIVITY} gave no valid digest", ended, task.where)
    _require_usable_classes(task, found.classes, ended)
    try:
        predictions = untrusted_files.read_prediction_table(
            Path(job.out), task=task.task, classes=found.classes, rows=golden.num_rows
        )
    except ValueError as error:
        raise training_failure(f"the fitted model's predictions cannot be used: {error}", ended, task.where) from error
    return Inspection(found.untrusted, found.model_digest, found.classes, predictions, ended.log)


def inspect_with_golden(task: TrainingTask, path: Path, golden: GoldenRows) -> tuple[Inspection, Any]:
    """Return the inspection of a model file, and the golden rows to publish: None if the model cannot predict generated ones.

    Raises as `inspect_model_file` does.
    """
    try:
        return inspect_model_file(task, path, golden.table), golden.table if golden.is_published else None
    except Findings as failed:
        if golden.trial is None or any(one.id != "train-failed" for one in failed.diagnostics):
            raise
    return inspect_model_file(task, path, golden.trial), None  # the fault may lie with the model after all


def lost_golden_warnings(task: TrainingTask, golden: GoldenRows, published: Any) -> tuple[Diagnostic, ...]:
    """Return the warning about golden rows that could not be made, or none; `published` are those that were."""
    if not golden.is_published or published is not None:
        return ()
    warning = Diagnostic(
        "golden-not-made",
        "the model cannot predict the generated golden rows, so its package has none: probably it refuses a category that"
        " training did not have",
        task.where,
        "declare the `values` of each text column in the Dataset spec, or write `release: {golden: none}`",
        "warning",
    )
    return (warning,)


def inspect_without_loading(task: TrainingTask, model: Path, golden: Any, answers: ExternalAnswers) -> Inspection:
    """Return the content of a model file without loading it.

    Classes and golden predictions come from `answers`; the digest covers the file's bytes and the model's code. Raises
    Findings when the file needs types that the spec does not trust, or when the classes do not fit the task.
    """
    job = _inspect_job(task, model, golden, entrypoint_folders(task.train.entrypoint, task.root), types_only=True)
    ended, found = _run_inspector(task, job, model.parent)
    _require_trusted_types(task, found)
    _require_usable_classes(task, answers.classes, ended)
    digest = digest_json([digest_file(model), encode(answers.code)])
    return Inspection(found.untrusted, digest, answers.classes, answers.golden_predictions, ended.log)


def _inspect_job(
    task: TrainingTask, model: Path, golden: Any, paths: tuple[str, ...], *, types_only: bool
) -> protocol.InspectJob:
    import pyarrow.parquet as pq

    features = model.parent / "features.parquet"
    pq.write_table(golden, features)
    return protocol.InspectJob(
        packager=task.packager.name,
        model=str(model),
        features=str(features),
        out=str(model.parent / "predictions.parquet"),
        root=str(task.root.resolve()),
        task=task.task,
        inputs=task.inputs,
        trusted=tuple(sorted(_allowed_types(task))),
        paths=paths,
        types_only=types_only,
        personal=str(_write_personal_values(task, model.parent)) if task.personal_rows and not types_only else None,
    )


def _write_personal_values(task: TrainingTask, folder: Path) -> Path:
    """Write the columns whose values the model file must not hold, and return the file."""
    import pyarrow.parquet as pq

    path = folder / "personal.parquet"
    with pq.ParquetFile(task.personal_rows) as file:
        pq.write_table(file.read(list(task.secret)), path)
    return path


def _run_inspector(
    task: TrainingTask, job: protocol.InspectJob, folder: Path
) -> tuple[ProcessResult, protocol.InspectAnswer]:
    """Return how the process ended, and its answer: the types as it stated them before it ran code of the repository."""
    start = partial(
        protocol.run_worker, INSPECT_WORKER, folder=folder, timeout=task.timeout, interpreter=task.interpreter
    )

    def run(job: protocol.InspectJob, descriptor: int | None = None) -> ProcessResult:
        ended = start(job, descriptor=descriptor)
        return withhold_output(ended) if task.personal else ended

    if not job.paths:
        ended = run(job)
        return ended, require_answer(protocol.InspectAnswer, folder, ended, task, _ACTIVITY)
    with open_channel() as (ours, theirs):
        ended = run(replace(job, types_channel=theirs.fileno()), descriptor=theirs.fileno())
        answer = require_answer(protocol.InspectAnswer, folder, ended, task, _ACTIVITY)
        if (types := read_statement(ours)) is None:
            raise training_failure(f"{_ACTIVITY} stated no types", ended, task.where)
    return ended, replace(answer, untrusted=types)


def _allowed_types(task: TrainingTask) -> frozenset[str]:
    return frozenset({*task.train.trusted, *default_types(task)})


def default_types(task: TrainingTask) -> tuple[str, ...]:
    """Return the reviewed types that the model of a task may contain without an entry in its spec."""
    folders = entrypoint_folders(task.train.entrypoint, task.root)
    return types_for(task.packager.reviewed_types, task.train.estimator, folders)


def _require_trusted_types(task: TrainingTask, found: protocol.InspectAnswer) -> None:
    if missing := sorted(set(found.untrusted) - _allowed_types(task)):
        raise Findings([_untrusted_types_finding(missing, task.train.trusted, task.where)])


def _untrusted_types_finding(missing: list[str], listed: Sequence[str], where: Location | None) -> Diagnostic:
    reasons = read_reviewed_types().reasons
    known = "".join(f"{name} {reasons[name]}.\n" for name in missing if name in reasons)
    count = "1 type" if len(missing) == 1 else f"{len(missing)} types"
    return Diagnostic(
        "model-types-untrusted",
        f"the model file contains {count} that the spec does not trust: {', '.join(missing)}",
        where,
        f"Loading the model creates objects of these types.\n{known}Review them. If you trust them, write below `train`:\n"
        f"trusted: [{', '.join(dict.fromkeys([*listed, *missing]))}]",
    )


def personal_values_finding(columns: Sequence[str], where: Location | None) -> Diagnostic:
    """Return the finding about a model that would publish values of personal columns."""
    names = ", ".join(columns)
    return Diagnostic(
        "personal-in-model",
        f"the model holds values of {names}, tagged `pii`, and git keeps every model that is trained",
        where,
        "leave the column out, or encode it so that no value is kept (hashing, a count, a range); or, if everybody who can read"
        f" the repository may see these values:\nrelease:\n  personal: [{names}]",
    )


def _require_usable_classes(task: TrainingTask, classes: tuple[str | int | bool, ...], ended: ProcessResult) -> None:
    if problem := classes_problem(classes, task.task, task.output):
        raise training_failure(f"the fitted model's classes_ {problem}", ended, task.where)


def classes_problem(classes: tuple[str | int | bool, ...], task: Task, output: ModelField) -> str | None:
    """Return the reason why a model's classes do not fit the task, or None."""
    if task == "regression":
        return "are those of a classifier, but the task is regression" if classes else None
    if len(classes) < 2 or (task == "binary-classification" and len(classes) != 2):
        return f"have {len(classes)} labels, but the task is {task}"
    if any((type(label) is str) != (output.type == "string") for label in classes):
        return f"are not values of '{output.name}'"
    if len(set(classes)) != len(classes) or len({type(label) for label in classes}) != 1:
        return "have repeated labels, or labels of several types"
    return None
