"""What tests of training share."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core import process
from mlops_ci.core.codec import encode
from mlops_ci.training.workers import protocol as jobs


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the children's code here: for what does not depend on the process boundary, and takes 2 s with it."""

    def launch(
        module: str, job: Any, folder: Path, *, timeout: float | None, interpreter: jobs.Interpreter = jobs.HERE
    ) -> process.Result:
        assert (timeout, interpreter) == (None, jobs.HERE)
        (folder / jobs.JOB).write_text(json.dumps(encode(job)))
        importlib.import_module(module).main(str(folder / jobs.JOB))
        return process.Result(0, timed_out=False, log=b"")

    monkeypatch.setattr(jobs, "launch", launch)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("make", "helper", "bad"):
        sys.modules.pop(name, None)
