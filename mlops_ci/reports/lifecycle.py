"""Releases, deployments, files and notifications as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.lifecycle import (
    ApproveReport,
    DeployReport,
    FetchReport,
    GcReport,
    InitReport,
    ReleaseReport,
    RetireReport,
    SweepResult,
    TablePredictionsReport,
)
from mlops_ci.core.results.notify import NotificationReport
from mlops_ci.reports import formatting


def release_lines(report: ReleaseReport) -> Iterator[str]:
    """Yield what became of each model that the gate passed."""
    for item in report.models:
        named = f"{item.model}@v{item.version}" if item.version else item.model
        yield f"{named} {_RELEASE_STATES[item.state]}\n  {item.sentence}"


_RELEASE_STATES = {
    "released": "released",
    "unchanged": "is already released; nothing to do",
    "ungated": "has not passed the gate in its current state",
    "held": "is not released",
}


def deploy_lines(report: DeployReport) -> Iterator[str]:
    """Yield where a version runs now, or what is left to do."""
    what = f"{report.model}@v{report.version}"
    if report.state == "unchanged":
        yield f"{what} already runs in {report.environment}; nothing to do"
    elif report.state == "requested":
        yield f"{what} is not in {report.environment} yet: branch {report.branch} has its manifests"
        yield (
            f"  merge that branch, then run `{report.follow_up_command}`"
            if report.follow_up_command
            else "  merge that branch, then run `mlops-ci deploy` again"
        )
    else:
        instead = f", in place of v{report.replaced}" if report.replaced else ""
        yield f"{what} is assigned to {report.environment} as {report.model}#{report.environment}#{report.number}{instead}"
        yield f"  manifests: {report.folder}/"
    if report.skipped:
        yield f"  without {' and '.join(report.skipped)}, where it has not been"
    if report.reason:
        yield f"  reason: {report.reason}"


def approve_lines(report: ApproveReport) -> Iterator[str]:
    """Yield the approvals of a version, and what is left to do."""
    what = f"{report.model}@v{report.version}"
    done = "was already approved" if report.state == "unchanged" else "is approved"
    yield f"{what} {done} for {report.environment} by {report.signer}: {report.ref}"
    if report.approvals >= report.required:
        yield f"  it can be deployed now: mlops-ci deploy {report.model}@{report.version} --env {report.environment}"
    else:
        yield f"  {report.approvals} of {report.required} approvals"


def retire_lines(report: RetireReport) -> Iterator[str]:
    """Yield what was retired, and why."""
    what = f"{report.model}@v{report.version}" if report.version else report.model
    where = f" from {report.environment}" if report.environment else ""
    if report.set_aside:
        yield f"{report.set_aside} {'is already' if report.state == 'unchanged' else 'is'} set aside{': ' if report.tags else ''}{', '.join(report.tags)}"
    elif report.state == "unchanged":
        yield f"{what} is already retired{where}; nothing to do"
    elif report.state == "requested":
        yield f"{what} is not retired{where} yet: branch {report.branch} removes {report.folder}/"
        yield f"  merge that branch, then run `{report.follow_up_command}`"
    else:
        yield f"{what} is retired{where}: {', '.join(report.tags)}"
        if report.folder:
            yield f"  removed: {report.folder}/"
    yield f"  reason: {report.reason}"


def fetch_lines(report: FetchReport) -> Iterator[str]:
    """Yield the folder of the files, and code that loads the model."""
    yield f"{report.model}@v{report.version} is in {report.folder} ({formatting.format_count(len(report.files), 'file')}, verified)\n"
    yield from map(formatting.CodeText, report.lines)


def table_predictions_lines(report: TablePredictionsReport) -> Iterator[str]:
    """Yield the file of the predictions and its columns."""
    rows = formatting.format_count(report.rows, "row")
    yield f"{report.model}@v{report.version} predicted {rows} of {report.table}: {report.out}"
    yield f"  columns  {', '.join(report.columns[:8])}{', ...' if len(report.columns) > 8 else ''}"


def gc_lines(report: GcReport) -> Iterator[str]:
    """Yield what was removed, and what was kept and why."""
    yield from _sweep_lines("run", report.runs)
    if report.objects is not None:
        yield from _sweep_lines("object", report.objects)


def _sweep_lines(noun: str, swept: SweepResult) -> Iterator[str]:
    kept = ", ".join(f"{count:,} {reason}" for reason, count in sorted(swept.kept.items()))
    size = f" ({swept.size:,} bytes)" if swept.size is not None else ""
    yield f"{formatting.format_count(len(swept.removed), noun)} removed{size}, {sum(swept.kept.values()):,} kept" + (
        f": {kept}" if kept else ""
    )
    yield from (f"  {name}" for name in swept.removed)


def init_lines(report: InitReport) -> Iterator[str]:
    """Yield the files that were written, and the next commands."""
    yield from (f"wrote  {path}" for path in report.written)
    yield from (f"kept   {path} (it already exists)" for path in report.kept)
    yield "\nnext:"
    yield from (f"  {line}" for line in report.next)


def notify_lines(report: NotificationReport) -> Iterator[str]:
    """Yield where the result was reported."""
    on = f" and on pull request #{report.pull}" if report.pull is not None else ""
    if not report.results:
        yield f"no result to report for {report.commit[:10]}: the change affects no model"
    for one in report.results:
        yield f"{one.verdict or 'no result'}: reported as a check run of {report.commit[:10]} ({one.check}){on}"
    if report.untrusted:
        yield "  an untrusted run: nothing has verified its result"
    yield f"  {report.run_url}"
