"""Runs in the peers' own environment: calls `gto` and `dvc` many times in one process, since each start costs seconds.

Reads `{"gto": [argv, ...], "artifacts": [keywords, ...]}` from standard input, and writes what each call answered.
`gto` dates its tags by the clock, whatever git's variables say, so here every command has a second of its own. It reads
its configuration nine times in a command, and makes a class each time; no command here changes it, so here it is read once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import os
import sys
import time
from typing import Any


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    seconds = [time.time()]
    time.time = lambda: seconds[0]
    os.environ["GIT_COMMITTER_DATE"] = "0 +0000"  # one git library cannot; the other takes the time from Python
    once = functools.cache(importlib.import_module("gto.config").read_registry_config)
    for name in ("gto.index", "gto.registry"):
        vars(importlib.import_module(name))["read_registry_config"] = once
    answers: dict[str, list[Any]] = {"gto": [], "artifacts": []}
    for argv in request["gto"]:
        seconds[0] += 1
        answers["gto"].append(_gto(argv))
    for keywords in request["artifacts"]:
        answers["artifacts"].append(importlib.import_module("dvc.api").artifacts_show(**keywords))
    json.dump(answers, sys.__stdout__ or sys.stdout)


def _gto(argv: list[str]) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = importlib.import_module("gto.cli").app(argv, standalone_mode=False)
        except SystemExit as end:
            code = end.code
        except Exception as error:  # noqa: BLE001 - whatever it is, the test decides what it means
            return 1, f"{out.getvalue()}{type(error).__name__}: {error}"
    return int(code or 0), out.getvalue()


if __name__ == "__main__":
    main()
