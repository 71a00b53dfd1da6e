"""Turns a worker's failure into findings at the spec's train block, with the worker's output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.process import ProcessResult
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.withheld import withhold_texts
from mlops_ci.training.workers import protocol


def require_answer(
    kind: type[protocol.T], folder: Path, ended: ProcessResult, task: TrainingTask, activity: str
) -> protocol.T:
    """Return a worker's answer from its folder.

    Raises the errors that the answer reports, or Findings when the worker timed out or gave no answer. `activity`
    describes the worker's task in messages.
    """
    if ended.timed_out:
        raise Findings.of(
            "train-timed-out",
            f"{activity} took more than {task.timeout:g} seconds",
            location=task.where,
            help="Use fewer rows or a smaller model.",
        )
    given: Any = protocol.read_answer(kind, folder)
    if given is None:
        raise training_failure(_describe_exit(ended.returncode, activity), ended, task.where)
    if errors := protocol.printable_errors(given.diagnostics):
        errors = withhold_texts(errors) if task.personal else errors
        usage = getattr(given, "usage", False)
        output = "" if usage else protocol.as_quote(ended.tail)
        raise (UsageProblem if usage else Findings)(
            [_add_context(one, task.place_of(one.id), output) for one in errors]
        )
    answer: protocol.T = given
    return answer


def training_failure(message: str, ended: ProcessResult, where: Location | None) -> Findings:
    """Return the finding `train-failed`, with the end of the worker's output."""
    return Findings.of("train-failed", message, location=where, help=protocol.as_quote(ended.tail) or None)


def _add_context(error: Diagnostic, where: Location | None, output: str) -> Diagnostic:
    """Return the error with the spec's place as its default, and the worker's output in its help."""
    help = "\n".join(part for part in (error.help, output) if part)
    return replace(error, location=error.location or where, help=help or None)


def _describe_exit(returncode: int, activity: str) -> str:
    if returncode < 0:
        cause = " (probably out of memory)" if returncode == -9 else ""
        return f"{activity} was ended by signal {-returncode}{cause}"
    return f"{activity} ended with exit code {returncode} and no result"
