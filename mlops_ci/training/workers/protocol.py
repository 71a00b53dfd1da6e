"""What a child process is asked and what it answers: JSON files in a folder of their own."""

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

import mlops_ci
from mlops_ci.core import process
from mlops_ci.core.codec import decode_json, encode
from mlops_ci.core.diagnostics import Diagnostic, Location, replace_control_characters
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.training.frameworks.sklearn import SKLEARN
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.workers import untrusted_files, warm

T = TypeVar("T")
ANSWER_LIMIT = 16 << 20  # bytes: the answer comes from a process that ran a candidate's code
JOB_FILE, ANSWER_FILE = "job.json", "result.json"
_DIAGNOSTIC_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_ERRORS, _MAX_TEXT_LENGTH, _MAX_LOCATION = (
    20,
    4000,
    1_000_000,
)  # of what a child tells: how many, characters, the largest line number

# -P keeps the child's current folder off sys.path; ours goes last, so that it shadows nothing
_LAUNCH_SCRIPT = """
import importlib, sys
sys.path.append(sys.argv[1])
from mlops_ci.core import process
process.die_with(int(sys.argv.pop()))
importlib.import_module(sys.argv[2]).main(sys.argv[3])
"""

# trusted types and estimators that are scikit-learn's own: no change to a repository can put its code there
_LIBRARY_PREFIX = "sklearn."


@dataclass(frozen=True)
class Interpreter:
    """Which Python runs a child, and the folder that it imports this package from. `built`: with packages of its own."""

    python: str
    toolkit: str
    has_own_packages: bool = False


CURRENT_INTERPRETER = Interpreter(sys.executable, str(Path(mlops_ci.__file__).resolve().parents[1]))


@dataclass(frozen=True)
class TrainJob:
    """What the trainer needs: where things are (absolute paths), how to build the estimator, what the columns are."""

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

    @property
    def is_library_only(self) -> bool:
        """Whether scikit-learn's own code is all that this fits with."""
        return self.framework == SKLEARN.name and _is_library_estimator(self.estimator, self.entrypoint)


@dataclass(frozen=True)
class TrainAnswer:
    """What the trainer says beside the model file that it wrote: for people, and of library code the `seconds` that count."""

    diagnostics: tuple[Diagnostic, ...] = ()
    usage: bool = False  # the spec is at fault, not the data or the model
    estimator: str = ""
    seconds: float = 0.0
    threadpools: tuple[str, ...] = ()


@dataclass(frozen=True)
class InspectJob:
    """Which model file to look into, of the format `packager`, and a parquet file of features to ask it about.

    `paths` are the folders that the model's own code is imported from. `types_only`: stop before anything is imported.
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

    @property
    def is_library_only(self) -> bool:
        """Whether scikit-learn's own code is all that the model may bring to run."""
        return self.packager == SKOPS.name and not self.paths and _are_library_types(self.trusted)


@dataclass(frozen=True)
class InspectAnswer:
    """What the model file holds. `model_digest` is None when it was not loaded."""

    diagnostics: tuple[Diagnostic, ...] = ()
    untrusted: tuple[str, ...] = ()
    model_digest: str | None = None
    classes: tuple[str | int | bool, ...] = ()


@dataclass(frozen=True)
class ModelItem:
    """One packaged model: its format and file, the types it may load, and folders its own code is in."""

    name: str
    packager: str
    model: str
    trusted: tuple[str, ...]
    signature: ModelSignature
    task: str
    paths: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether scikit-learn's own code is all that the model may bring to run."""
        return self.packager == SKOPS.name and not self.paths and _are_library_types(self.trusted)


@dataclass(frozen=True)
class ScoreJob:
    """Which models to score on which rows (a parquet file of features), and where each one's predictions go."""

    features: str
    items: tuple[ModelItem, ...]
    outs: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether each model is of library code alone."""
        return all(item.is_library_only for item in self.items)


@dataclass(frozen=True)
class ScoreAnswer:
    """The names of the models that were scored, in the order of the items; predictions stand in parquet files."""

    diagnostics: tuple[Diagnostic, ...] = ()
    scored: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeasureJob:
    """Which models to measure side by side on which rows (a parquet file of features), and by which metrics."""

    features: str
    items: tuple[ModelItem, ...]
    metrics: tuple[str, ...]

    @property
    def is_library_only(self) -> bool:
        """Whether each model is of library code alone."""
        return all(item.is_library_only for item in self.items)


@dataclass(frozen=True)
class ModelCosts:
    """What one model costs, by metric, or why that cannot be told."""

    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class MeasureAnswer:
    """What the measurer found, in the order of the items."""

    costs: tuple[ModelCosts, ...] = ()


@dataclass(frozen=True)
class CustomMetricJob:
    """Which metrics (name and entrypoint) to ask for how many models; what they are asked about is in `folder`, as parquet."""

    folder: str
    root: str
    metrics: Mapping[str, str]
    models: int


@dataclass(frozen=True)
class CustomMetricAnswer:
    """What went wrong, if anything; the values stand in parquet files."""

    diagnostics: tuple[Diagnostic, ...] = ()


def run_worker(
    module: str, job: Any, folder: Path, *, timeout: float | None, interpreter: Interpreter = CURRENT_INTERPRETER
) -> process.ProcessResult:
    """Run `module.main(job file)` in a process of its own, in `folder`; then read what it wrote there by `read_answer`.

    A job with library code alone (`is_library_only`) is forked from a template, where there can be one; for every other
    the template is ended first, and the process starts from nothing.
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
    whole = [interpreter.python, "-P", "-c", _LAUNCH_SCRIPT, *argv[1:], str(os.getpid())]
    return process.run_guarded(whole, cwd=folder, env=env, timeout=timeout)


def prepare_worker(estimator: str | None, entrypoint: str | None) -> None:
    """Let the libraries be imported already for a job that is to fit this, which comes next; not where it has its own code."""
    if _is_library_estimator(estimator, entrypoint):
        warm.prepare(CURRENT_INTERPRETER.toolkit)


def read_answer(kind: type[T], folder: Path) -> T | None:
    """Return the child's answer, read strictly; None when there is none or it is not one."""
    try:
        with untrusted_files.open_regular_file(folder / ANSWER_FILE, ANSWER_LIMIT) as stream:
            return decode_json(kind, stream.read(ANSWER_LIMIT))
    except (OSError, ValueError):
        return None


def printable_errors(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the errors that a child tells of, as they may be shown: few, short, and with no line that commands."""
    told = (one for one in diagnostics if one.severity == "error" and _DIAGNOSTIC_ID.fullmatch(one.id))
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
        for one in itertools.islice(told, _MAX_ERRORS)
    )


def as_quote(text: str) -> str:
    """Mark each line as something that was said: a CI runner obeys a line that starts with `::`, also an indented one."""
    return "\n".join(f"| {line}" for line in text.splitlines())


def printable_line(text: str, limit: int) -> str:
    """Return a child's text as one line of at most `limit` printable characters."""
    return replace_control_characters(" ".join(text.split()))[:limit]


def _is_library_estimator(estimator: str | None, entrypoint: str | None) -> bool:
    return entrypoint is None and estimator is not None and estimator.startswith(_LIBRARY_PREFIX)


def _are_library_types(trusted: Sequence[str]) -> bool:
    return all(name in SKOPS.reviewed_types or name.startswith(_LIBRARY_PREFIX) for name in trusted)


def _is_plausible_location(where: Location) -> bool:
    numbers = (where.line or 1, where.column or 1, where.length)
    return (
        all(1 <= number <= _MAX_LOCATION for number in numbers)
        and len(where.path) + len(where.text or "") <= _MAX_TEXT_LENGTH
    )


def read_job(kind: type[T], path: str) -> T:
    """Return the job that the parent wrote; raises DecodeError when it is another kind of job."""
    return decode_json(kind, Path(path).read_bytes())


def write_answer(value: Any, path: str) -> None:
    """Write the child's answer beside its job."""
    Path(path).with_name(ANSWER_FILE).write_text(json.dumps(encode(value), allow_nan=False), encoding="utf-8")
