"""The registry at a glance as plain text; it imports little, since queries are quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_ci.reports import formatting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_ci.core.results.registry import HistoryReport, ShowReport


def show_lines(report: ShowReport) -> Iterator[str]:
    """Yield each model's newest version and what runs where, with the evidence; of one model, all that is known."""
    if report.at:
        yield f"as of {report.at}\n"
    if not report.models:
        yield (
            "nothing was released then"
            if report.at
            else "nothing is released yet: mlops-ci gate, then mlops-ci release"
        )
        return
    rows = [
        (
            row.model,
            _format_version(row.latest) + (" (deprecated)" if row.deprecated else ""),
            *(_format_version(row.environments.get(name)) for name in report.environments),
        )
        for row in report.models
    ]
    yield formatting.text_table(("model", "newest", *report.environments), rows)
    for row in report.models:
        if row.evidence:
            yield f"\n{row.model}@v{row.latest}: {row.evidence}"
    if report.running:
        from mlops_ci.reports.queries import running_lines

        yield from running_lines(report)


def _format_version(version: str | None) -> str:
    """Write a version, or the commit that stands in where another tool registered none."""
    return "-" if version is None else f"v{version}" if "." in version else version[:10]


def history_lines(report: HistoryReport) -> Iterator[str]:
    """Yield every event in a line."""
    rows = [
        (
            row.on,
            row.event,
            f"{row.model}@{_format_version(row.version)}" if row.version else row.model,
            row.environment or "",
            row.tag,
            row.commit,
            row.actor,
            row.sentence,
        )
        for row in report.events
    ]
    if report.at:
        yield f"as of {report.at}\n"
    header = ("on (UTC)", "event", "version", "environment", "tag", "commit", "by", "")
    yield formatting.text_table(header, rows) if rows else "nothing has happened yet"
