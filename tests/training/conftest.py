"""What tests of training share."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core import process
from mlops_ci.core.codec import encode
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.package import FittedModel
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import protocol
from tests.training.samples import INPUTS, WHERE, rows


@pytest.fixture
def in_process() -> Iterator[None]:
    """Run the children's code here: for what does not depend on the process boundary, and takes 5 s with it."""
    with workers_in_process():
        yield


@contextmanager
def workers_in_process(but: Callable[[Any], bool] | None = None) -> Iterator[None]:
    """Run the children's code here, except the jobs that `but` names: each of these has a process, as always."""
    start = protocol.run_worker

    def launch(
        module: str,
        job: Any,
        folder: Path,
        *,
        timeout: float = protocol.LONGEST_SECONDS,
        interpreter: protocol.Interpreter = protocol.CURRENT_INTERPRETER,
        descriptor: int | None = None,
    ) -> process.ProcessResult:
        assert (timeout, interpreter) == (protocol.LONGEST_SECONDS, protocol.CURRENT_INTERPRETER)
        if but is not None and but(job):
            return start(module, job, folder, timeout=timeout, descriptor=descriptor)
        if descriptor is not None:
            job = replace(job, types_channel=os.dup(descriptor))  # which the worker closes
        (folder / protocol.JOB_FILE).write_text(json.dumps(encode(job)))
        importlib.import_module(module).main(str(folder / protocol.JOB_FILE))
        return process.ProcessResult(0, timed_out=False, log=b"")

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol, "run_worker", launch)
            patch.setattr(sys, "path", list(sys.path))
            yield
    finally:
        for name in ("make", "helper", "bad"):
            sys.modules.pop(name, None)


@pytest.fixture
def train_on(tmp_path: Path) -> Callable[..., FittedModel]:
    """Return a function that trains in a repository at `tmp_path/repo`."""
    (tmp_path / "repo/models").mkdir(parents=True, exist_ok=True)
    calls = 0

    def run(train: TrainSpec, frame: Any = None, **changes: Any) -> FittedModel:
        nonlocal calls
        calls += 1
        data = tmp_path / f"train-{calls}.parquet"
        (rows() if frame is None else frame).to_parquet(data)
        given: dict[str, Any] = {
            "task": "binary-classification",
            "inputs": INPUTS,
            "output": ModelField("y", "boolean"),
            "root": tmp_path / "repo",
            "environment": training_environment(),
            "where": WHERE,
        }
        return fit_model(TrainingTask(train, **{**given, **changes}), data, tmp_path / f"scratch-{calls}")

    return run
