"""The jobs and answers of worker processes: JSON files in a folder of each worker."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from mlops_ci.core import process
from mlops_ci.core.codec import decode_json, encode
from mlops_ci.core.diagnostics import Diagnostic, Location, replace_control_characters
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.spec.train_spec import FitSpec
from mlops_ci.training.frameworks.sklearn import SKLEARN
from mlops_ci.training.packaging.reviewed_types import types_for
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.workers import untrusted_files, warm

T = TypeVar("T")
ANSWER_LIMIT = 16 << 20  # bytes; the worker may have run a candidate's code
LONGEST_SECONDS = 6 * 3600.0  # of a worker: as long as a job of GitHub's runners may take
JOB_FILE, ANSWER_FILE = "job.json", "result.json"
_DIAGNOSTIC_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_ERRORS, _MAX_TEXT_LENGTH, _MAX_LOCATION = (
    20,
    4000,
    1_000_000,
)  # limits for a worker's errors: their number, the characters of a text, the largest line number

# the prefix of scikit-learn's types and estimators: a repository cannot add code under this name
_LIBRARY_PREFIX = "sklearn."
# the reviewed types of packages that are always installed
_LIBRARY_TYPES = frozenset(types_for(SKOPS.reviewed_types, _LIBRARY_PREFIX, ()))


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs a worker, and the folder from which the worker imports this package.

    `has_own_packages`: it is a rebuilt environment with its own packages.
    """

    python: str
    toolkit: str
    has_own_packages: bool = False


CURRENT_INTERPRETER = Interpreter(sys.executable, process.TOOLKIT)


@dataclass(frozen=True)
class TrainJob:
    """The job of the training worker: absolute paths, how to build the estimator, and the columns."""

    framework: str
    data: str
    out: str
    root: str
    task: str
    inputs: tuple[ModelField, ...]
    output: ModelField
    estimator: str | None
    entrypoint: str | None
    params: Mapping[str, Any]
    seed: int
    text: tuple[str, ...] = ()
    weights: str | None = None  # as in the spec
    fit: FitSpec | None = None  # the same
    columns: tuple[ModelField, ...] = ()  # that only the training reads

    @property
    def is_library_only(self) -> bool:
        """Whether the job runs only scikit-learn's own code."""
        return self.framework == SKLEARN.name and _is_library_estimator(self.estimator, self.entrypoint)


@dataclass(frozen=True)
class TrainAnswer:
    """The answer of the training worker, in addition to the model file.

    It is informative only, except `seconds`, which counts when only library code ran.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    usage: bool = False  # the errors are about the spec, not about the data or the model
    estimator: str = ""
    seconds: float = 0.0
    threadpools: tuple[str, ...] = ()
    rounds: int | None = None  # of a fit that stopped by validation rows


@dataclass(frozen=True)
class InspectJob:
    """The job of the inspecting worker: a model file of the format `packager`, and a parquet file of features to predict.

    `paths` are the folders that the model's own code is imported from. `types_only`: stop before the model is loaded.
    `types_channel`: the descriptor for `type_statement.state_types`, if the types must be stated before code of `paths` runs.
    """

    packager: str
    model: str
    features: str
    out: str
    root: str
    task: str
    inputs: tuple[ModelField, ...]
    trusted: tuple[str, ...]
    paths: tuple[str, ...] = ()
    types_only: bool = False
    types_channel: int | None = None
    personal: str | None = None  # a parquet file of values that the model file must not hold

    @property
    def is_library_only(self) -> bool:
        """Whether the model can run only scikit-learn's own code."""
        return self.packager == SKOPS.name and not self.paths and _are_library_types(self.trusted)


@dataclass(frozen=True)
class InspectAnswer:
    """The content of the model file. `model_digest` is None when the model was not loaded."""

    diagnostics: tuple[Diagnostic, ...] = ()
    untrusted: tuple[str, ...] = ()
    model_digest: str | None = None
    classes: tuple[str | int | bool, ...] = ()
    personal: tuple[str, ...] = ()  # the columns of which the model file holds a value


@dataclass(frozen=True)
class ModelItem:
    """One packaged model: its format, file, trusted types, signature, and the folders of its own code."""

    name: str
    packager: str
    model: str
    trusted: tuple[str, ...]
    signature: ModelSignature
    task: str
    paths: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether the model can run only scikit-learn's own code."""
        return self.packager == SKOPS.name and not self.paths and _are_library_types(self.trusted)


@dataclass(frozen=True)
class ScoreJob:
    """The job of the scoring worker: models, a parquet file of features, and a file for each model's predictions."""

    features: str
    items: tuple[ModelItem, ...]
    outs: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether each model is of library code alone."""
        return all(item.is_library_only for item in self.items)


@dataclass(frozen=True)
class ScoreAnswer:
    """The names of the scored models, in the order of the items; the predictions are in parquet files."""

    diagnostics: tuple[Diagnostic, ...] = ()
    scored: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeasureJob:
    """The job of the measuring worker: models, a parquet file of features, and the metrics to measure."""

    features: str
    items: tuple[ModelItem, ...]
    metrics: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether each model is of library code alone."""
        return all(item.is_library_only for item in self.items)


@dataclass(frozen=True)
class ModelCosts:
    """The costs of one model by metric, and diagnostics for costs that cannot be measured."""

    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class MeasureAnswer:
    """The measured costs, in the order of the job's items."""

    costs: tuple[ModelCosts, ...] = ()


@dataclass(frozen=True)
class CustomMetricJob:
    """The job of the custom-metric worker: metrics (name and entrypoint) and the number of models.

    The parquet files with truth, rows and predictions are in `folder`.
    """

    folder: str
    root: str
    metrics: Mapping[str, str]
    models: int


@dataclass(frozen=True)
class CustomMetricAnswer:
    """The errors of the custom-metric worker; the values are in parquet files."""

    diagnostics: tuple[Diagnostic, ...] = ()


def run_worker(
    module: str,
    job: Any,
    folder: Path,
    *,
    timeout: float = LONGEST_SECONDS,
    interpreter: Interpreter = CURRENT_INTERPRETER,
    descriptor: int | None = None,
) -> process.ProcessResult:
    """Run `module.main(job file)` in a new process in `folder`; `read_answer` then reads its answer.

    It is ended after `timeout` seconds. A fresh process inherits `descriptor`, and a forked one inherits none.

    A job with only library code (`is_library_only`) is forked from a template process, if the platform supports it. For
    every other job, the template is ended first and a fresh process starts.
    """
    path = folder / JOB_FILE
    path.write_text(json.dumps(encode(job)), encoding="utf-8")
    argv = ["-c", interpreter.toolkit, module, str(path)]
    if interpreter == CURRENT_INTERPRETER and getattr(job, "is_library_only", False):
        if (ended := warm.run_forked(module, argv, folder, toolkit=interpreter.toolkit, timeout=timeout)) is not None:
            return ended
    else:
        warm.stop()
    env = process.isolated_environment(os.environ) if interpreter.has_own_packages else None
    command = process.module_command(module, str(path), python=interpreter.python, toolkit=interpreter.toolkit)
    return process.run_guarded(command, cwd=folder, env=env, timeout=timeout, descriptor=descriptor)


def prepare_worker(estimator: str | None, entrypoint: str | None) -> None:
    """Start importing the libraries for the next training job, unless the job has its own code."""
    if _is_library_estimator(estimator, entrypoint):
        warm.prepare(CURRENT_INTERPRETER.toolkit)


def read_answer(kind: type[T], folder: Path) -> T | None:
    """Return the worker's answer, read with strict checks; None when it is missing or invalid."""
    try:
        with untrusted_files.open_regular_file(folder / ANSWER_FILE, ANSWER_LIMIT) as stream:
            return decode_json(kind, stream.read(ANSWER_LIMIT))
    except (OSError, ValueError):
        return None


def printable_errors(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return a worker's errors in a form that is safe to show: few, short, and without lines that a CI runner executes."""
    errors = (one for one in diagnostics if one.severity == "error" and _DIAGNOSTIC_ID.fullmatch(one.id))
    return tuple(
        replace(
            one,
            message=one.message[:_MAX_TEXT_LENGTH],
            location=one.location if one.location and _is_plausible_location(one.location) else None,
            help=None
            if one.help is None
            else as_quote(one.help[:_MAX_TEXT_LENGTH])
            if "\n" in one.help
            else one.help[:_MAX_TEXT_LENGTH],
        )
        for one in itertools.islice(errors, _MAX_ERRORS)
    )


def as_quote(text: str) -> str:
    """Return the text with each line marked as a quote: a CI runner executes lines that start with `::`, even indented."""
    return "\n".join(f"| {line}" for line in text.splitlines())


def printable_line(text: str, limit: int) -> str:
    """Return a worker's text as one line of at most `limit` printable characters."""
    return replace_control_characters(" ".join(text.split()))[:limit]


def _is_library_estimator(estimator: str | None, entrypoint: str | None) -> bool:
    return entrypoint is None and estimator is not None and estimator.startswith(_LIBRARY_PREFIX)


def _are_library_types(trusted: Sequence[str]) -> bool:
    return all(name in _LIBRARY_TYPES or name.startswith(_LIBRARY_PREFIX) for name in trusted)


def _is_plausible_location(where: Location) -> bool:
    numbers = (where.line or 1, where.column or 1, where.length)
    return (
        all(1 <= number <= _MAX_LOCATION for number in numbers)
        and len(where.path) + len(where.text or "") <= _MAX_TEXT_LENGTH
    )


def read_job(kind: type[T], path: str) -> T:
    """Return the job from its file; raises DecodeError when it is another kind of job."""
    return decode_json(kind, Path(path).read_bytes())


def write_answer(value: Any, path: str) -> None:
    """Write the worker's answer into the folder of its job file."""
    Path(path).with_name(ANSWER_FILE).write_text(json.dumps(encode(value), allow_nan=False), encoding="utf-8")
