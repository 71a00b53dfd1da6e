"""Exceptions: the tool could not answer. Findings are values (`diagnostics`), never exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Self

from mlops_ci.core.diagnostics import Diagnostic, Location


class Exit(IntEnum):
    """Process exit codes, so that CI can tell *the model is worse* from *the tool broke*."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    ENVIRONMENT = 3
    BUG = 4
    INTERRUPTED = 130


class ToolError(Exception):
    """The tool could not answer; carries what to tell the user and the process exit code."""

    exit_code = Exit.BUG

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)

    @classmethod
    def of(cls, id: str, message: str, *, help: str | None = None, location: Location | None = None) -> Self:
        """Make the exception for a single diagnostic."""
        return cls([Diagnostic(id, message, location=location, help=help)])


class Findings(ToolError):
    """The user's data or model is at fault and the step cannot go on (exit 1)."""

    exit_code = Exit.FINDINGS


class UsageProblem(ToolError):
    """The command line or a spec is invalid (exit 2)."""

    exit_code = Exit.USAGE


class EnvironmentProblem(ToolError):
    """Git, the network, the disk or an installed package is at fault (exit 3)."""

    exit_code = Exit.ENVIRONMENT


class HostProblem(EnvironmentProblem):
    """The git host did not answer as asked. `status` is HTTP's, None where no answer came.

    `unsure`: what was asked for may have been done nevertheless, since the answer was lost or says nothing.
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
        """Make the exception for a single diagnostic."""
        made = super().of(id, message, help=help, location=location)
        made.status, made.unsure = status, unsure
        return made


def error_headline(error: BaseException) -> str:
    """Return an exception's type and the first line of its text, in at most 400 characters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:400] if lines else type(error).__name__
