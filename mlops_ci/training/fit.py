"""Fits a candidate in a training process, and inspects the model file in another process.

The training process runs the candidate's code, so its output is not trusted: it hands over one model file. The file is
copied once, and a new process inspects the copy (types, structural digest, classes, predictions). This process writes
the signature, the golden rows and the requirements.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.errors import UsageProblem, error_headline
from mlops_ci.core.records.training_run import Fit
from mlops_ci.training.failures import require_answer, training_failure
from mlops_ci.training.golden import GoldenRows, select_golden_rows
from mlops_ci.training.inspection import inspect_with_golden, lost_golden_warnings
from mlops_ci.training.package import FittedModel, InspectedFile, make_folder, package_model
from mlops_ci.training.prediction_columns import RESERVED_FEATURE_PREFIX
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.withheld import withhold_output
from mlops_ci.training.workers import protocol, untrusted_files

_MAX_ROUNDS = 10**9
_TRAIN_WORKER = "mlops_ci.training.workers.train"


@dataclass(frozen=True)
class UninspectedModel:
    """A copy of the model file that a training process wrote, what the process said, and its output.

    Only the copy may be used: the training process cannot have reached it.
    """

    path: Path
    fit: Fit
    log: bytes


def fit_model(task: TrainingTask, data: Path, scratch: Path) -> FittedModel:
    """Fit a model on the rows of the parquet file `data` (inputs and output, in a fixed order), and package it.

    All folders are created in `scratch`. Raises UsageProblem when the estimator of the spec cannot be built, and Findings
    when training fails or the model needs types that `train.trusted` does not list.
    """
    _require_free_names(task)
    # before the training process knows the path of the data
    golden = GoldenRows(select_golden_rows(data, task.inputs))
    return package_fit(task, run_training(task, data, scratch), golden, scratch)


def run_training(task: TrainingTask, data: Path, scratch: Path, started_on: str = "") -> UninspectedModel:
    """Fit a model on the rows of `data` in a process of its own, and return its file; nothing has read the file yet.

    Raises UsageProblem when the estimator of the spec cannot be built, and Findings when training fails.
    """
    _require_free_names(task)
    scratch.mkdir(parents=True, exist_ok=True)
    work = make_folder(scratch, "train-")
    written = work / task.packager.entry_file
    began = time.monotonic()
    ended = protocol.run_worker(
        _TRAIN_WORKER, _train_job(task, data, written), work, timeout=task.timeout, interpreter=task.interpreter
    )
    wall_seconds = time.monotonic() - began
    ended = withhold_output(ended) if task.personal else ended
    trained = require_answer(protocol.TrainAnswer, work, ended, task, "training")
    # created after the training process ended, so that it cannot find this folder
    copy = make_folder(scratch, "inspect-") / written.name
    try:
        digest = untrusted_files.copy_untrusted_file(written, copy)
    except (OSError, ValueError) as error:
        message = f"training wrote no usable model file: {error_headline(error)}"
        raise training_failure(message, ended, task.where) from error
    # a gate may have a limit on the seconds, so the candidate's own code must not report them
    seconds = wall_seconds if task.train.entrypoint else min(max(trained.seconds, 0.0), wall_seconds)
    pools = tuple(protocol.printable_line(one, 200) for one in trained.threadpools[:20])
    estimator = protocol.printable_line(trained.estimator, 2000)
    return UninspectedModel(
        copy, Fit(digest, estimator, pools, seconds, started_on, plausible_rounds(trained.rounds)), ended.log
    )


def package_fit(task: TrainingTask, model: UninspectedModel, golden: GoldenRows, scratch: Path) -> FittedModel:
    """Inspect a model file in a process of its own, and package it in a new folder of `scratch`.

    Raises Findings when the model needs types that `train.trusted` does not list, or cannot be used.
    """
    inspection, published = inspect_with_golden(task, model.path, golden)
    packaged = package_model(task, InspectedFile(model.path, model.fit.file, inspection), published, scratch)
    return replace(
        packaged,
        environment=replace(task.environment, threadpools=model.fit.threadpools),
        estimator=model.fit.estimator,
        seconds=model.fit.seconds,
        rounds=model.fit.rounds,
        log=model.log + inspection.log,
        diagnostics=(*packaged.diagnostics, *lost_golden_warnings(task, golden, published)),
    )


def plausible_rounds(rounds: int | None) -> int | None:
    """Return a number of rounds that another process states, or None if no fit can have used it."""
    return rounds if rounds is not None and 0 < rounds < _MAX_ROUNDS else None


def _require_free_names(task: TrainingTask) -> None:
    for field in task.inputs:
        if field.name.startswith(RESERVED_FEATURE_PREFIX):
            raise UsageProblem.of(
                "feature-name-reserved",
                f"feature '{field.name}' has a name that is reserved for predictions",
                location=task.where,
                help=f"Rename the column: the name of a feature must not start with '{RESERVED_FEATURE_PREFIX}'.",
            )


def _train_job(task: TrainingTask, data: Path, out: Path) -> protocol.TrainJob:
    return protocol.TrainJob(
        framework=task.framework.name,
        data=str(data.resolve()),
        out=str(out),
        root=str(task.root.resolve()),
        task=task.task,
        inputs=task.inputs,
        output=task.output,
        estimator=task.train.estimator,
        entrypoint=task.train.entrypoint,
        params=task.train.params,
        seed=task.train.seed,
        text=task.train.text,
        weights=task.train.weights,
        fit=task.train.fit,
        columns=task.columns,
    )
