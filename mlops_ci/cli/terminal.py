"""The only place that prints."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # most of what is printed needs few of these, and queries are quick
    from collections.abc import Callable, Iterator

    from mlops_ci.core.diagnostics import Diagnostic
    from mlops_ci.core.errors import ToolError
    from mlops_ci.core.plan import Outcome, Plan


def say(text: str, *, error: bool = False) -> None:
    """Print a text and a newline, and hand it on at once."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


@contextmanager
def progress_display(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being done: a moving bar on a terminal, plain lines in CI logs, else nothing."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield lambda text: say(f"  {text}", error=True)


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
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
        progress.start()  # with the first thing there is to show
        progress.update(task, description=text)

    try:
        yield show
    finally:
        progress.stop()


def report(
    verb: str,
    outcome: Outcome[Any],
    fmt: str,
    *,
    before: tuple[Diagnostic, ...] = (),
    plan: Plan | None = None,
    within: str = "",
) -> None:
    """Print an outcome in the format asked for; `plan` is given for a dry run, `within` as the place of the project's paths."""
    diagnostics = (*before, *outcome.diagnostics)
    if fmt == "json":
        say(answer(verb, outcome, diagnostics, plan))
        return
    if fmt == "github":
        import os

        from mlops_ci.cli.action_result import tell

        tell(os.environ, verb, answer(verb, outcome, diagnostics, plan), outcome.exit, outcome.record)
    if fmt == "sarif":
        say(_findings(diagnostics, "sarif", within=within))
        return
    if fmt == "markdown":
        from mlops_ci.reports.markdown import markdown

        say(markdown(outcome.record))
        return
    if diagnostics:
        specs = outcome.record.specs if verb == "validate" else None
        say(_findings(diagnostics, "github" if fmt == "github" else "text", specs, within))
    if plan is not None:
        say("dry run: nothing is written; the real run would end like this\n")
    from mlops_ci.reports.text import text

    if shown := text(outcome.record):
        say(f"\n{shown}" if diagnostics else shown)
    if plan is not None:
        lines = _described(plan) or ["nothing to write"]
        say("\nplan:\n" + "\n".join(f"  {line}" for line in lines))


def answer(verb: str, outcome: Outcome[Any], diagnostics: tuple[Diagnostic, ...], plan: Plan | None = None) -> str:
    """Return an outcome as JSON; `plan` is given for a dry run."""
    described = {"plan": _described(plan)} if plan is not None else {}
    said = {"verb": verb, "exitCode": int(outcome.exit), "record": outcome.record, "diagnostics": diagnostics}
    return _json({**said, **described})


def _described(plan: Plan) -> list[str]:
    from mlops_ci.core.planned_writes import describe  # only where there is a plan

    return [describe(write) for write in plan.writes]


def _findings(
    diagnostics: tuple[Diagnostic, ...],
    fmt: Literal["text", "github", "sarif"],
    specs: int | None = None,
    within: str = "",
) -> str:
    from mlops_ci.reports.findings import render_findings  # most commands find nothing

    if fmt != "text" and within:
        diagnostics = tuple(_placed(one, within) for one in diagnostics)
    return render_findings(diagnostics, fmt, specs=specs)


def _placed(one: Diagnostic, within: str) -> Diagnostic:
    from dataclasses import replace

    if one.location is None:
        return one
    return replace(one, location=replace(one.location, path=f"{within}/{one.location.path}"))


def problem(error: ToolError, fmt: str, verb: str = "", within: str = "") -> None:
    """Print why there is no outcome."""
    unanswered = {"exitCode": int(error.exit_code), "diagnostics": error.diagnostics}
    if fmt == "github":
        import os

        from mlops_ci.cli.action_result import tell

        tell(os.environ, verb, _json({"verb": verb, **unanswered}), error.exit_code)
    if fmt == "json":
        say(_json(unanswered))
    elif fmt in ("github", "sarif"):
        say(_findings(error.diagnostics, "github" if fmt == "github" else "sarif", within=within))
    else:
        say(_findings(error.diagnostics, "text"), error=True)


def _json(said: dict[str, Any]) -> str:
    from mlops_ci.core.codec import encode
    from mlops_ci.core.digest import canonical_json

    return canonical_json({"format": 1, **encode(said)})
