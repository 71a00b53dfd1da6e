"""The only place that prints."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # imported for type checking only, so that queries stay fast
    from collections.abc import Callable, Iterator

    from mlops_ci.core.diagnostics import Diagnostic
    from mlops_ci.core.errors import ToolError
    from mlops_ci.core.plan import Outcome, Plan


def print_line(text: str, *, error: bool = False) -> None:
    """Print a text and a newline, and flush the stream."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("", total=None)

    def show(text: str) -> None:
        progress.start()  # start with the first text
        progress.update(task, description=text)

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
) -> None:
    """Print an outcome in the format `fmt`.

    `plan` is set for a dry run. `within` is the project's folder in the repository; locations get it as a prefix.
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
        print_line(_render_findings(diagnostics, "github" if fmt == "github" else "text", specs, within))
    if plan is not None:
        print_line("dry run: nothing is written; a real run would report:\n")
    from mlops_ci.reports.text import render_text

    if shown := render_text(outcome.record):
        print_line(f"\n{shown}" if diagnostics else shown)
    if plan is not None:
        lines = _describe_plan(plan) or ["nothing to write"]
        print_line("\nplan:\n" + "\n".join(f"  {line}" for line in lines))


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
) -> str:
    from mlops_ci.reports.findings import render_findings  # imported only if there are findings

    if fmt != "text" and within:
        diagnostics = tuple(_prefix_location(one, within) for one in diagnostics)
    return render_findings(diagnostics, fmt, specs=specs)


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
        print_line(_encode_answer(unanswered))
    elif fmt in ("github", "sarif"):
        print_line(_render_findings(error.diagnostics, "github" if fmt == "github" else "sarif", within=within))
    else:
        print_line(_render_findings(error.diagnostics, "text"), error=True)


def _encode_answer(answer: dict[str, Any]) -> str:
    from mlops_ci.core.codec import encode
    from mlops_ci.core.digest import canonical_json

    return canonical_json({"format": 1, **encode(answer)})
