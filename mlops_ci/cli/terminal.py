"""The only place that prints."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # imported for type checking only, so that queries stay fast
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from mlops_ci.core.diagnostics import Diagnostic
    from mlops_ci.core.errors import ToolError
    from mlops_ci.core.plan import Outcome, Plan


_USUAL_PAGE, _NARROWEST_PAGE = 80, 40  # cells of a terminal that does not say how wide it is; of a page, at least


def print_line(text: str, *, error: bool = False) -> None:
    """Print a text and a newline, and flush the stream."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def print_report(pieces: Iterable[str], *, error: bool = False) -> None:
    """Print the lines and tables of a report; on a terminal they fold at its width, and words have colours."""
    from mlops_ci.reports.page import lay_out  # imported only if there is a report

    width, colour = _page_of(sys.stderr if error else sys.stdout)
    print_line(lay_out(pieces, width, colour=colour), error=error)


def _page_of(stream: TextIO) -> tuple[int | None, bool]:
    """Return the width of a terminal, None for what is no terminal, and whether words have colours there.

    NO_COLOR (no-color.org) and CLICOLOR=0 turn colours off, FORCE_COLOR and CLICOLOR_FORCE on, also in a pipe.
    """
    import os

    is_terminal = stream.isatty()
    width = _terminal_width(stream) if is_terminal else None
    if os.environ.get("NO_COLOR"):
        return width, False
    if any(os.environ.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return width, True
    return width, is_terminal and os.environ.get("CLICOLOR") != "0" and os.environ.get("TERM") != "dumb"


def _terminal_width(stream: TextIO) -> int:
    import os

    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(int(columns), _NARROWEST_PAGE)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns or _USUAL_PAGE, _NARROWEST_PAGE)
    except (OSError, ValueError):
        return _USUAL_PAGE


@contextmanager
def progress_display(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows progress: a bar on a terminal, plain lines in a CI log, nothing if `quiet`."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _progress_bar() as show:
            yield show
    else:
        yield lambda text: print_line(f"  {text}", error=True)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str], None]]:
    import re

    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Share(ProgressColumn):
        """The time so far and, where a text says `3 of 12`, the share that is done and the time that is left."""

        def render(self, task: Task) -> Text:
            done = f"{task.elapsed or 0:.0f} s"
            if task.total and task.completed:
                left = (task.elapsed or 0) * (task.total - task.completed) / task.completed
                done += f" · {task.completed / task.total:.0%} · about {left:.0f} s left"
            return Text(done, style="dim", no_wrap=True)

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        Share(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2)
    task = progress.add_task("", total=None)

    def show(text: str) -> None:
        progress.start()  # start with the first text
        counted = re.search(r"\b(\d[\d,]*) of (\d[\d,]*)\b", text)
        done, total = (int(number.replace(",", "")) for number in counted.groups()) if counted else (0, None)
        progress.update(task, description=text, total=total, completed=max(done - 1, 0))  # the one at hand is not done

    try:
        yield show
    finally:
        progress.stop()


def print_outcome(
    verb: str,
    outcome: Outcome[Any],
    fmt: str,
    *,
    before: tuple[Diagnostic, ...] = (),
    plan: Plan | None = None,
    within: str = "",
    every_requirement: bool = False,
) -> None:
    """Print an outcome in the format `fmt`.

    `plan` is set for a dry run; with `every_requirement` a text lists those that do not apply, too. `within` is the project's folder in the repository; locations get it as a prefix.
    """
    diagnostics = (*before, *outcome.diagnostics)
    if fmt == "json":
        print_line(outcome_json(verb, outcome, diagnostics, plan))
        return
    if fmt == "github":
        import os

        from mlops_ci.cli.action_result import write_action_result

        write_action_result(
            os.environ, verb, outcome_json(verb, outcome, diagnostics, plan), outcome.final_exit_code, outcome.record
        )
    if fmt == "sarif":
        print_line(_render_findings(diagnostics, "sarif", within=within))
        return
    if fmt == "markdown":
        from mlops_ci.reports.markdown import render_markdown

        print_line(render_markdown(outcome.record))
        return
    if diagnostics:
        specs = outcome.record.specs if verb == "validate" else None
        if fmt == "github":
            print_line(_render_findings(diagnostics, "github", specs, within))
        else:
            print_report([_render_findings(diagnostics, "text", specs, within, _page_of(sys.stdout)[0])])
    if plan is not None:
        print_line("dry run: nothing is written; a real run would report:\n")
    from mlops_ci.reports.text import report_pieces

    if pieces := report_pieces(outcome.record, every_requirement=every_requirement):
        print_report(["", *pieces] if diagnostics else pieces)
    if plan is not None:
        print_report(["", "plan:", *(f"  {line}" for line in _describe_plan(plan) or ["nothing to write"])])
    elif sys.stdout.isatty() and outcome.final_exit_code == 0:
        print_next_step(outcome.record)


def print_next_step(record: object) -> None:
    """Print the command that usually comes after what was reported, if there is one."""
    from mlops_ci.reports.next_steps import next_step

    if step := next_step(record):
        print_report(["", f"next: {step}"])


def outcome_json(
    verb: str, outcome: Outcome[Any], diagnostics: tuple[Diagnostic, ...], plan: Plan | None = None
) -> str:
    """Return an outcome as JSON; `plan` is set for a dry run."""
    described = {"plan": _describe_plan(plan)} if plan is not None else {}
    answer = {
        "verb": verb,
        "exitCode": int(outcome.final_exit_code),
        "record": outcome.record,
        "diagnostics": diagnostics,
    }
    return _encode_answer({**answer, **described})


def _describe_plan(plan: Plan) -> list[str]:
    from mlops_ci.core.planned_writes import describe_write  # imported only if there is a plan

    return [describe_write(write) for write in plan.writes]


def _render_findings(
    diagnostics: tuple[Diagnostic, ...],
    fmt: Literal["text", "github", "sarif"],
    specs: int | None = None,
    within: str = "",
    width: int | None = None,
) -> str:
    from mlops_ci.reports.findings import render_findings  # imported only if there are findings

    if fmt != "text" and within:
        diagnostics = tuple(_prefix_location(one, within) for one in diagnostics)
    return render_findings(diagnostics, fmt, specs=specs, width=width)


def _prefix_location(one: Diagnostic, within: str) -> Diagnostic:
    from dataclasses import replace

    if one.location is None:
        return one
    return replace(one, location=replace(one.location, path=f"{within}/{one.location.path}"))


def print_problem(error: ToolError, fmt: str, verb: str = "", within: str = "") -> None:
    """Print the diagnostics of an error in the format `fmt`."""
    unanswered = {"exitCode": int(error.exit_code), "diagnostics": error.diagnostics}
    if fmt == "github":
        import os

        from mlops_ci.cli.action_result import write_action_result

        write_action_result(os.environ, verb, _encode_answer({"verb": verb, **unanswered}), error.exit_code)
    if fmt == "json":
        print_line(_encode_answer({"verb": verb, **unanswered}))
    elif fmt in ("github", "sarif"):
        print_line(_render_findings(error.diagnostics, "github" if fmt == "github" else "sarif", within=within))
    else:
        print_report([_render_findings(error.diagnostics, "text", width=_page_of(sys.stderr)[0])], error=True)


def _encode_answer(answer: dict[str, Any]) -> str:
    from mlops_ci.core.codec import encode
    from mlops_ci.core.digest import canonical_json

    return canonical_json({"format": 1, **encode(answer)})
