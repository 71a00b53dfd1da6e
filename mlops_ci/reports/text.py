"""Records as plain text for a terminal or a CI log: one function a record, chosen by a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlops_ci.reports import ci_jobs as separated
from mlops_ci.reports import sentences, tables

if TYPE_CHECKING:
    from mlops_ci.core.records import Comparison, DatasetSnapshot
    from mlops_ci.core.results.doctor import DoctorReport
    from mlops_ci.core.results.gate import (
        CheckReport,
        CompareReport,
        Gated,
        GateReport,
        Trained,
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
        Swept,
    )
    from mlops_ci.core.results.notify import ToldReport
    from mlops_ci.core.results.power import PowerReport
    from mlops_ci.core.results.queries import AuditReport, DiffReport, ReproduceReport, RunsReport
    from mlops_ci.core.results.registry import HistoryReport, ShowReport
    from mlops_ci.core.results.simulation import SelftestReport

REQUIREMENTS = ("requirement", "candidate", "champion", "difference", "interval", "p", "verdict")


def text(record: Any) -> str:
    """Return a step's record as text; nothing for a record that has nothing to say."""
    writer = _WRITERS.get(type(record).__name__)
    return tables.lines("\n".join(writer(record))) if writer else ""


def requirement_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the comparison's requirements as rows of the table `REQUIREMENTS`."""
    return [
        (
            item.requirement + (f" ({item.slice})" if item.slice else ""),
            tables.number(item.candidate),
            tables.number(item.champion),
            tables.signed(item.difference),
            tables.interval(item.lower, item.upper),
            "" if item.p is None else f"{item.p:.2g}",
            item.verdict,
        )
        for item in comparison.requirements
    ]


def asked_line(comparison: Comparison) -> str | None:
    """Say which of how many questions to a holdout a comparison was, and what it left each test; None where nobody counts."""
    asked = comparison.asked
    if asked is None:
        return None
    which = f"question {asked.number} of {asked.budget}" if asked.number else f"one of {asked.budget} questions"
    return f"{which} to {asked.dataset}, epoch {asked.epoch}: each test at {1 - comparison.confidence:.3g}"


def _validate(report: ValidateReport) -> Iterator[str]:
    yield "specs: " + (
        ", ".join(tables.counted(count, kind) for kind, count in report.counts.items() if count) or "none"
    )


def _check(report: CheckReport) -> Iterator[str]:
    for snapshot in report.datasets:
        yield _snapshot(snapshot)
        failed = [check for check in snapshot.checks if not check.passed]
        rows = [(check.column or "", check.check, check.wanted, check.observed, check.severity) for check in failed]
        if rows:
            yield tables.plain(("column", "check", "wanted", "observed", ""), rows, "  ")
            yield f"  {tables.counted(len(snapshot.checks) - len(failed), 'check')} passed"
        yield f"  content sha256:{snapshot.digest}"


def _train(report: TrainReport) -> Iterator[str]:
    for trained in report.models:
        yield _trained(trained)


def _trained(trained: Trained) -> str:
    run = trained.run
    how = f"fitted in {run.seconds:.1f} s" if trained.fitted else "found in the store"
    held = "and a sealed holdout" if run.split.by == "sealed" else f"{run.split.holdout_rows:,} held out"
    return (
        f"{run.model}: {run.estimator}, {how} ({trained.why})\n"
        f"  run    {run.key}\n  model  {run.model_digest}\n  rows   {run.split.train_rows:,} to learn from, {held}"
    )


def _compare(report: CompareReport) -> Iterator[str]:
    for comparison in report.comparisons:
        yield f"{comparison.model}: {comparison.verdict}"
        yield from _comparison(comparison)


def _gate(report: GateReport) -> Iterator[str]:
    for gated in report.models:
        yield f"{gated.model}: {gated.verdict}"
        yield from _gated(gated)
        yield ""
    yield f"gate: {report.verdict} ({tables.counted(report.fits, 'model')} fitted)"


def _gated(gated: Gated) -> Iterator[str]:
    if gated.snapshot is not None:
        yield f"  data   {_snapshot(gated.snapshot)}"
    if gated.run is not None:
        how = f"fitted in {gated.run.seconds:.1f} s" if gated.fitted else "unchanged, found in the store"
        yield f"  model  {gated.run.estimator}, {how}; sha256:{gated.run.model_digest[:16]}"
    if gated.comparison is not None:
        yield from _comparison(gated.comparison)
    else:
        yield f"  {gated.sentence}"


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"  {comparison.sentence}"
    if asked := asked_line(comparison):
        yield f"  {asked}"
    yield tables.plain(REQUIREMENTS, requirement_rows(comparison), "    ")
    for sentence in (*sentences.requirements(comparison), *sentences.grounds(comparison)):
        yield f"  {sentence}"
    if worst := sentences.worst(comparison):
        heading, values = worst
        yield f"  {heading}"
        yield tables.plain(("slice", "value", "interval", "rows"), sentences.slice_rows(values), "    ")


def _snapshot(snapshot: DatasetSnapshot) -> str:
    failed = sum(not check.passed for check in snapshot.checks)
    checks = tables.counted(len(snapshot.checks), "check")
    outcome = f"{failed} of {checks} failed" if failed else f"{checks} passed"
    size = f"{tables.counted(snapshot.rows, 'row')} in {tables.counted(len(snapshot.files), 'file')}"
    return f"{snapshot.dataset}: {size}, {outcome}"


def _release(report: ReleaseReport) -> Iterator[str]:
    for item in report.models:
        named = f"{item.model}@v{item.version}" if item.version else item.model
        yield f"{named} {_RELEASED[item.state]}\n  {item.sentence}"


_RELEASED = {
    "released": "released",
    "unchanged": "is released already; nothing to do",
    "ungated": "waits for the gate",
    "held": "is not released",
}


def _deploy(report: DeployReport) -> Iterator[str]:
    what = f"{report.model}@v{report.version}"
    if report.state == "unchanged":
        yield f"{what} runs in {report.environment} already; nothing to do"
    elif report.state == "requested":
        yield f"{what} waits for {report.environment}: branch {report.branch} holds its manifests"
        yield f"  merge it, then run `{report.again}`" if report.again else "  merge it, then deploy it once more"
    else:
        instead = f", in place of v{report.replaced}" if report.replaced else ""
        yield f"{what} is assigned to {report.environment} as {report.model}#{report.environment}#{report.number}{instead}"
        yield f"  manifests: {report.folder}/"
    if report.reason:
        yield f"  reason: {report.reason}"


def _approve(report: ApproveReport) -> Iterator[str]:
    what = f"{report.model}@v{report.version}"
    done = "has been approved" if report.state == "unchanged" else "is approved"
    yield f"{what} {done} for {report.environment} by {report.signer}: {report.ref}"
    if report.approvals >= report.required:
        yield f"  it may go there: mlops-ci deploy {report.model}@{report.version} --env {report.environment}"
    else:
        yield f"  {report.approvals} of {report.required} approvals"


def _retire(report: RetireReport) -> Iterator[str]:
    what = f"{report.model}@v{report.version}" if report.version else report.model
    where = f" from {report.environment}" if report.environment else ""
    if report.state == "unchanged":
        yield f"{what} is retired{where} already; nothing to do"
    elif report.state == "requested":
        yield f"{what} waits to be retired{where}: branch {report.branch} removes {report.folder}/"
        yield f"  merge it, then run `{report.again}`"
    else:
        yield f"{what} is retired{where}: {', '.join(report.tags)}"
        if report.folder:
            yield f"  removed: {report.folder}/"
    yield f"  reason: {report.reason}"


def _show(report: ShowReport) -> Iterator[str]:
    from mlops_ci.reports.registry import show

    yield from show(report)


def _history(report: HistoryReport) -> Iterator[str]:
    from mlops_ci.reports.registry import history

    yield from history(report)


def _runs(report: RunsReport) -> Iterator[str]:
    from mlops_ci.reports.queries import runs

    yield from runs(report)


def _diff(report: DiffReport) -> Iterator[str]:
    from mlops_ci.reports.queries import diff

    yield from diff(report)


def _power(report: PowerReport) -> Iterator[str]:
    from mlops_ci.reports.power import lines

    yield from lines(report)


def _selftest(report: SelftestReport) -> Iterator[str]:
    from mlops_ci.reports.simulation import lines

    yield from lines(report)


def _fetch(report: FetchReport) -> Iterator[str]:
    yield f"{report.model}@v{report.version} is in {report.folder} ({tables.counted(len(report.files), 'file')}, verified)\n"
    yield from report.lines


def _reproduce(report: ReproduceReport) -> Iterator[str]:
    yield f"{report.release}: {report.state}"
    yield f"  commit       {report.commit[:10]}"
    yield f"  recorded     {report.recorded}"
    yield from (f"  made here    {digest}" for digest in report.reproduced)
    if report.compared == "predictions":
        apart = f"{report.changed:,} changed, the others at most {report.difference:.2g} apart ({report.tolerance:g} may be)"
        yield f"  predictions  {tables.counted(report.rows, 'golden row')}: {apart}"
    if report.used is not None:
        how = f"built by {report.used.built_by}" if report.used.built_by else "the one at hand"
        here = report.used.environment
        yield f"  environment  {how}: Python {here.python}, {tables.counted(len(here.packages), 'recorded package')}"
    for cause in report.causes:
        yield f"  {cause.kind}: {cause.sentence}"
        rows = [(one.what, one.recorded or "-", one.found or "-") for one in cause.evidence]
        if rows:
            yield tables.plain(("", "recorded", "found"), rows, "    ")
    yield f"  {report.seconds:.1f} s"


def _told(report: ToldReport) -> Iterator[str]:
    on = f" and on pull request #{report.pull}" if report.pull is not None else ""
    yield f"{report.verdict or 'no answer'}: told as a check of {report.commit[:10]} ({report.check}){on}"
    if report.untrusted:
        yield "  an untrusted run: nobody has verified its answer"
    yield f"  {report.run_url}"


def _gc(report: GcReport) -> Iterator[str]:
    yield from _swept("run", report.runs)
    if report.objects is not None:
        yield from _swept("object", report.objects)


def _swept(noun: str, swept: Swept) -> Iterator[str]:
    kept = ", ".join(f"{count:,} {reason}" for reason, count in sorted(swept.kept.items()))
    size = f" ({swept.size:,} bytes)" if swept.size is not None else ""
    yield f"{tables.counted(len(swept.removed), noun)} removed{size}, {sum(swept.kept.values()):,} kept" + (
        f": {kept}" if kept else ""
    )
    yield from (f"  {name}" for name in swept.removed)


def _init(report: InitReport) -> Iterator[str]:
    yield from (f"wrote  {path}" for path in report.written)
    yield from (f"kept   {path} (it was there already)" for path in report.kept)
    yield "\nnext:"
    yield from (f"  {line}" for line in report.next)


def _audit(report: AuditReport) -> Iterator[str]:
    at = f"branch {report.branch} at {report.commit}" if report.commit else "no branch"
    yield f"verified against {at}:"
    yield (
        f"  {tables.counted(report.events, 'event')} of {tables.counted(len(report.models), 'model')},"
        f" {tables.counted(report.signatures, 'signature')}, {tables.counted(report.approvals, 'approval')}, {tables.counted(report.manifests, 'manifest')}"
    )
    yield (
        f"  {tables.counted(report.runs, 'released run')} with {tables.counted(report.files, 'model file')}"
        f" ({report.bytes:,} bytes read)"
    )
    if report.elsewhere:
        yield f"  {tables.counted(report.elsewhere, 'model file')} at a URL, not read: whoever fetches one verifies it"
    rows = [(item.model, str(item.events), str(item.versions), item.head or "-") for item in report.models]
    if rows:
        yield "\n" + tables.plain(("model", "events", "versions", "head of its log (keep it for --since)"), rows)
    if report.ledgers:
        asked = [(item.ref, str(item.questions), item.head) for item in report.ledgers]
        yield "\n" + tables.plain(("ledger", "questions", "head (keep it, too)"), asked)


def _affected(report: AffectedReport) -> Iterator[str]:
    from mlops_ci.reports import impact as affected

    return affected.lines(report)


def _doctor(report: DoctorReport) -> Iterator[str]:
    from mlops_ci.reports import doctor

    return doctor.lines(report)


# by name, so that a query waits for no other verb's reports
_WRITERS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "AffectedReport": _affected,
    "AuditReport": _audit,
    "ValidateReport": _validate,
    "CheckReport": _check,
    "TrainReport": _train,
    "CompareReport": _compare,
    "GateReport": _gate,
    "FeaturesReport": separated.features,
    "PredictReport": separated.predict,
    "KeepReport": separated.keep,
    "ReleaseReport": _release,
    "ApproveReport": _approve,
    "DeployReport": _deploy,
    "RetireReport": _retire,
    "ShowReport": _show,
    "HistoryReport": _history,
    "RunsReport": _runs,
    "DiffReport": _diff,
    "DoctorReport": _doctor,
    "FetchReport": _fetch,
    "ReproduceReport": _reproduce,
    "GcReport": _gc,
    "ToldReport": _told,
    "PowerReport": _power,
    "SelftestReport": _selftest,
    "InitReport": _init,
}
