"""The exceptions of the toolkit: a step that cannot finish raises one with its diagnostics and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Self

from mlops_ci.core.diagnostics import Diagnostic, Location


class Exit(IntEnum):
    """Process exit codes. They let CI distinguish *the model is worse* from *the tool failed*."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    ENVIRONMENT = 3
    BUG = 4
    INTERRUPTED = 130


class ToolError(Exception):
    """The base class: a step could not finish. It has the diagnostics for the user and the process exit code."""

    exit_code = Exit.BUG

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)

    @classmethod
    def of(cls, id: str, message: str, *, help: str | None = None, location: Location | None = None) -> Self:
        """Return the exception for a single diagnostic."""
        return cls([Diagnostic(id, message, location=location, help=help)])


class Findings(ToolError):
    """The step cannot continue because of the user's data, model or policy (exit 1)."""

    exit_code = Exit.FINDINGS


class UsageProblem(ToolError):
    """The command line or a spec is invalid (exit 2)."""

    exit_code = Exit.USAGE


class EnvironmentProblem(ToolError):
    """Git, the network, the disk or an installed package is at fault (exit 3)."""

    exit_code = Exit.ENVIRONMENT


class HostProblem(EnvironmentProblem):
    """A request to the git host failed. `status` is the HTTP status; None without an answer.

    `unsure`: the request may have succeeded, because its answer was lost or is unclear.
    """

    status: int | None = None
    unsure: bool = False

    @classmethod
    def of(
        cls,
        id: str,
        message: str,
        *,
        help: str | None = None,
        location: Location | None = None,
        status: int | None = None,
        unsure: bool = False,
    ) -> Self:
        """Return the exception for a single diagnostic."""
        made = super().of(id, message, help=help, location=location)
        made.status, made.unsure = status, unsure
        return made


def error_headline(error: BaseException) -> str:
    """Return an exception's type and the first line of its text, in at most 400 characters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:400] if lines else type(error).__name__
