"""Findings about rows of a file that cannot be read: each row has its line, up to a limit, and all are counted."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_ci.core.diagnostics import Diagnostic, Location

MAX_LISTED_ROWS = 20  # of one file


def bad_row_findings(
    id: str, rows: Sequence[tuple[int, str]], name: str, *, help: str, total: int | None = None
) -> tuple[Diagnostic, ...]:
    """Return a finding for each row, which is given as line and message; beyond MAX_LISTED_ROWS, their number.

    `rows` are at least the first MAX_LISTED_ROWS of `total` rows. Only the first finding has the help.
    """
    count = len(rows) if total is None else total
    found = [
        Diagnostic(id, message, Location(name, line), None if index else help)
        for index, (line, message) in enumerate(rows[:MAX_LISTED_ROWS])
    ]
    if count > MAX_LISTED_ROWS:
        found.append(Diagnostic(id, f"{count:,} rows in all; the first {MAX_LISTED_ROWS} are listed", Location(name)))
    return tuple(found)
