"""How a worker's failure is told: as findings at the spec's train block, with what the worker said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.process import ProcessResult
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import protocol


def require_answer(
    kind: type[protocol.T], folder: Path, ended: ProcessResult, task: TrainingTask, activity: str
) -> protocol.T:
    """Return a worker's answer, read from its folder; raises the errors that it names, or that it gave no answer.

    `activity` is what the worker did, for messages.
    """
    if ended.timed_out:
        raise Findings.of(
            "train-timed-out",
            f"{activity} took more than {task.timeout:g} seconds",
            location=task.where,
            help="Use fewer rows or a smaller model.",
        )
    found: Any = protocol.read_answer(kind, folder)
    if found is None:
        raise training_failure(_describe_exit(ended.returncode, activity), ended, task.where)
    if errors := protocol.printable_errors(found.diagnostics):
        usage = getattr(found, "usage", False)
        output = "" if usage else protocol.as_quote(ended.tail)
        raise (UsageProblem if usage else Findings)([_add_context(one, task.where, output) for one in errors])
    answer: protocol.T = found
    return answer


def training_failure(message: str, ended: ProcessResult, where: Location | None) -> Findings:
    """Return the finding that training failed, with the end of the worker's output."""
    return Findings.of("train-failed", message, location=where, help=protocol.as_quote(ended.tail) or None)


def _add_context(error: Diagnostic, where: Location | None, output: str) -> Diagnostic:
    """Put an error that names no place at the spec's train block, and add the worker's output to its help."""
    help = "\n".join(part for part in (error.help, output) if part)
    return replace(error, location=error.location or where, help=help or None)


def _describe_exit(returncode: int, activity: str) -> str:
    if returncode < 0:
        cause = " (out of memory?)" if returncode == -9 else ""
        return f"{activity} was ended by signal {-returncode}{cause}"
    return f"{activity} ended with exit code {returncode} and no result"
