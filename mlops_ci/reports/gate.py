"""Data checks, runs, comparisons and gates as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.core.results.gate import (
    CheckReport,
    CompareReport,
    GatedModel,
    GateReport,
    TrainedCandidate,
    TrainReport,
    ValidateReport,
)
from mlops_ci.reports import formatting, sentences
from mlops_ci.reports.requirements import requirement_label


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


def validate_lines(report: ValidateReport) -> Iterator[str]:
    """Yield the number of specs of each kind."""
    yield "specs: " + (
        ", ".join(formatting.format_count(count, kind) for kind, count in report.counts.items() if count) or "none"
    )


def check_lines(report: CheckReport) -> Iterator[str]:
    """Yield the outcome of each dataset's checks, with a table of those that failed."""
    for snapshot in report.datasets:
        yield _snapshot_line(snapshot)
        failed = [check for check in snapshot.checks if not check.passed]
        rows = [(check.column or "", check.check, check.wanted, check.observed, check.severity) for check in failed]
        if rows:
            yield formatting.text_table(("column", "check", "wanted", "observed", ""), rows, "  ")
            yield f"  {formatting.format_count(len(snapshot.checks) - len(failed), 'check')} passed"
        yield f"  files sha256:{snapshot.files_digest}"


def train_lines(report: TrainReport) -> Iterator[str]:
    """Yield the run of each model, and whether it was fitted now."""
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


def compare_lines(report: CompareReport, *, every_requirement: bool = False) -> Iterator[str]:
    """Yield the verdict of each comparison and its requirements."""
    for comparison in report.comparisons:
        yield f"{comparison.model}: {comparison.verdict}"
        yield from _comparison_lines(comparison, every_requirement=every_requirement)


def gate_lines(report: GateReport, *, every_requirement: bool = False) -> Iterator[str]:
    """Yield the verdict of each model and its requirements, and the verdict of the gate."""
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
