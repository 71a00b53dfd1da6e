"""Runs one command: parses, builds the context, calls the step, applies the plan, prints the report, returns the exit code."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mlops_ci import __version__
from mlops_ci.cli import terminal
from mlops_ci.cli.parser import build_command_group
from mlops_ci.cli.questions import answer_questions
from mlops_ci.cli.signals import received_signal
from mlops_ci.core.errors import EnvironmentProblem, Exit, ToolError, UsageProblem
from mlops_ci.core.verbs import Verb

Observer = Callable[[str], None]
_DISK_FULL_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
)  # a full disk, a quota, a file-size limit, or a read-only disk


def run_command_line(
    argv: Sequence[str], observe: Observer | None = None, wait: Callable[[float], None] = time.sleep
) -> int:
    """Run a command line and return its exit code.

    `observe` is called with a description of each write before the write; `wait` is called with the seconds to sleep between
    two attempts at a contended write.
    """
    command = [
        "text",
        "",
        "",
    ]  # format, verb and project folder; an error can occur before or after the command sets them

    def step(verb: Verb, options: dict[str, Any]) -> int:
        command[:] = options.pop("fmt"), verb.name, _folder_in_repository(verb, options["chdir"])
        return _run_verb(verb, options, command[0], command[2], observe, wait)

    try:
        _require_utf8(argv)
        return int(build_command_group(step).main(args=list(argv), prog_name="mlops-ci", standalone_mode=False) or 0)
    except BrokenPipeError:
        sys.stderr.close()  # otherwise Python reports the broken pipe again at exit
        return Exit.OK
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - any exception that is not known is a bug of mlops-ci
        return _report_error(error, command)


def _report_error(error: BaseException, command: Sequence[str]) -> int:
    """Print what ended the command, and return the exit code; `command` is the format, the verb and the project folder."""
    number = received_signal()
    if number is not None and number != signal.SIGINT:
        return 128 + number  # without a word: the terminal may be gone
    if number is not None or isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("interrupted: nothing more was written", err=True)
        return Exit.INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return Exit.USAGE
    if isinstance(error, ToolError):
        terminal.print_problem(error, *command)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _DISK_FULL_ERRORS:
        problem = EnvironmentProblem.of(
            "disk-full", f"cannot write: {error}", help="free some disk space, then run the same command again"
        )
        terminal.print_problem(problem, *command)
        _discard_output()
        return Exit.ENVIRONMENT
    return _report_bug(error)


def _discard_output() -> None:
    """Discard unprinted output: otherwise Python tries to print it at exit, fails, and changes the exit code."""
    with contextlib.suppress(OSError):  # an output without a file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_bug(error: BaseException) -> int:
    click.echo("".join(traceback.format_exception(error)), err=True)
    click.echo(
        f"mlops-ci {__version__} has a bug. Please report the lines above: https://github.com/mlops-ci/mlops-ci/issues/new",
        err=True,
    )
    return Exit.BUG


def _require_utf8(argv: Sequence[str]) -> None:
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise UsageProblem.of(
                "argument-encoding",
                f"the argument {argument!r} is not valid UTF-8",
                help="check the terminal's encoding",
            ) from error


def _folder_in_repository(verb: Verb, chdir: str) -> str:
    """Return the project's folder relative to the repository's root, as GitHub's paths need; empty if it is the root."""
    from mlops_ci.spec.load import find_root  # the reason stands in `_run_verb`

    root = find_root(Path(chdir)) if verb.needs in ("project", "folder") else None
    top = root and next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    if root is None or top is None or root == top:
        return ""
    return root.relative_to(top).as_posix()


def _run_verb(
    verb: Verb,
    options: dict[str, Any],
    fmt: str,
    within: str,
    observe: Observer | None,
    wait: Callable[[float], None],
) -> int:
    from mlops_ci.cli.session import open_session  # not for --help, nor for a command line that is wrong

    options = answer_questions(verb, options, fmt)
    dry_run, every_requirement = options.pop("dry_run", False), options.pop("every_requirement", False)
    with open_session(verb, options.pop("chdir"), wait, quiet=fmt != "text") as session:
        session.observe, session.dry_run = observe, dry_run
        # imported only now: a worker that the session has started imports at the same time
        step = getattr(importlib.import_module(verb.module), verb.name)
        outcome, before = session.sync_and_call(step, options)
        if received_signal() is not None:
            raise KeyboardInterrupt  # a library replaced it, and somebody took that for an error that does not matter
        if not dry_run:
            outcome = session.apply_with_retries(outcome, step, options, observe or session.progress)
    # print only after the progress display has closed
    terminal.print_outcome(
        verb.name,
        outcome,
        fmt,
        before=before,
        plan=outcome.plan if dry_run else None,
        within=within,
        every_requirement=every_requirement,
    )
    return outcome.final_exit_code
