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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.core import process
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records import Environment, Field, FileDigest, Signature
from mlops_ci.spec.spec_types import Task, Train
from mlops_ci.training import environment as environments
from mlops_ci.training.frameworks.sklearn import import_folders
from mlops_ci.training.packaging import skops as package
from mlops_ci.training.workers import protocol as jobs
from mlops_ci.training.workers import untrusted_files as received

_TRAINER, _INSPECTOR = "mlops_ci.training.workers.train", "mlops_ci.training.workers.inspect"
_SHA256 = re.compile(r"[0-9a-f]{64}")
RESERVED = "prediction."


@dataclass(frozen=True)
class Fitted:
    """A packaged candidate: its files in `folder`, what a TrainingRun says of it, the training's output in `log`."""

    folder: Path
    files: tuple[FileDigest, ...]
    signature: Signature
    model_digest: str
    environment: Environment
    estimator: str
    trusted: tuple[str, ...]
    seconds: float
    log: bytes
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class _Inspected:
    """What a model file holds, and a pyarrow table of its predictions for the golden rows."""

    trusted: tuple[str, ...]
    model_digest: str
    classes: tuple[str | int | bool, ...]
    predictions: Any
    log: bytes


def fit(
    train: Train,
    *,
    task: Task,
    inputs: Sequence[Field],
    output: Field,
    data: Path,
    root: Path,
    scratch: Path,
    environment: Environment,
    where: Location | None = None,
    timeout: float | None = None,
    interpreter: jobs.Interpreter = jobs.HERE,
) -> Fitted:
    """Fit on the rows of the parquet file `data` (inputs and output, in a fixed order) and package in a new folder.

    `where` is the spec's train block, for messages; `timeout` is of each process, in seconds; folders are made in
    `scratch`; `interpreter` runs what fits and what loads the model. Raises UsageProblem when the spec asks for what cannot be built, Findings when training fails or the
    model needs types that `train.trusted` does not list.
    """
    if taken := [field.name for field in inputs if field.name.startswith(RESERVED)]:
        raise UsageProblem.of(
            "feature-name-reserved",
            f"feature '{taken[0]}' has a name that predictions are stored under",
            location=where,
            help=f"Rename the column: no feature may start with '{RESERVED}'.",
        )
    scratch.mkdir(parents=True, exist_ok=True)
    golden = golden_rows(data, inputs)  # before the trainer is told where the data are
    work = _folder(scratch, "train-")
    job = jobs.TrainJob(
        data=str(data.resolve()),
        out=str(work / package.MODEL),
        root=str(root.resolve()),
        task=task,
        inputs=tuple(inputs),
        output=output,
        estimator=train.estimator,
        entrypoint=train.entrypoint,
        params=train.params,
        seed=train.seed,
    )
    with _inspector(train, scratch, interpreter) as inspector:
        began = time.monotonic()
        ended = jobs.launch(_TRAINER, job, work, timeout=timeout, interpreter=interpreter)
        from_outside = time.monotonic() - began
        trained = _answered(jobs.TrainAnswer, work, ended, "training", where, timeout)
        checked = _folder(scratch, "inspect-")  # made now, when nothing of the trainer is left to find it
        try:
            model = received.copy(work / package.MODEL, checked / package.MODEL)
        except (OSError, ValueError) as error:
            raise _failed(f"training left no model file: {package.headline_of(error)}", ended, where) from error
        found = _inspect(train, task, inputs, output, root, golden, checked, where, timeout, interpreter, inspector)
    made = _packed(checked / package.MODEL, model, train, inputs, output, golden, found, environment, scratch, where)
    return replace(
        made,
        environment=replace(environment, threadpools=tuple(jobs.line(one, 200) for one in trained.threadpools[:20])),
        estimator=jobs.line(trained.estimator, 2000),
        # a gate may hold a limit against them: code of the candidate's own is not asked how long it took
        seconds=from_outside if train.entrypoint else min(max(trained.seconds, 0.0), from_outside),
        log=ended.log + found.log,
    )


@dataclass(frozen=True)
class Answers:
    """What a model with code of its own answered in another place: its classes, and a pyarrow table for the golden rows.

    `code` are its files: with the model file they are what it is told apart by.
    """

    classes: tuple[str | int | bool, ...]
    golden: Any
    code: tuple[FileDigest, ...]


def examined(
    made: Path,
    train: Train,
    *,
    task: Task,
    inputs: Sequence[Field],
    output: Field,
    golden: Any,
    root: Path,
    scratch: Path,
    environment: Environment,
    where: Location | None = None,
    answers: Answers | None = None,
) -> Fitted:
    """Package a model file that was fitted in another place, finding out again all that can be found out without its code.

    With `answers` the model is not loaded here, and its digest is that of its bytes. `seconds` and `log` are not known.
    Raises as `fit` does.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    checked = _folder(scratch, "inspect-")
    try:
        model = received.copy(made, checked / package.MODEL)
    except (OSError, ValueError) as error:
        raise Findings.of(
            "train-failed",
            f"training left no model file: {package.headline_of(error)}",
            location=where,
            help="look at the log of the job that trained",
        ) from error
    found = _inspect(train, task, inputs, output, root, golden, checked, where, None, jobs.HERE, answers=answers)
    return _packed(checked / package.MODEL, model, train, inputs, output, golden, found, environment, scratch, where)


def _packed(
    checked: Path,
    model: FileDigest,
    train: Train,
    inputs: Sequence[Field],
    output: Field,
    golden: Any,
    found: _Inspected,
    environment: Environment,
    scratch: Path,
    where: Location | None,
) -> Fitted:
    signature = Signature(tuple(inputs), output, found.classes)
    folder = _folder(scratch, "package-")
    if received.copy(checked, folder / package.MODEL) != model:
        raise Findings.of("train-failed", "the model file changed while it was checked", location=where)
    _package(folder, signature, golden, found.predictions, environments.requirements(environment))
    return Fitted(
        folder=folder,
        files=tuple(
            FileDigest(name, digest_file(folder / name), (folder / name).stat().st_size) for name in package.FILES
        ),
        signature=signature,
        model_digest=found.model_digest,
        environment=environment,
        estimator="",
        trusted=found.trusted,
        seconds=0.0,
        log=found.log,
        diagnostics=tuple(_unused(name, where) for name in train.trusted if name not in found.trusted),
    )


@contextmanager
def _inspector(train: Train, scratch: Path, interpreter: jobs.Interpreter) -> Iterator[jobs.Waiting | None]:
    """Let the inspecting process prepare itself while library code trains; where code of the candidate's own does, it would find it."""
    if train.entrypoint is not None or interpreter.built:
        yield None
        return
    with jobs.waiting(_INSPECTOR, _folder(scratch, "waiting-")) as inspector:
        yield inspector


def _folder(scratch: Path, prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch)).resolve()


def golden_rows(data: Path, inputs: Sequence[Field]) -> Any:
    """Return the inputs of at most GOLDEN_ROWS rows spread evenly over the training data, as a pyarrow table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(data).select([field.name for field in inputs])
    count = min(package.GOLDEN_ROWS, table.num_rows)
    at = np.unique(np.linspace(0, max(table.num_rows - 1, 0), count).round().astype(int))
    return table.take(pa.array(at, type=pa.int64())).replace_schema_metadata(None)


def _inspect(
    train: Train,
    task: Task,
    inputs: Sequence[Field],
    output: Field,
    root: Path,
    golden: Any,
    folder: Path,
    where: Location | None,
    timeout: float | None,
    interpreter: jobs.Interpreter,
    inspector: jobs.Waiting | None = None,
    answers: Answers | None = None,
) -> _Inspected:
    """Look into the model file in `folder`; raises Findings when the spec does not trust it or it cannot be used."""
    import pyarrow.parquet as pq

    allowed = {*train.trusted, *package.REVIEWED}
    paths = import_folders(train.entrypoint, root)
    features, out, what = folder / "features.parquet", folder / "predictions.parquet", "checking the model"
    pq.write_table(golden, features)
    job = jobs.InspectJob(
        model=str(folder / package.MODEL),
        features=str(features),
        out=str(out),
        root=str(root.resolve()),
        task=task,
        inputs=tuple(inputs),
        trusted=tuple(sorted(allowed)),
        paths=paths,
        types_only=bool(paths) or answers is not None,
    )
    if inspector is not None:
        ended = jobs.handed(inspector, job, folder, timeout)
    else:
        ended = jobs.launch(_INSPECTOR, job, folder, timeout=timeout, interpreter=interpreter)
    found = _answered(jobs.InspectAnswer, folder, ended, what, where, timeout)
    untrusted = found.untrusted
    if missing := sorted(set(untrusted) - allowed):
        raise Findings([_untrusted(missing, where)])
    log = ended.log
    if answers is not None:
        if strange := _not_classes(answers.classes, task, output):
            raise _failed(f"the fitted model's classes_ {strange}", ended, where)
        told = digest_json([digest_file(folder / package.MODEL), encode(answers.code)])
        return _Inspected(untrusted, told, answers.classes, answers.golden, log)
    if paths:  # now its code may be imported
        (folder / jobs.ANSWER).unlink()
        again = replace(job, types_only=False)
        ended = jobs.launch(_INSPECTOR, again, folder, timeout=timeout, interpreter=interpreter)
        found = _answered(jobs.InspectAnswer, folder, ended, what, where, timeout)
        log += ended.log
    if found.model_digest is None or not _SHA256.fullmatch(found.model_digest):
        raise _failed(f"{what} gave no digest", ended, where)
    if strange := _not_classes(found.classes, task, output):
        raise _failed(f"the fitted model's classes_ {strange}", ended, where)
    try:
        predictions = received.predictions(out, task=task, classes=found.classes, rows=golden.num_rows)
    except ValueError as error:
        raise _failed(f"the fitted model's predictions cannot be used: {error}", ended, where) from error
    return _Inspected(untrusted, found.model_digest, found.classes, predictions, log)


def _not_classes(classes: tuple[str | int | bool, ...], task: Task, output: Field) -> str | None:
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


def _package(folder: Path, signature: Signature, golden: Any, predictions: Any, requirements: str) -> None:
    import pyarrow.parquet as pq

    for name in predictions.column_names:
        golden = golden.append_column(name, predictions[name])
    pq.write_table(golden, folder / package.GOLDEN)
    described = json.dumps(encode(signature), indent=2, sort_keys=True) + "\n"
    (folder / package.SIGNATURE).write_text(described, encoding="utf-8")
    (folder / package.REQUIREMENTS).write_text(requirements, encoding="utf-8")


def _answered(
    kind: type[jobs.T], folder: Path, ended: process.Result, what: str, where: Location | None, timeout: float | None
) -> jobs.T:
    """Return a child's answer; raises what it found, or that it found nothing."""
    if ended.timed_out:
        raise Findings.of(
            "train-timed-out",
            f"{what} took more than {timeout:g} seconds",
            location=where,
            help="Use fewer rows or a smaller model.",
        )
    found: Any = jobs.answer(kind, folder)
    if found is None:
        raise _failed(_died(ended.returncode, what), ended, where)
    if told := jobs.errors(found.diagnostics):
        usage = getattr(found, "usage", False)
        said = "" if usage else jobs.quoted(ended.tail)
        raise (UsageProblem if usage else Findings)([_placed(one, where, said) for one in told])
    answer: jobs.T = found
    return answer


def _placed(one: Diagnostic, where: Location | None, said: str) -> Diagnostic:
    """Put a finding that names no place at the spec's train block, and show what the child said when it failed."""
    help = "\n".join(part for part in (one.help, said) if part)
    return replace(one, location=one.location or where, help=help or None)


def _failed(message: str, ended: process.Result, where: Location | None) -> Findings:
    return Findings.of("train-failed", message, location=where, help=jobs.quoted(ended.tail) or None)


def _died(returncode: int, what: str) -> str:
    if returncode < 0:
        cause = " (out of memory?)" if returncode == -9 else ""
        return f"{what} was ended by signal {-returncode}{cause}"
    return f"{what} ended with exit code {returncode} and no result"


def _untrusted(missing: list[str], where: Location | None) -> Diagnostic:
    lines = "\n".join(f"    - {name}" for name in missing)
    return Diagnostic(
        "model-types-untrusted",
        f"the model file holds {len(missing)} types that the spec does not trust: {', '.join(missing)}",
        where,
        f"Loading the model makes objects of these types. Review them, then add:\ntrain:\n  trusted:\n{lines}",
    )


def _unused(name: str, where: Location | None) -> Diagnostic:
    return Diagnostic(
        "model-trusted-unused",
        f"train.trusted lists '{name}', which the model does not need",
        where,
        "Take it off the list: every trusted type is one more that a model file may make.",
        severity="warning",
    )
