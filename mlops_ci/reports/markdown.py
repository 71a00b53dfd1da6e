"""The gate's answer as Markdown: what a run keeps as report.md, and what a pull request or a job summary shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.outcomes.affected import AffectedReport
from mlops_ci.outcomes.doctor import DoctorReport
from mlops_ci.outcomes.gate import Gated, GateReport
from mlops_ci.outcomes.proofs import DiffReport
from mlops_ci.outcomes.selftest import SelftestReport
from mlops_ci.records import Comparison, DatasetSnapshot, TrainingRun
from mlops_ci.reports import markup, sentences, tables
from mlops_ci.reports.text import REQUIREMENTS, asked_line, requirement_rows

MARK = {"pass": "\u2705", "fail": "\u274c", "inconclusive": "\u2754", "incomparable": "\u2754"}


def markdown(record: Any) -> str:
    """Return a gate's report, a difference or the gate's error rates as Markdown; nothing for other records."""
    if isinstance(record, SelftestReport):
        from mlops_ci.reports import selftest

        return selftest.markdown(record)
    if isinstance(record, AffectedReport):
        from mlops_ci.reports import affected

        return affected.markdown(record)
    if isinstance(record, DoctorReport):
        from mlops_ci.reports import doctor

        return doctor.markdown(record)
    if isinstance(record, DiffReport):
        from mlops_ci.reports.queries import diff_markdown

        return diff_markdown(record)
    if not isinstance(record, GateReport):
        return ""
    parts = [f"## {MARK[record.verdict]} gate: {record.verdict}"]
    parts += ["\n\n".join(_gated(gated)) for gated in record.models]
    return "\n\n".join(parts) + "\n"


def run_report(run: TrainingRun, snapshot: DatasetSnapshot, comparison: Comparison) -> str:
    """Return what a run keeps as its report.md."""
    gated = Gated(run.model, comparison.verdict, comparison.sentence, snapshot, run, True, comparison)
    return "\n\n".join(_gated(gated)) + "\n"


def _gated(gated: Gated) -> Iterator[str]:
    yield f"### {MARK[gated.verdict]} {markup.escaped(gated.model)}: {gated.verdict}"
    yield markup.escaped(gated.sentence)
    if gated.comparison is not None:
        if asked := asked_line(gated.comparison):
            yield f"{markup.escaped(asked[:1].upper() + asked[1:])}."
        yield markup.markdown(REQUIREMENTS, requirement_rows(gated.comparison))
        said = (*sentences.requirements(gated.comparison), *sentences.grounds(gated.comparison))
        if said:
            yield "\n".join(f"- {markup.escaped(one)}" for one in said)
        if worst := sentences.worst(gated.comparison):
            heading, values = worst
            yield f"{markup.escaped(heading)}\n\n" + markup.markdown(
                ("slice", "value", "interval", "rows"), sentences.slice_rows(values)
            )
        yield _metrics(gated.comparison)
    if gated.snapshot is not None:
        yield _data(gated.snapshot)
    if gated.run is not None:
        again = markup.code(f"mlops-ci gate {gated.model}")
        yield f"Run `{gated.run.key}`, model `sha256:{gated.run.model_digest}`; reproduce with {again}."


def _metrics(comparison: Comparison) -> str:
    rows = [
        (
            item.metric,
            item.slice or "all rows",
            tables.number(item.value),
            tables.interval(item.lower, item.upper),
            f"{item.rows:,}",
        )
        for item in comparison.metrics
    ]
    table = markup.markdown(("metric", "slice", "value", "interval", "rows"), rows)
    return f"<details><summary>{tables.counted(len(rows), 'metric')}</summary>\n\n{table}\n\n</details>"


def _data(snapshot: DatasetSnapshot) -> str:
    failed = [check for check in snapshot.checks if not check.passed]
    checks = f"{len(snapshot.checks) - len(failed)} of {tables.counted(len(snapshot.checks), 'check')} passed"
    line = f"Data {markup.code(snapshot.dataset)}: {tables.counted(snapshot.rows, 'row')}, {checks}."
    if not failed:
        return line
    rows = [(check.column or "", check.check, check.wanted, check.observed, check.severity) for check in failed]
    return f"{line}\n\n{markup.markdown(('column', 'check', 'wanted', 'observed', 'severity'), rows)}"
