"""A repository's set-up as text and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from mlops_ci.core.results.doctor import DoctorCheckResult, DoctorCheckState, DoctorReport
from mlops_ci.reports import escaping, formatting

_STATES: tuple[DoctorCheckState, ...] = ("problem", "enforced", "advisory", "unknown", "ok")
_WITHOUT_FINDING: tuple[DoctorCheckState, ...] = ("enforced", "ok")


def doctor_lines(report: DoctorReport) -> Iterator[str]:
    """Yield the rows by group, and the number of rows in each state.

    The findings above the table have the evidence of what is not as it should be, so the table has it of the others.
    """
    for group, rows in groupby(sorted(report.rows, key=_group_order(report)), key=lambda row: row.group):
        yield f"{group}:"
        yield formatting.text_table(
            ("", "", ""),
            [(row.state, row.what, row.evidence if row.state in _WITHOUT_FINDING else "") for row in rows],
            "  ",
        ).partition("\n")[2]
    yield f"\n{_state_counts(report)}"


def doctor_markdown(report: DoctorReport) -> str:
    """Return the same as Markdown, with the next step for each row."""
    rows = [
        (row.group, row.what, row.state, row.evidence, row.next or "")
        for row in sorted(report.rows, key=_group_order(report))
    ]
    table = escaping.markdown_table(("", "what", "state", "evidence", "next"), rows)
    where = f" of {escaping.escape_markdown(report.repository)}" if report.repository else ""
    return f"## Set-up{where}\n\n{escaping.escape_markdown(_state_counts(report))}\n\n{table}\n"


def _group_order(report: DoctorReport) -> Callable[[DoctorCheckResult], int]:
    order = list(dict.fromkeys(row.group for row in report.rows))
    return lambda row: order.index(row.group)


def _state_counts(report: DoctorReport) -> str:
    return ", ".join(f"{count} {state}" for state in _STATES if (count := report.count(state)))
