"""Answers `show` and `history` in their plain forms without a parser of command lines, whose import takes longer than they do."""

from __future__ import annotations

import gc
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mlops_ci import git
from mlops_ci.cli import terminal
from mlops_ci.errors import ToolError
from mlops_ci.project import Place

VERBS = ("show", "history")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_=-]*")


def answer(argv: Sequence[str]) -> int | None:
    """Print the answer to `VERB [MODEL] [--format text|json]` and return the exit code, 0.

    None, with nothing printed, for any other form and wherever there is more to say than the answer (no repository, an
    unknown model, a clone that lacks part of the registry): the whole command line does that.
    """
    gc.disable()  # one listing, and the process ends: there is nothing to collect
    verb, *rest = argv
    fmt = "text"
    if rest[-2:-1] == ["--format"] and rest[-1] in ("text", "json"):
        fmt = rest.pop()
        rest.pop()
    here = Path.cwd()
    repo = git.find(here) if len(rest) <= 1 and all(_MODEL.fullmatch(name) for name in rest) else None
    if repo is None:
        return None
    step = getattr(importlib.import_module(f"mlops_ci.steps.{verb}"), verb)
    try:
        outcome = step(Place(repo.root, here, repo), **({"model": rest[0]} if rest else {}))
    except ToolError:
        return None
    if outcome.diagnostics or not any(vars(outcome.record).values()):
        return None
    try:
        terminal.report(verb, outcome, fmt)
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains about the pipe once more while exiting
    return 0
