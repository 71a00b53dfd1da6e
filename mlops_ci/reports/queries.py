"""The registry's longer reports: what runs and why, experiments side by side, and two versions side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlops_ci.core.age import describe_age
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.records.events import Approval
from mlops_ci.core.results.queries import (
    AuditReport,
    DiffReport,
    DiffSide,
    FieldChange,
    MetricChange,
    ModelRuns,
    ReproduceReport,
    RunningVersion,
    RunRow,
    RunsReport,
)
from mlops_ci.core.results.registry import ShowReport
from mlops_ci.reports import escaping, formatting

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,52}\b")
_KEY_DIGITS = 12  # digits of a run's key, enough to identify it
_MAX_VALUE_LENGTH = 100  # characters of one side of a change
_ABSENT = "(none)"


def running_lines(report: ShowReport) -> Iterator[str]:
    """Yield, for each environment, the version that runs there, since when and why, and its evidence."""
    for item in report.running:
        yield f"\n{item.environment}: {report.models[0].model}@v{item.version}"
        yield from (f"  {name:<9} {value}" for name, value in _running_facts(item) if value)


def _running_facts(item: RunningVersion) -> Iterator[tuple[str, str]]:
    assigned_again = "" if item.since == item.assigned_on else f" (assigned again {_format_minute(item.assigned_on)})"
    yield (
        "since",
        f"{_format_minute(item.since)}{assigned_again}, by {item.by}" + (f" in {item.run_url}" if item.run_url else ""),
    )
    rolled = f"rollback of v{item.rollback_of}" if item.rollback_of else item.event
    yield "why", f"{rolled}: {item.reason}" if item.reason else f"{rolled}, no reason given"
    yield "approved", _approvals_text(item)
    yield "gate", f"{item.verdict}: {item.evidence}" if item.verdict else ""
    for data in item.data:
        rows = formatting.format_count(data.train_rows, "training row")
        yield "data", f"{data.dataset}: {rows}, sha256:{data.train_digest}"
    yield "commit", f"{item.commit}" + (f" ({item.spec_path})" if item.spec_path else "")
    yield "tag", f"{item.tag.name} ({item.tag.oid})"
    if item.release:
        yield "release", f"{item.release.name} ({item.release.oid})"
        yield "", f"{_format_minute(item.released_on or '')}, by {item.released_by}"
    yield "run", item.run or ""
    yield "model", f"sha256:{item.model_digest}" if item.model_digest else ""
    for file in item.model_files:
        yield "file", f"{file.path}: sha256:{file.sha256} ({formatting.format_count(file.size, 'byte')})"
    yield "again", item.reproduce_command or ""


def _approvals_text(item: RunningVersion) -> str:
    by = ", ".join(_approval_text(one) for one in item.approvals) or "by nobody"
    return f"{by} ({item.approvals_required or 'none'} required)"


def _approval_text(one: Approval) -> str:
    return f"{one.actor} ({one.kind}, {_format_minute(one.on)}{f', {one.url}' if one.url else ''})"


def runs_lines(report: RunsReport) -> Iterator[str]:
    """Yield a table of runs for each model, and the command that fetches the runs of others."""
    if not report.models:
        yield "this clone has no runs"
    for number, model in enumerate(report.models):
        yield f"{'' if number == 0 else chr(10)}{model.model}: {formatting.format_count(len(model.runs), 'run')}"
        header = ("key", "on (UTC)", "estimator", *model.differing, *model.metrics, "verdict", "release")
        yield formatting.text_table(header, [_run_row(model, row) for row in model.runs], "  ")
    if report.fetch_command:
        yield f"\nthe runs of others are not fetched by default; to fetch them: {report.fetch_command}"


def _run_row(model: ModelRuns, row: RunRow) -> tuple[str, ...]:
    return (
        row.key[:_KEY_DIGITS],
        _format_minute(row.on).removesuffix(" UTC"),
        row.estimator.rpartition(".")[2] if ":" not in row.estimator else row.estimator,
        *(row.differs.get(name, "-") for name in model.differing),
        *(formatting.format_number(row.metrics.get(name)) or "-" for name in model.metrics),
        row.verdict or "not gated",
        f"v{row.version}" if row.version else "",
    )


def diff_lines(report: DiffReport) -> Iterator[str]:
    """Yield the differences by section; the last line names the sections without any."""
    yield f"{report.before.name} -> {report.after.name}"
    yield from (f"  {line}" for line in _identity_lines(report))
    for title, changes in _change_sections(report):
        if changes:
            yield f"\n{title}"
            yield from (
                f"  {one.field}: {_format_value(one.before)} -> {_format_value(one.after)}{_list_changes(one)}"
                for one in changes
            )
    if report.metrics:
        yield f"\nmetrics{_holdout_note(report)}"
        yield formatting.text_table(_METRICS_HEADER, [_metric_row(one) for one in report.metrics], "  ")
    yield "\nfiles"
    yield formatting.text_table(("file", "bytes before", "bytes after", ""), _file_rows(report), "  ")
    alike = [title for title, changes in _change_sections(report) if not changes]
    if alike:
        yield f"\nunchanged: {', '.join(alike)}"


def diff_markdown(report: DiffReport) -> str:
    """Return the same as Markdown, for a pull request."""
    names = (report.before.name, report.after.name)
    parts = [f"## {escaping.escape_markdown(names[0])} and {escaping.escape_markdown(names[1])}"]
    parts.append("\n".join(f"- {escaping.escape_markdown(line)}" for line in _identity_lines(report)))
    for title, changes in _change_sections(report):
        if changes:
            rows = [
                (one.field, _format_value(one.before), _format_value(one.after) + _list_changes(one)) for one in changes
            ]
            parts.append(
                f"### {title}\n\n{escaping.markdown_table(('what', *map(escaping.escape_markdown, names)), rows)}"
            )
    if report.metrics:
        table = escaping.markdown_table(_METRICS_HEADER, [_metric_row(one) for one in report.metrics])
        parts.append(f"### metrics{_holdout_note(report)}\n\n{table}")
    parts.append(
        f"### files\n\n{escaping.markdown_table(('file', 'bytes before', 'bytes after', 'content'), _file_rows(report))}"
    )
    return "\n\n".join(parts) + "\n"


_METRICS_HEADER = ("metric", "before", "interval before", "after", "interval after", "difference", "is")


def _identity_lines(report: DiffReport) -> Iterator[str]:
    one, other = report.before, report.after
    yield f"made: {_creation_text(one)} -> {_creation_text(other)}"
    yield (
        f"run: {one.run[:_KEY_DIGITS]} -> {other.run[:_KEY_DIGITS]}"
        if one.run != other.run
        else f"run: {one.run[:_KEY_DIGITS]}, the same"
    )
    digests = f"sha256:{one.model_digest[:_KEY_DIGITS]} -> sha256:{other.model_digest[:_KEY_DIGITS]}"
    yield f"model: the same, sha256:{one.model_digest}" if report.same_model else f"model: {digests}"


def _creation_text(side: DiffSide) -> str:
    return f"{_format_minute(side.on)}{f' on commit {side.commit[:10]}' if side.commit else ''}"


def _change_sections(report: DiffReport) -> tuple[tuple[str, Sequence[FieldChange]], ...]:
    return (
        ("spec", report.spec),
        ("data", report.data),
        ("environment", report.environment),
        ("code", report.code),
        ("gate", report.gate),
    )


def _holdout_note(report: DiffReport) -> str:
    return " (on different holdout rows)" if report.same_holdout is False else ""


def _metric_row(one: MetricChange) -> tuple[str, ...]:
    return (
        one.metric,
        *_metric_cells(one.before),
        *_metric_cells(one.after),
        formatting.format_difference(one.difference),
        "" if one.better is None else "better" if one.better else "worse",
    )


def _metric_cells(value: MetricValue | None) -> tuple[str, str]:
    return (
        (formatting.format_number(value.value), formatting.format_interval(value.lower, value.upper))
        if value
        else ("", "")
    )


def _file_rows(report: DiffReport) -> list[tuple[str, ...]]:
    return [
        (file.path, _format_size(file.before), _format_size(file.after), "the same" if file.same else "differs")
        for file in report.files
    ]


def _format_size(size: int | None) -> str:
    return "-" if size is None else f"{size:,}"


def _format_value(value: Any) -> str:
    """Return a value on one line: text unchanged, other values as JSON; digests and long values are cut."""
    if value is None:
        return _ABSENT
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _DIGEST.sub(r"\1", text)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}..."


def _list_changes(change: FieldChange) -> str:
    """Return the items that a list lost and gained, as text; empty for other values."""
    if not (isinstance(change.before, list | tuple) and isinstance(change.after, list | tuple)):
        return ""
    added = [f"+{_format_value(item)}" for item in change.after if item not in change.before]
    removed = [f"-{_format_value(item)}" for item in change.before if item not in change.after]
    return f" ({' '.join((*removed, *added)) or 'another order'})"


def _format_minute(on: str) -> str:
    """Return a record's time to the minute; any other text is returned unchanged."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00", on)
    return f"{found.group(1)} {found.group(2)} UTC" if found else on


def reproduce_lines(report: ReproduceReport) -> Iterator[str]:
    """Yield whether a release was reproduced, and the causes if it was not."""
    yield f"{report.release}: {report.state}"
    yield f"  commit       {report.commit[:10]}"
    yield f"  recorded     {report.recorded}"
    yield from (f"  reproduced   {digest}" for digest in report.reproduced)
    if report.compared == "predictions":
        apart = f"{report.changed:,} changed; the other predictions differ by at most {report.difference:.2g} (tolerance {report.tolerance:g})"
        yield f"  predictions  {formatting.format_count(report.rows, 'golden row')}: {apart}"
    if report.used is not None:
        how = f"built by {report.used.built_by}" if report.used.built_by else "the current one"
        here = report.used.environment
        yield f"  environment  {how}: Python {here.python}, {formatting.format_count(len(here.packages), 'recorded package')}"
    for cause in report.causes:
        yield f"  {cause.kind}: {cause.sentence}"
        rows = [(one.what, one.recorded or "-", one.found or "-") for one in cause.evidence]
        if rows:
            yield formatting.text_table(("", "recorded", "found"), rows, "    ")
    yield f"  {report.seconds:.1f} s"


def audit_lines(report: AuditReport) -> Iterator[str]:
    """Yield what was verified, and the heads of the logs."""
    at = f"branch {report.branch} at {report.commit}" if report.commit else "no branch"
    age = report.branch_age_seconds
    asked = f", the remote's default branch when it was asked {describe_age(age)}" if age is not None else ""
    yield f"verified against {at}{asked}:"
    yield (
        f"  {formatting.format_count(report.events, 'event')} of {formatting.format_count(len(report.models), 'model')},"
        f" {formatting.format_count(report.signatures, 'signature')}, {formatting.format_count(report.approvals, 'approval')}, {formatting.format_count(report.manifests, 'manifest')}"
    )
    yield (
        f"  {formatting.format_count(report.runs, 'released run')} with {formatting.format_count(report.files, 'model file')}"
        f" ({report.bytes:,} bytes read)"
    )
    if report.external_files:
        yield f"  {formatting.format_count(report.external_files, 'model file')} at a URL, not read: `mlops-ci fetch` verifies them"
    rows = [(item.model, str(item.events), str(item.versions), item.head or "-") for item in report.models]
    if rows:
        yield ""
        yield formatting.text_table(("model", "events", "versions", "head of the log (keep it for --since)"), rows)
    if report.ledgers:
        ledger_rows = [(item.ref, str(item.questions), item.head) for item in report.ledgers]
        yield ""
        yield formatting.text_table(("ledger", "evaluations", "head (keep it for --since)"), ledger_rows)
