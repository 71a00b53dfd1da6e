"""What a child process is asked and what it answers: JSON files in a folder of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlops_ci
from mlops_ci import process
from mlops_ci.codec import DecodeError, decode, encode
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.records import Field, Signature

T = TypeVar("T")
ANSWER_LIMIT = 16 << 20  # bytes: the answer comes from a process that ran a candidate's code
JOB, ANSWER = "job.json", "result.json"

# -P keeps the child's current folder off sys.path; ours goes last, so that it shadows nothing
_LAUNCH = """
import importlib, sys
sys.path.append(sys.argv[1])
importlib.import_module(sys.argv[2]).main(sys.argv[3])
"""


@dataclass(frozen=True)
class TrainJob:
    """What the trainer needs: where things are (absolute paths), how to build the estimator, what the columns are."""

    data: str
    out: str
    root: str
    task: str
    inputs: tuple[Field, ...]
    output: Field
    estimator: str | None
    entrypoint: str | None
    params: Mapping[str, Any]
    seed: int
    trusted: tuple[str, ...]
    requirements: str


@dataclass(frozen=True)
class TrainAnswer:
    """What the trainer found. `model_digest` is None when an error stands among the diagnostics."""

    diagnostics: tuple[Diagnostic, ...] = ()
    usage: bool = False  # the spec is at fault, not the data or the model
    signature: Signature | None = None
    model_digest: str | None = None
    estimator: str = ""
    seconds: float = 0.0
    untrusted: tuple[str, ...] = ()
    threadpools: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreItem:
    """One packaged model: its file with its recorded digest, the types it may load, and folders its own code is in."""

    name: str
    model: str
    sha256: str
    trusted: tuple[str, ...]
    signature: Signature
    task: str
    paths: tuple[str, ...]
    out: str


@dataclass(frozen=True)
class ScoreJob:
    """Which models to score on which rows (a parquet file of features)."""

    features: str
    items: tuple[ScoreItem, ...]
    latency: bool


@dataclass(frozen=True)
class Scored:
    """What was measured of one model; its predictions stand in a parquet file."""

    name: str
    operational: Mapping[str, float]


@dataclass(frozen=True)
class ScoreAnswer:
    """What the scorer found, in the order of the items."""

    diagnostics: tuple[Diagnostic, ...] = ()
    scored: tuple[Scored, ...] = ()


def launch(module: str, job: Any, folder: Path, *, timeout: float | None) -> process.Result:
    """Run `module.main(job file)` in a process of its own, in `folder`, its log there too; then read it by `answer`."""
    path = folder / JOB
    path.write_text(json.dumps(encode(job)), encoding="utf-8")
    ours = str(Path(mlops_ci.__file__).resolve().parents[1])
    argv = [sys.executable, "-P", "-c", _LAUNCH, ours, module, str(path)]
    return process.run(argv, cwd=folder, log=folder / "log.txt", timeout=timeout)


def answer(kind: type[T], folder: Path) -> T | None:
    """Return the child's answer, read strictly; None when there is none or it is not one."""
    path = folder / ANSWER
    try:
        if path.stat().st_size > ANSWER_LIMIT:
            return None
        return decode(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, DecodeError):
        return None


def read_job(kind: type[T], path: str) -> T:
    """Return the job that the parent wrote; raises DecodeError when it is another kind of job."""
    return decode(kind, json.loads(Path(path).read_text(encoding="utf-8")))


def write_answer(value: Any, path: str) -> None:
    """Write the child's answer beside its job."""
    Path(path).with_name(ANSWER).write_text(json.dumps(encode(value), allow_nan=False), encoding="utf-8")
