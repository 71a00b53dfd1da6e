"""Runs one command: parses, builds the context, calls the step, reports, applies the plan, and answers with an exit code."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
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
from mlops_ci.core.errors import EnvironmentProblem, Exit, ToolError, UsageProblem
from mlops_ci.core.verbs import Verb

Observer = Callable[[str], None]
_DISK_FULL_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
)  # the disk, a quota, a limit, or a disk that is only read


def run_command_line(
    argv: Sequence[str], observe: Observer | None = None, wait: Callable[[float], None] = time.sleep
) -> int:
    """Run a command line and return its exit code.

    `observe` is told of each write before it is made; `wait` is given the seconds between two attempts at a contended write.
    """
    asked = ["text", "", ""]  # format, verb and the project's place: an error may come before or after they are known

    def step(verb: Verb, options: dict[str, Any]) -> int:
        asked[:] = options.pop("fmt"), verb.name, _folder_in_repository(verb, options["chdir"])
        return _run_verb(verb, options, asked[0], asked[2], observe, wait)

    try:
        _require_utf8(argv)
        return int(build_command_group(step).main(args=list(argv), prog_name="mlops-ci", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except ToolError as error:
        terminal.print_problem(error, *asked)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing more was written", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains about the pipe once more while exiting
        return Exit.OK
    except OSError as error:
        if error.errno not in _DISK_FULL_ERRORS:
            return _report_bug()
        found = EnvironmentProblem.of("disk-full", f"nothing more can be written: {error}", help="free some space")
        terminal.print_problem(found, *asked)
        _discard_output()
        return Exit.ENVIRONMENT
    except Exception:  # noqa: BLE001 - the last line of defence: what reaches it is a bug of ours
        return _report_bug()


def _discard_output() -> None:
    """Discard what could not be printed: Python would try it once more while it exits, and end with a code of its own."""
    with contextlib.suppress(OSError):  # an output that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_bug() -> int:
    click.echo(traceback.format_exc(), err=True)
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
    """Return the project's folder in its repository, from which GitHub counts paths; nothing where they are one."""
    from mlops_ci.spec.load import find_root  # as above

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

    dry_run = options.pop("dry_run", False)
    step = getattr(importlib.import_module(verb.module), verb.name)
    with open_session(verb, options.pop("chdir"), wait, quiet=fmt != "text") as session:
        outcome, before = session.sync_and_call(step, options)
        if not dry_run:
            outcome = session.apply_with_retries(outcome, step, options, observe or session.progress)
    # only now: the progress display is gone
    terminal.print_outcome(
        verb.name, outcome, fmt, before=before, plan=outcome.plan if dry_run else None, within=within
    )
    return outcome.final_exit_code
