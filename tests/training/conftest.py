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
from mlops_ci.training.workers import protocol


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the children's code here: for what does not depend on the process boundary, and takes 2 s with it."""

    def launch(
        module: str,
        job: Any,
        folder: Path,
        *,
        timeout: float | None,
        interpreter: protocol.Interpreter = protocol.CURRENT_INTERPRETER,
    ) -> process.ProcessResult:
        assert (timeout, interpreter) == (None, protocol.CURRENT_INTERPRETER)
        (folder / protocol.JOB_FILE).write_text(json.dumps(encode(job)))
        importlib.import_module(module).main(str(folder / protocol.JOB_FILE))
        return process.ProcessResult(0, timed_out=False, log=b"")

    monkeypatch.setattr(protocol, "run_worker", launch)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("make", "helper", "bad"):
        sys.modules.pop(name, None)
