"""A summary of the registry as plain text. The module imports little, so that queries stay fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_ci.reports import formatting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_ci.core.results.registry import HistoryReport, OwnerRow, ShowReport


def show_lines(report: ShowReport) -> Iterator[str]:
    """Yield each model's newest version, the version in each environment and the evidence; more details for a single model."""
    if report.at:
        yield f"as of {report.at}\n"
    if not report.models:
        yield (
            "nothing was released at that time"
            if report.at
            else "nothing is released yet: run `mlops-ci gate`, then `mlops-ci release`"
        )
        yield from _other_lines(report.others)
        return
    projects = {row.project[:2] for row in report.models if row.project}
    rows = [
        (
            row.model,
            *((f"{row.project.name} ({row.project.path})" if row.project else "",) if len(projects) > 1 else ()),
            _format_version(row.latest) + (" (deprecated)" if row.deprecated else ""),
            *(_format_version(row.environments.get(name)) for name in report.environments),
        )
        for row in report.models
    ]
    yield formatting.text_table(
        ("model", *(("project",) if len(projects) > 1 else ()), "newest", *report.environments), rows
    )
    for row in report.models:
        for version, sentence in row.evidence.items():
            yield f"\n{row.model}@v{version}: {sentence}"
    if report.running:
        from mlops_ci.reports.queries import running_lines

        yield from running_lines(report)
    for one in report.pending:
        yield f"\npending: {one.title} ({f'#{one.number}, {one.url}' if one.number else f'branch {one.branch}'})"
    yield from _other_lines(report.others)


def _other_lines(others: Sequence[OwnerRow]) -> Iterator[str]:
    """Yield a line for each project whose models are left out."""
    for number, one in enumerate(others):
        yield f"{'' if number else chr(10)}not shown: {', '.join(one.models)} of project '{one.name}' in {one.path}"


def _format_version(version: str | None) -> str:
    """Return a version, or the short commit id of an assignment by another tool, which has no version."""
    return "-" if version is None else f"v{version}" if "." in version else version[:10]


def history_lines(report: HistoryReport) -> Iterator[str]:
    """Yield a table with one event a line."""
    rows = [
        (
            row.on[:16].replace("T", " "),
            row.event if row.in_force else f"{row.event} (not in force)",
            f"{row.model}@{_format_version(row.version)}" if row.version else row.model,
            row.environment or "",
            row.tag,
            row.commit[:10],
            row.actor.name,
            (row.reason or row.evidence or "") if row.recorded else "no record",
        )
        for row in report.events
    ]
    if report.at:
        yield f"as of {report.at}\n"
    header = ("on (UTC)", "event", "version", "environment", "tag", "commit", "by", "")
    # on a terminal: one line an event, without what the other columns say in other words
    yield formatting.text_table(header, rows, droppable=("tag", "commit")) if rows else "there are no events yet"
    yield from _other_lines(report.others)
