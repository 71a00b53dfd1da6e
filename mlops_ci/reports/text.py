"""Records as plain text for a terminal or a CI log. A table maps each type of record to its function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.core.results.ci_jobs import FeaturesReport, KeepReport, PredictReport
from mlops_ci.core.results.doctor import DoctorReport
from mlops_ci.core.results.gate import (
    CheckReport,
    CompareReport,
    GatedModel,
    GateReport,
    TrainedCandidate,
    TrainReport,
    ValidateReport,
)
from mlops_ci.core.results.impact import AffectedReport
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
from mlops_ci.core.results.plugins import PluginsReport
from mlops_ci.core.results.power import PowerReport
from mlops_ci.core.results.queries import AuditReport, DiffReport, ReproduceReport, RunsReport
from mlops_ci.core.results.registry import HistoryReport, ShowReport
from mlops_ci.core.results.simulation import SelftestReport
from mlops_ci.reports import ci_jobs, doctor, formatting, impact, sentences
from mlops_ci.reports.plugins import plugins_lines
from mlops_ci.reports.power import power_lines
from mlops_ci.reports.queries import diff_lines, runs_lines
from mlops_ci.reports.registry import history_lines, show_lines
from mlops_ci.reports.requirements import requirement_label
from mlops_ci.reports.simulation import simulation_lines


def render_text(record: Any) -> str:
    """Return a step's record as text; an empty string for a type of record without a text form."""
    return formatting.escape_log_lines("\n".join(report_pieces(record)))


def report_pieces(record: Any, *, every_requirement: bool = False) -> list[str]:
    """Return a step's record as lines and tables, which `page.lay_out` puts on a page; none for a record without a text form.

    Requirements that do not apply are in no table, unless `every_requirement` is set.
    """
    if every_requirement and isinstance(record, GateReport):
        return list(_gate_lines(record, every_requirement=True))
    if every_requirement and isinstance(record, CompareReport):
        return list(_compare_lines(record, every_requirement=True))
    writer = _WRITERS.get(type(record))
    return list(writer(record)) if writer else []


def requirements_header(comparison: Comparison) -> tuple[str, ...]:
    """Return the columns of `requirement_rows`. The bounds are those of the difference where there is one, else of the candidate."""
    bounds = f"one-sided {100 * comparison.confidence:.4g} % bounds"
    return ("requirement", "candidate", "baseline", "difference", bounds, "p", "verdict")


def requirement_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the comparison's requirements as table rows, with the columns of `requirements_header`."""
    return [
        (
            requirement_label(item),
            formatting.format_number(item.candidate),
            formatting.format_number(item.baseline),
            formatting.format_difference(item.difference),
            formatting.format_interval(item.lower, item.upper),
            "" if item.p_value is None else f"{item.p_value:.2g}",
            item.verdict,
        )
        for item in comparison.requirements
    ]


def holdout_question_line(comparison: Comparison) -> str | None:
    """Return the comparison's number in the holdout budget, and the significance level of each test; None without a budget."""
    question = comparison.holdout_question
    if question is None:
        return None
    which = (
        f"evaluation {question.number} of {question.budget}"
        if question.number
        else f"one of {question.budget} evaluations"
    )
    return f"{which} on the holdout of {question.dataset}, epoch {question.epoch}: each test at significance level {1 - comparison.confidence:.3g}"


def _validate_lines(report: ValidateReport) -> Iterator[str]:
    yield "specs: " + (
        ", ".join(formatting.format_count(count, kind) for kind, count in report.counts.items() if count) or "none"
    )


def _check_lines(report: CheckReport) -> Iterator[str]:
    for snapshot in report.datasets:
        yield _snapshot_line(snapshot)
        failed = [check for check in snapshot.checks if not check.passed]
        rows = [(check.column or "", check.check, check.wanted, check.observed, check.severity) for check in failed]
        if rows:
            yield formatting.text_table(("column", "check", "wanted", "observed", ""), rows, "  ")
            yield f"  {formatting.format_count(len(snapshot.checks) - len(failed), 'check')} passed"
        yield f"  files sha256:{snapshot.files_digest}"


def _train_lines(report: TrainReport) -> Iterator[str]:
    for trained in report.models:
        yield _trained_model_text(trained)


def _trained_model_text(trained: TrainedCandidate) -> str:
    run = trained.run
    how = f"fitted in {run.seconds:.1f} s" if trained.fitted else "found in the store"
    holdout = "and a sealed holdout" if run.split.by == "sealed" else f"{run.split.holdout_rows:,} in the holdout"
    return (
        f"{run.model}: {run.estimator}, {how} ({trained.why})\n"
        f"  run    {run.key}\n  model  {run.model_digest}\n  rows   {run.split.train_rows:,} for training, {holdout}"
    )


def _compare_lines(report: CompareReport, *, every_requirement: bool = False) -> Iterator[str]:
    for comparison in report.comparisons:
        yield f"{comparison.model}: {comparison.verdict}"
        yield from _comparison_lines(comparison, every_requirement=every_requirement)


def _gate_lines(report: GateReport, *, every_requirement: bool = False) -> Iterator[str]:
    for gated in report.models:
        yield f"{gated.model}: {gated.verdict}"
        yield from _gated_model_lines(gated, every_requirement=every_requirement)
        yield ""
    yield f"gate: {report.verdict} ({formatting.format_count(report.fits, 'model')} fitted)"


def _gated_model_lines(gated: GatedModel, *, every_requirement: bool) -> Iterator[str]:
    if gated.snapshot is not None:
        yield f"  data   {_snapshot_line(gated.snapshot)}"
    if gated.run is not None:
        how = f"fitted in {gated.run.seconds:.1f} s" if gated.fitted else "unchanged, found in the store"
        yield f"  model  {gated.run.estimator}, {how}; sha256:{gated.run.model_digest[:16]}"
    if gated.comparison is not None:
        yield from _comparison_lines(gated.comparison, every_requirement=every_requirement)
    else:
        yield f"  {gated.sentence}"


def _comparison_lines(comparison: Comparison, *, every_requirement: bool) -> Iterator[str]:
    yield f"  {sentences.headline(comparison)}"
    if question := holdout_question_line(comparison):
        yield f"  {question}"
    rows = requirement_rows(comparison)
    if rows := [row for row in rows if every_requirement or row[-1] != "not-applicable"]:
        yield formatting.text_table(requirements_header(comparison), rows, "    ")
    for sentence in (*sentences.requirement_sentences(comparison), *sentences.evaluation_notes(comparison)):
        yield f"  {sentence}"
    if worst := sentences.worst_slices(comparison):
        heading, values = worst
        yield f"  {heading}"
        yield formatting.text_table(("slice", "value", "interval", "rows"), sentences.slice_rows(values), "    ")


def _snapshot_line(snapshot: DatasetSnapshot) -> str:
    failed = sum(not check.passed for check in snapshot.checks)
    checks = formatting.format_count(len(snapshot.checks), "check")
    outcome = f"{failed} of {checks} failed" if failed else f"{checks} passed"
    size = f"{formatting.format_count(snapshot.rows, 'row')} in {formatting.format_count(len(snapshot.files), 'file')}"
    return f"{snapshot.dataset}: {size}, {outcome}"


def _release_lines(report: ReleaseReport) -> Iterator[str]:
    for item in report.models:
        named = f"{item.model}@v{item.version}" if item.version else item.model
        yield f"{named} {_RELEASE_STATES[item.state]}\n  {item.sentence}"


_RELEASE_STATES = {
    "released": "released",
    "unchanged": "is already released; nothing to do",
    "ungated": "has not passed the gate in its current state",
    "held": "is not released",
}


def _deploy_lines(report: DeployReport) -> Iterator[str]:
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
    if report.reason:
        yield f"  reason: {report.reason}"


def _approve_lines(report: ApproveReport) -> Iterator[str]:
    what = f"{report.model}@v{report.version}"
    done = "was already approved" if report.state == "unchanged" else "is approved"
    yield f"{what} {done} for {report.environment} by {report.signer}: {report.ref}"
    if report.approvals >= report.required:
        yield f"  it can be deployed now: mlops-ci deploy {report.model}@{report.version} --env {report.environment}"
    else:
        yield f"  {report.approvals} of {report.required} approvals"


def _retire_lines(report: RetireReport) -> Iterator[str]:
    what = f"{report.model}@v{report.version}" if report.version else report.model
    where = f" from {report.environment}" if report.environment else ""
    if report.state == "unchanged":
        yield f"{what} is already retired{where}; nothing to do"
    elif report.state == "requested":
        yield f"{what} is not retired{where} yet: branch {report.branch} removes {report.folder}/"
        yield f"  merge that branch, then run `{report.follow_up_command}`"
    else:
        yield f"{what} is retired{where}: {', '.join(report.tags)}"
        if report.folder:
            yield f"  removed: {report.folder}/"
    yield f"  reason: {report.reason}"


def _fetch_lines(report: FetchReport) -> Iterator[str]:
    yield f"{report.model}@v{report.version} is in {report.folder} ({formatting.format_count(len(report.files), 'file')}, verified)\n"
    yield from map(formatting.CodeText, report.lines)


def _predict_lines(report: TablePredictionsReport) -> Iterator[str]:
    rows = formatting.format_count(report.rows, "row")
    yield f"{report.model}@v{report.version} predicted {rows} of {report.table}: {report.out}"
    yield f"  columns  {', '.join(report.columns[:8])}{', ...' if len(report.columns) > 8 else ''}"


def _reproduce_lines(report: ReproduceReport) -> Iterator[str]:
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


def _notify_lines(report: NotificationReport) -> Iterator[str]:
    on = f" and on pull request #{report.pull}" if report.pull is not None else ""
    yield f"{report.verdict or 'no result'}: reported as a check run of {report.commit[:10]} ({report.check}){on}"
    if report.untrusted:
        yield "  an untrusted run: nothing has verified its result"
    yield f"  {report.run_url}"


def _gc_lines(report: GcReport) -> Iterator[str]:
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


def _init_lines(report: InitReport) -> Iterator[str]:
    yield from (f"wrote  {path}" for path in report.written)
    yield from (f"kept   {path} (it already exists)" for path in report.kept)
    yield "\nnext:"
    yield from (f"  {line}" for line in report.next)


def _audit_lines(report: AuditReport) -> Iterator[str]:
    at = f"branch {report.branch} at {report.commit}" if report.commit else "no branch"
    yield f"verified against {at}:"
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


_WRITERS: Mapping[type, Callable[[Any], Iterator[str]]] = {
    AffectedReport: impact.impact_lines,
    AuditReport: _audit_lines,
    ValidateReport: _validate_lines,
    CheckReport: _check_lines,
    TrainReport: _train_lines,
    CompareReport: _compare_lines,
    GateReport: _gate_lines,
    FeaturesReport: ci_jobs.features_lines,
    PredictReport: ci_jobs.predict_lines,
    KeepReport: ci_jobs.keep_lines,
    ReleaseReport: _release_lines,
    ApproveReport: _approve_lines,
    DeployReport: _deploy_lines,
    RetireReport: _retire_lines,
    ShowReport: show_lines,
    HistoryReport: history_lines,
    RunsReport: runs_lines,
    DiffReport: diff_lines,
    DoctorReport: doctor.doctor_lines,
    PluginsReport: plugins_lines,
    FetchReport: _fetch_lines,
    TablePredictionsReport: _predict_lines,
    ReproduceReport: _reproduce_lines,
    GcReport: _gc_lines,
    NotificationReport: _notify_lines,
    PowerReport: power_lines,
    SelftestReport: simulation_lines,
    InitReport: _init_lines,
}
