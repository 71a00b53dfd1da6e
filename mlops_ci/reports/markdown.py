"""The gate's report as Markdown, for a run's report.md and for the job summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingRun
from mlops_ci.core.results.doctor import DoctorReport
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.core.results.impact import AffectedReport, ProjectsReport
from mlops_ci.core.results.queries import DiffReport
from mlops_ci.core.results.simulation import SelftestReport
from mlops_ci.reports import doctor, escaping, impact, sections, sentences, simulation
from mlops_ci.reports.gate import holdout_question_line, requirement_rows, requirements_header
from mlops_ci.reports.layout import Block, fit_blocks
from mlops_ci.reports.queries import diff_markdown
from mlops_ci.reports.sections import VERDICT_MARKS
from mlops_ci.reports.verdict import gate_report_sentence

_OMISSION_NOTE = "_Some parts are omitted to keep this short: the JSON result has everything._"


def render_markdown(record: Any, limit: int | None = None) -> str:
    """Return a report of a gate, `diff`, `doctor`, `ci affected` or `selftest` as Markdown; empty for other records.

    If a gate's report would have more than `limit` bytes, whole parts are omitted, those of passing models first.
    """
    if writer := _WRITERS.get(type(record)):
        return writer(record)
    if not isinstance(record, GateReport):
        return ""
    blocks = [Block(f"## {VERDICT_MARKS[record.verdict]} gate: {record.verdict}")]
    if len(record.models) > 1:
        blocks.append(Block(escaping.escape_markdown(escaping.clip(gate_report_sentence(record), 1000))))
    for gated in sections.sort_worst_first(record.models):
        lower_rank = 3 * (gated.verdict == "pass")
        blocks += [Block(block.text, block.rank + lower_rank) for block in _model_blocks(gated)]
    return fit_blocks(blocks, limit or sum(len(block.text.encode()) + 2 for block in blocks), _OMISSION_NOTE)


def run_report(run: TrainingRun, snapshot: DatasetSnapshot, comparison: Comparison) -> str:
    """Return the content of a run's report.md."""
    gated = GatedModel(run.model, comparison.verdict, comparison.sentence, snapshot, run, True, comparison)
    return "\n\n".join(block.text for block in _model_blocks(gated)) + "\n"


def _model_blocks(gated: GatedModel) -> Iterator[Block]:
    """Yield a model's parts: the verdict with its reasons, then slices and data, then every metric."""
    head = f"### {VERDICT_MARKS[gated.verdict]} {escaping.escape_markdown(gated.model)}: {gated.verdict}"
    yield Block(f"{head}\n\n{escaping.escape_markdown(gated.sentence)}", 1)
    if gated.comparison is not None:
        decided = []
        if question := holdout_question_line(gated.comparison):
            decided.append(f"{escaping.escape_markdown(question[:1].upper() + question[1:])}.")
        decided.append(
            escaping.markdown_table(requirements_header(gated.comparison), requirement_rows(gated.comparison))
        )
        notes = (*sentences.requirement_sentences(gated.comparison), *sentences.evaluation_notes(gated.comparison))
        if notes:
            decided.append("\n".join(f"- {escaping.escape_markdown(one)}" for one in notes))
        yield Block("\n\n".join(decided), 1)
        if worst := sentences.worst_slices(gated.comparison):
            heading, values = worst
            shown = escaping.markdown_table(("slice", "value", "interval", "rows"), sentences.slice_rows(values))
            yield Block(f"{escaping.escape_markdown(heading)}\n\n{shown}", 2)
        if differences := sections.slice_differences_section(gated.comparison, metrics=3, most=20, size=20_000):
            yield Block(differences, 2)
        yield Block(sections.metrics_section(gated.comparison), 3)
    if gated.snapshot is not None:
        yield Block(sections.data_section(gated.snapshot, most=1_000, size=100_000), 2)
    if gated.run is not None:
        again = escaping.code_span(f"mlops-ci reproduce {gated.model}")
        run = f"Run `{gated.run.key}`, model `sha256:{gated.run.model_digest}`"
        yield Block(f"{run}; once it is released, {again} trains it again and compares the models.", 2)


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    SelftestReport: simulation.simulation_markdown,
    AffectedReport: impact.impact_markdown,
    ProjectsReport: impact.projects_markdown,
    DoctorReport: doctor.doctor_markdown,
    DiffReport: diff_markdown,
}
