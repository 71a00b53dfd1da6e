"""Asks on a terminal for what `init --from` needs and was not given. In CI, in a pipe and for JSON, nothing is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.core.verbs import Verb

MAX_LISTED_COLUMNS = 40


def answer_questions(verb: Verb, options: Mapping[str, Any], fmt: str) -> dict[str, Any]:
    """Return the options with the answers of the person at the terminal, if there is one and something is missing.

    Raises the errors of reading the table.
    """
    given = dict(options)
    table = Path(options["chdir"], options.get("from_") or "")
    asks = verb.name == "init" and options.get("from_") and not options.get("target") and not options.get("template")
    if not asks or fmt != "text" or not _is_interactive() or not table.is_file():
        return given
    from mlops_ci.commands.scaffold import columns_of_table

    columns = columns_of_table(table)
    click.echo(f"the columns of {table.name}:", err=True)
    for name in list(columns)[:MAX_LISTED_COLUMNS]:
        click.echo(f"  {name}", err=True)
    if len(columns) > MAX_LISTED_COLUMNS:
        click.echo(f"  and {len(columns) - MAX_LISTED_COLUMNS} more", err=True)
    given["target"] = _ask("Which column is to be predicted?", columns)
    others = [name for name in columns if name != given["target"]]
    if not given.get("key"):
        given["key"] = _ask("Which column identifies a row? (press Enter to let init find it)", others, optional=True)
    # text may be dates in a format that is found later
    times = [name for name in others if columns[name] in ("date", "timestamp", "string")]
    if times and not given.get("time"):
        question = "Which column has the time of a row? The newest rows are then the holdout. (press Enter for none)"
        given["time"] = _ask(question, times, optional=True)
    return given


def _ask(question: str, columns: Sequence[str] | Mapping[str, str], *, optional: bool = False) -> str | None:
    def require_column(answer: str) -> str | None:
        if answer in columns:
            return answer
        if optional and not answer:
            return None
        raise click.UsageError(
            f"there is no column {quote(answer)}; {suggest(answer, columns, otherwise='choose one of')}"
        )

    default = "" if optional else None
    answer: str | None = click.prompt(
        question, value_proc=require_column, default=default, show_default=False, prompt_suffix=" ", err=True
    )
    return answer


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
