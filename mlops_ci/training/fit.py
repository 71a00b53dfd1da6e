"""Fit a candidate in a process of its own, and find out in another what it made.

The trainer runs the candidate's code, so that its word decides nothing: it hands over one file. That is copied once; a
fresh process looks into the copy (types, structural digest, classes, predictions); signature, golden rows and
requirements are written here. A model of the repository's own classes cannot be loaded without its code: its types are
still listed by a process that imports none of it, but digest, classes and predictions are that code's own word.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.core import process
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records import FileDigest, ModelField, ModelSignature, TrainingEnvironment
from mlops_ci.spec.spec_types import Task, TrainSpec
from mlops_ci.training import environment as environments
from mlops_ci.training.frameworks.sklearn import entrypoint_folders
from mlops_ci.training.packaging import skops
from mlops_ci.training.workers import protocol, untrusted_files

_TRAIN_WORKER, _INSPECT_WORKER = "mlops_ci.training.workers.train", "mlops_ci.training.workers.inspect"
_SHA256 = re.compile(r"[0-9a-f]{64}")
RESERVED_FEATURE_PREFIX = "prediction."


@dataclass(frozen=True)
class FittedModel:
    """A packaged candidate: its files in `folder`, what a TrainingRun says of it, the training's output in `log`."""

    folder: Path
    files: tuple[FileDigest, ...]
    signature: ModelSignature
    model_digest: str
    environment: TrainingEnvironment
    estimator: str
    trusted: tuple[str, ...]
    seconds: float
    log: bytes
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class _Inspection:
    """What a model file holds, and a pyarrow table of its predictions for the golden rows."""

    trusted: tuple[str, ...]
    model_digest: str
    classes: tuple[str | int | bool, ...]
    predictions: Any
    log: bytes


def fit_model(
    train: TrainSpec,
    *,
    task: Task,
    inputs: Sequence[ModelField],
    output: ModelField,
    data: Path,
    root: Path,
    scratch: Path,
    environment: TrainingEnvironment,
    where: Location | None = None,
    timeout: float | None = None,
    interpreter: protocol.Interpreter = protocol.CURRENT_INTERPRETER,
) -> FittedModel:
    """Fit on the rows of the parquet file `data` (inputs and output, in a fixed order) and package in a new folder.

    `where` is the spec's train block, for messages; `timeout` is of each process, in seconds; folders are made in
    `scratch`; `interpreter` runs what fits and what loads the model. Raises UsageProblem when the spec asks for what cannot be built, Findings when training fails or the
    model needs types that `train.trusted` does not list.
    """
    if taken := [field.name for field in inputs if field.name.startswith(RESERVED_FEATURE_PREFIX)]:
        raise UsageProblem.of(
            "feature-name-reserved",
            f"feature '{taken[0]}' has a name that predictions are stored under",
            location=where,
            help=f"Rename the column: no feature may start with '{RESERVED_FEATURE_PREFIX}'.",
        )
    scratch.mkdir(parents=True, exist_ok=True)
    golden = select_golden_rows(data, inputs)  # before the trainer is told where the data are
    work = _make_folder(scratch, "train-")
    job = protocol.TrainJob(
        data=str(data.resolve()),
        out=str(work / skops.MODEL_FILE),
        root=str(root.resolve()),
        task=task,
        inputs=tuple(inputs),
        output=output,
        estimator=train.estimator,
        entrypoint=train.entrypoint,
        params=train.params,
        seed=train.seed,
    )
    began = time.monotonic()
    ended = protocol.run_worker(_TRAIN_WORKER, job, work, timeout=timeout, interpreter=interpreter)
    from_outside = time.monotonic() - began
    trained = _require_answer(protocol.TrainAnswer, work, ended, "training", where, timeout)
    checked = _make_folder(scratch, "inspect-")  # made now, when nothing of the trainer is left to find it
    try:
        model = untrusted_files.copy_untrusted_file(work / skops.MODEL_FILE, checked / skops.MODEL_FILE)
    except (OSError, ValueError) as error:
        raise _training_failure(f"training left no model file: {skops.error_summary(error)}", ended, where) from error
    found = _inspect_model_file(train, task, inputs, output, root, golden, checked, where, timeout, interpreter)
    made = _package_model(
        checked / skops.MODEL_FILE, model, train, inputs, output, golden, found, environment, scratch, where
    )
    return replace(
        made,
        environment=replace(
            environment, threadpools=tuple(protocol.printable_line(one, 200) for one in trained.threadpools[:20])
        ),
        estimator=protocol.printable_line(trained.estimator, 2000),
        # a gate may hold a limit against them: code of the candidate's own is not asked how long it took
        seconds=from_outside if train.entrypoint else min(max(trained.seconds, 0.0), from_outside),
        log=ended.log + found.log,
    )


@dataclass(frozen=True)
class ExternalAnswers:
    """What a model with code of its own answered in another place: its classes, and a pyarrow table for the golden rows.

    `code` are its files: with the model file they are what it is told apart by.
    """

    classes: tuple[str | int | bool, ...]
    golden_predictions: Any
    code: tuple[FileDigest, ...]


def package_external(
    model_file: Path,
    train: TrainSpec,
    *,
    task: Task,
    inputs: Sequence[ModelField],
    output: ModelField,
    golden: Any,
    root: Path,
    scratch: Path,
    environment: TrainingEnvironment,
    where: Location | None = None,
    answers: ExternalAnswers | None = None,
) -> FittedModel:
    """Package a model file that was fitted in another place, finding out again all that can be found out without its code.

    With `answers` the model is not loaded here, and its digest is that of its bytes. `seconds` and `log` are not known.
    Raises as `fit` does.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    checked = _make_folder(scratch, "inspect-")
    try:
        model = untrusted_files.copy_untrusted_file(model_file, checked / skops.MODEL_FILE)
    except (OSError, ValueError) as error:
        raise Findings.of(
            "train-failed",
            f"training left no model file: {skops.error_summary(error)}",
            location=where,
            help="look at the log of the job that trained",
        ) from error
    found = _inspect_model_file(
        train, task, inputs, output, root, golden, checked, where, None, protocol.CURRENT_INTERPRETER, answers=answers
    )
    return _package_model(
        checked / skops.MODEL_FILE, model, train, inputs, output, golden, found, environment, scratch, where
    )


def _package_model(
    checked: Path,
    model: FileDigest,
    train: TrainSpec,
    inputs: Sequence[ModelField],
    output: ModelField,
    golden: Any,
    found: _Inspection,
    environment: TrainingEnvironment,
    scratch: Path,
    where: Location | None,
) -> FittedModel:
    signature = ModelSignature(tuple(inputs), output, found.classes)
    folder = _make_folder(scratch, "package-")
    if untrusted_files.copy_untrusted_file(checked, folder / skops.MODEL_FILE) != model:
        raise Findings.of("train-failed", "the model file changed while it was checked", location=where)
    _write_package_files(folder, signature, golden, found.predictions, environments.pip_requirements(environment))
    return FittedModel(
        folder=folder,
        files=tuple(
            FileDigest(name, digest_file(folder / name), (folder / name).stat().st_size) for name in skops.PACKAGE_FILES
        ),
        signature=signature,
        model_digest=found.model_digest,
        environment=environment,
        estimator="",
        trusted=found.trusted,
        seconds=0.0,
        log=found.log,
        diagnostics=tuple(_unused_trust_warning(name, where) for name in train.trusted if name not in found.trusted),
    )


def _make_folder(scratch: Path, prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch)).resolve()


def select_golden_rows(data: Path, inputs: Sequence[ModelField]) -> Any:
    """Return the inputs of at most GOLDEN_ROWS rows spread evenly over the training data, as a pyarrow table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(data).select([field.name for field in inputs])
    count = min(skops.MAX_GOLDEN_ROWS, table.num_rows)
    at = np.unique(np.linspace(0, max(table.num_rows - 1, 0), count).round().astype(int))
    return table.take(pa.array(at, type=pa.int64())).replace_schema_metadata(None)


def _inspect_model_file(
    train: TrainSpec,
    task: Task,
    inputs: Sequence[ModelField],
    output: ModelField,
    root: Path,
    golden: Any,
    folder: Path,
    where: Location | None,
    timeout: float | None,
    interpreter: protocol.Interpreter,
    answers: ExternalAnswers | None = None,
) -> _Inspection:
    """Look into the model file in `folder`; raises Findings when the spec does not trust it or it cannot be used."""
    import pyarrow.parquet as pq

    allowed = {*train.trusted, *skops.REVIEWED_TYPES}
    paths = entrypoint_folders(train.entrypoint, root)
    features, out, what = folder / "features.parquet", folder / "predictions.parquet", "checking the model"
    pq.write_table(golden, features)
    job = protocol.InspectJob(
        model=str(folder / skops.MODEL_FILE),
        features=str(features),
        out=str(out),
        root=str(root.resolve()),
        task=task,
        inputs=tuple(inputs),
        trusted=tuple(sorted(allowed)),
        paths=paths,
        types_only=bool(paths) or answers is not None,
    )
    ended = protocol.run_worker(_INSPECT_WORKER, job, folder, timeout=timeout, interpreter=interpreter)
    found = _require_answer(protocol.InspectAnswer, folder, ended, what, where, timeout)
    untrusted = found.untrusted
    if missing := sorted(set(untrusted) - allowed):
        raise Findings([_untrusted_types_finding(missing, where)])
    log = ended.log
    if answers is not None:
        if strange := _classes_problem(answers.classes, task, output):
            raise _training_failure(f"the fitted model's classes_ {strange}", ended, where)
        told = digest_json([digest_file(folder / skops.MODEL_FILE), encode(answers.code)])
        return _Inspection(untrusted, told, answers.classes, answers.golden_predictions, log)
    if paths:  # now its code may be imported
        (folder / protocol.ANSWER_FILE).unlink()
        again = replace(job, types_only=False)
        ended = protocol.run_worker(_INSPECT_WORKER, again, folder, timeout=timeout, interpreter=interpreter)
        found = _require_answer(protocol.InspectAnswer, folder, ended, what, where, timeout)
        log += ended.log
    if found.model_digest is None or not _SHA256.fullmatch(found.model_digest):
        raise _training_failure(f"{what} gave no digest", ended, where)
    if strange := _classes_problem(found.classes, task, output):
        raise _training_failure(f"the fitted model's classes_ {strange}", ended, where)
    try:
        predictions = untrusted_files.read_prediction_table(out, task=task, classes=found.classes, rows=golden.num_rows)
    except ValueError as error:
        raise _training_failure(f"the fitted model's predictions cannot be used: {error}", ended, where) from error
    return _Inspection(untrusted, found.model_digest, found.classes, predictions, log)


def _classes_problem(classes: tuple[str | int | bool, ...], task: Task, output: ModelField) -> str | None:
    """Say what is wrong with a model's classes, or None."""
    if task == "regression":
        return "are those of a classifier, and the task is regression" if classes else None
    if len(classes) < 2 or (task == "binary-classification" and len(classes) != 2):
        return f"have {len(classes)} labels, and the task is {task}"
    if any((type(label) is str) != (output.type == "string") for label in classes):
        return f"are not values of '{output.name}'"
    if len(set(classes)) != len(classes) or len({type(label) for label in classes}) != 1:
        return "have a label twice, or labels of several types"
    return None


def _write_package_files(
    folder: Path, signature: ModelSignature, golden: Any, predictions: Any, requirements: str
) -> None:
    import pyarrow.parquet as pq

    for name in predictions.column_names:
        golden = golden.append_column(name, predictions[name])
    pq.write_table(golden, folder / skops.GOLDEN_FILE)
    described = json.dumps(encode(signature), indent=2, sort_keys=True) + "\n"
    (folder / skops.SIGNATURE_FILE).write_text(described, encoding="utf-8")
    (folder / skops.REQUIREMENTS_FILE).write_text(requirements, encoding="utf-8")


def _require_answer(
    kind: type[protocol.T],
    folder: Path,
    ended: process.ProcessResult,
    what: str,
    where: Location | None,
    timeout: float | None,
) -> protocol.T:
    """Return a child's answer; raises what it found, or that it found nothing."""
    if ended.timed_out:
        raise Findings.of(
            "train-timed-out",
            f"{what} took more than {timeout:g} seconds",
            location=where,
            help="Use fewer rows or a smaller model.",
        )
    found: Any = protocol.read_answer(kind, folder)
    if found is None:
        raise _training_failure(_describe_exit(ended.returncode, what), ended, where)
    if told := protocol.printable_errors(found.diagnostics):
        usage = getattr(found, "usage", False)
        said = "" if usage else protocol.as_quote(ended.tail)
        raise (UsageProblem if usage else Findings)([_locate_finding(one, where, said) for one in told])
    answer: protocol.T = found
    return answer


def _locate_finding(one: Diagnostic, where: Location | None, said: str) -> Diagnostic:
    """Put a finding that names no place at the spec's train block, and show what the child said when it failed."""
    help = "\n".join(part for part in (one.help, said) if part)
    return replace(one, location=one.location or where, help=help or None)


def _training_failure(message: str, ended: process.ProcessResult, where: Location | None) -> Findings:
    return Findings.of("train-failed", message, location=where, help=protocol.as_quote(ended.tail) or None)


def _describe_exit(returncode: int, what: str) -> str:
    if returncode < 0:
        cause = " (out of memory?)" if returncode == -9 else ""
        return f"{what} was ended by signal {-returncode}{cause}"
    return f"{what} ended with exit code {returncode} and no result"


def _untrusted_types_finding(missing: list[str], where: Location | None) -> Diagnostic:
    lines = "\n".join(f"    - {name}" for name in missing)
    return Diagnostic(
        "model-types-untrusted",
        f"the model file holds {len(missing)} types that the spec does not trust: {', '.join(missing)}",
        where,
        f"Loading the model makes objects of these types. Review them, then add:\ntrain:\n  trusted:\n{lines}",
    )


def _unused_trust_warning(name: str, where: Location | None) -> Diagnostic:
    return Diagnostic(
        "model-trusted-unused",
        f"train.trusted lists '{name}', which the model does not need",
        where,
        "Take it off the list: every trusted type is one more that a model file may make.",
        severity="warning",
    )
