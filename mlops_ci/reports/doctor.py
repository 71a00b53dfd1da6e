"""How a repository is set up, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from mlops_ci.core.results.doctor import DoctorReport, Examined, State
from mlops_ci.reports import escaping as markup
from mlops_ci.reports import tables

_STATES: tuple[State, ...] = ("problem", "enforced", "advisory", "unknown", "ok")


def lines(report: DoctorReport) -> Iterator[str]:
    """Yield the rows by group, and how many there are of each state."""
    for group, rows in groupby(sorted(report.rows, key=_group(report)), key=lambda row: row.group):
        yield f"{group}:"
        yield tables.plain(("", "", ""), [(row.state, row.what, row.evidence) for row in rows], "  ").partition("\n")[2]
    yield f"\n{_summary(report)}"


def markdown(report: DoctorReport) -> str:
    """Return the same as Markdown, with what to do next."""
    rows = [
        (row.group, row.what, row.state, row.evidence, row.next or "")
        for row in sorted(report.rows, key=_group(report))
    ]
    table = markup.markdown(("", "what", "state", "evidence", "next"), rows)
    where = f" of {markup.escaped(report.repository)}" if report.repository else ""
    return f"## Set-up{where}\n\n{markup.escaped(_summary(report))}\n\n{table}\n"


def _group(report: DoctorReport) -> Callable[[Examined], int]:
    order = list(dict.fromkeys(row.group for row in report.rows))
    return lambda row: order.index(row.group)


def _summary(report: DoctorReport) -> str:
    return ", ".join(f"{count} {state}" for state in _STATES if (count := report.count(state)))
