"""The gate's answer as Markdown: what a run keeps as report.md, and what a pull request or a job summary shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.records import Comparison, DatasetSnapshot, TrainingRun
from mlops_ci.core.results.doctor import DoctorReport
from mlops_ci.core.results.gate import Gated, GateReport
from mlops_ci.core.results.impact import AffectedReport
from mlops_ci.core.results.queries import DiffReport
from mlops_ci.core.results.simulation import SelftestReport
from mlops_ci.reports import escaping as markup
from mlops_ci.reports import sections, sentences
from mlops_ci.reports.layout import Block, fit
from mlops_ci.reports.sections import MARK
from mlops_ci.reports.text import REQUIREMENTS, asked_line, requirement_rows
from mlops_ci.reports.verdict import sentence

_LEFT_OUT = "_Parts were left out, to keep this short: the answer as JSON has everything._"


def markdown(record: Any, limit: int | None = None) -> str:
    """Return a gate's report, a difference or the gate's error rates as Markdown; nothing for other records.

    Of a gate's report, whole parts are left out where it would have more than `limit` bytes: those of passing models first.
    """
    if isinstance(record, SelftestReport):
        from mlops_ci.reports import simulation as selftest

        return selftest.markdown(record)
    if isinstance(record, AffectedReport):
        from mlops_ci.reports import impact as affected

        return affected.markdown(record)
    if isinstance(record, DoctorReport):
        from mlops_ci.reports import doctor

        return doctor.markdown(record)
    if isinstance(record, DiffReport):
        from mlops_ci.reports.queries import diff_markdown

        return diff_markdown(record)
    if not isinstance(record, GateReport):
        return ""
    blocks = [Block(f"## {MARK[record.verdict]} gate: {record.verdict}")]
    if len(record.models) > 1:
        blocks.append(Block(markup.escaped(markup.clipped(sentence(record), 1000))))
    for gated in sections.worst_first(record.models):
        late = 3 * (gated.verdict == "pass")
        blocks += [Block(block.text, block.rank + late) for block in _gated(gated)]
    return fit(blocks, limit or sum(len(block.text.encode()) + 2 for block in blocks), _LEFT_OUT)


def run_report(run: TrainingRun, snapshot: DatasetSnapshot, comparison: Comparison) -> str:
    """Return what a run keeps as its report.md."""
    gated = Gated(run.model, comparison.verdict, comparison.sentence, snapshot, run, True, comparison)
    return "\n\n".join(block.text for block in _gated(gated)) + "\n"


def _gated(gated: Gated) -> Iterator[Block]:
    """Yield a model's parts: what was decided and why, then slices and data, then every metric."""
    head = f"### {MARK[gated.verdict]} {markup.escaped(gated.model)}: {gated.verdict}"
    yield Block(f"{head}\n\n{markup.escaped(gated.sentence)}", 1)
    if gated.comparison is not None:
        decided = []
        if asked := asked_line(gated.comparison):
            decided.append(f"{markup.escaped(asked[:1].upper() + asked[1:])}.")
        decided.append(markup.markdown(REQUIREMENTS, requirement_rows(gated.comparison)))
        said = (*sentences.requirements(gated.comparison), *sentences.grounds(gated.comparison))
        if said:
            decided.append("\n".join(f"- {markup.escaped(one)}" for one in said))
        yield Block("\n\n".join(decided), 1)
        if worst := sentences.worst(gated.comparison):
            heading, values = worst
            shown = markup.markdown(("slice", "value", "interval", "rows"), sentences.slice_rows(values))
            yield Block(f"{markup.escaped(heading)}\n\n{shown}", 2)
        if moved := sections.moved_slices(gated.comparison, metrics=3, most=20, size=20_000):
            yield Block(moved, 2)
        yield Block(sections.metrics(gated.comparison), 3)
    if gated.snapshot is not None:
        yield Block(sections.data(gated.snapshot, most=1_000, size=100_000), 2)
    if gated.run is not None:
        again = markup.code(f"mlops-ci gate {gated.model}")
        yield Block(f"Run `{gated.run.key}`, model `sha256:{gated.run.model_digest}`; reproduce with {again}.", 2)
