"""The parts of a model's report as Markdown: requirements, slices, data and costs. Comment and job summary share them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.core.records.comparison import Comparison, MetricValue, Verdict
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.core.requirements import RequirementResult
from mlops_ci.core.results.gate import GatedModel
from mlops_ci.reports import charts, escaping, formatting, sentences
from mlops_ci.reports.layout import bullet_list, limited_table
from mlops_ci.reports.requirements import requirement_label
from mlops_ci.spec.metrics import METRIC_DEFINITIONS

VERDICT_MARKS: Mapping[str, str] = {
    "pass": "\u2705",
    "fail": "\u274c",
    "inconclusive": "\u2754",
    "incomparable": "\u2754",
    "not-applicable": "\u2796",
}
_SEVERITY: tuple[str, ...] = ("fail", "incomparable", "inconclusive", "pass", "not-applicable")


@dataclass(frozen=True)
class SliceDifference:
    """A slice in which both models were measured.

    `difference` is candidate minus champion, with the sign changed if lower values are better: positive is always better.
    """

    candidate: MetricValue
    champion: MetricValue
    difference: float


def sort_worst_first(models: Sequence[GatedModel]) -> list[GatedModel]:
    """Return models sorted by verdict, the worst first."""
    return sorted(models, key=lambda gated: _SEVERITY.index(gated.verdict))


def escape_model_name(model: str) -> str:
    """Return a model's name, escaped; an untrusted report may have a name of any length, so it is cut."""
    return escaping.escape_markdown(escaping.clip(model, 80))


def verdict_label(verdict: Verdict, before: str = "") -> str:
    """Return a verdict with its mark and, between them, the text `before`."""
    return f"{VERDICT_MARKS[verdict]} {before}{verdict}"


def requirements_table(results: Sequence[RequirementResult], *, most: int = 20, size: int = 10_000) -> str:
    """Return requirements as a table, failed ones first."""
    rows = [_requirement_row(item) for item in _sort_by_severity(results)]
    header = ("verdict", "requirement", "candidate", "baseline", "difference", "interval (━) and limit (┃)", "p")
    return limited_table(header, rows, most=most, size=size, noun="requirement")


def _sort_by_severity(results: Sequence[RequirementResult]) -> list[RequirementResult]:
    return sorted(results, key=lambda item: _SEVERITY.index(item.verdict))


def _requirement_row(item: RequirementResult) -> tuple[str, ...]:
    interval = formatting.format_interval(item.lower, item.upper)
    of_value = item.difference is None  # without a difference, the interval is that of the candidate's value
    return (
        f"{VERDICT_MARKS[item.verdict]} {item.verdict}",
        requirement_label(item),
        f"{formatting.format_number(item.candidate)} {interval if of_value else ''}".strip(),
        formatting.format_number(item.baseline),
        "" if of_value else f"{formatting.format_difference(item.difference)} {interval}".strip(),
        charts.draw_interval(item),
        "" if item.p_value is None else f"{item.p_value:.2g}",
    )


def reasons_list(comparison: Comparison, *, most: int = 12, size: int = 6_000) -> str:
    """Return a list: why each requirement does not hold, followed by the notes on the evaluation."""
    open_ = [
        item for item in _sort_by_severity(comparison.requirements) if item.verdict not in ("pass", "not-applicable")
    ]
    lines = [sentences.requirement_sentence(item) for item in open_]
    items = [*lines, *sentences.evaluation_notes(comparison)]
    return bullet_list(
        [escaping.escape_markdown(escaping.clip(line, 400)) for line in items], most=most, size=size, noun="reason"
    )


def slice_differences(comparison: Comparison) -> Iterator[tuple[str, list[SliceDifference]]]:
    """Yield each metric with slices of both models, and its slices, the worst first; metrics of requirements come first.

    Slices that are too small for an interval are used only if all slices are. A metric for which neither higher nor lower is
    better is omitted.
    """
    if comparison.champion is None:
        return
    theirs = {(item.metric, item.slice): item for item in comparison.champion.metrics if item.slice is not None}
    pairs: dict[str, list[tuple[MetricValue, MetricValue]]] = {}
    for item in comparison.metrics:
        if item.slice is not None and (other := theirs.get((item.metric, item.slice))) is not None:
            pairs.setdefault(item.metric, []).append((item, other))
    for metric in dict.fromkeys((*(item.requirement.metric for item in comparison.requirements), *pairs)):
        known = METRIC_DEFINITIONS.get(metric)
        if metric not in pairs or known is None or known.higher_is_better is None:
            continue
        sign = 1 if known.higher_is_better else -1
        differences = [SliceDifference(one, other, sign * (one.value - other.value)) for one, other in pairs[metric]]
        sure = [one for one in differences if one.candidate.lower is not None]
        yield metric, sorted(sure or differences, key=lambda one: one.difference)


def slice_differences_section(comparison: Comparison, *, metrics: int = 1, most: int = 8, size: int = 5_000) -> str:
    """Return the slices in which candidate and champion differ most, the worst first, for the first `metrics` metrics."""
    parts = []
    for metric, slices in list(slice_differences(comparison))[:metrics]:
        widest = max(abs(one.difference) for one in slices)
        apart = sorted(slices, key=lambda one: -abs(one.difference))[:most]
        rows = [
            (
                one.candidate.slice or "",
                formatting.format_number(one.candidate.value),
                formatting.format_number(one.champion.value),
                formatting.format_difference(one.difference),
                charts.draw_difference(one.difference, widest),
                f"{one.candidate.rows:,}",
            )
            for one in sorted(apart, key=lambda one: one.difference)
        ]
        among = f", the largest differences of {len(slices):,} slices" if len(slices) > most else ""
        version = comparison.champion.version if comparison.champion else ""
        heading = f"{metric} by slice against v{version}{among}; + is better:"
        shown = limited_table(
            ("slice", "candidate", "champion", "difference", "◀ worse, better ▶", "rows"),
            rows,
            most=most,
            size=size,
            noun="slice",
            widest=100,
        )
        parts.append(f"{escaping.escape_markdown(escaping.clip(heading, 300))}\n\n{shown}")
    return "\n\n".join(parts)


def metrics_section(comparison: Comparison, *, most: int = 3_000, size: int = 150_000) -> str:
    """Return every metric of the candidate, in a collapsed section."""
    rows = [
        (
            item.metric,
            item.slice or "all rows",
            formatting.format_number(item.value),
            formatting.format_interval(item.lower, item.upper),
            f"{item.rows:,}",
        )
        for item in comparison.metrics
    ]
    header = ("metric", "slice", "value", "interval", "rows")
    return collapse_section(
        formatting.format_count(len(rows), "metric"), limited_table(header, rows, most=most, size=size, noun="metric")
    )


def data_section(snapshot: DatasetSnapshot, *, most: int = 20, size: int = 6_000) -> str:
    """Return the size of the data, and the checks that failed."""
    failed = [check for check in snapshot.checks if not check.passed]
    checks = f"{len(snapshot.checks) - len(failed)} of {formatting.format_count(len(snapshot.checks), 'check')} passed"
    dataset = escaping.code_span(escaping.clip(snapshot.dataset, 80))
    line = f"Data {dataset}: {formatting.format_count(snapshot.rows, 'row')}, {checks}."
    if not failed:
        return line
    rows = [(check.column or "", check.check, check.wanted, check.observed, check.severity) for check in failed]
    shown = limited_table(
        ("column", "check", "wanted", "observed", "severity"), rows, most=most, size=size, noun="failed check"
    )
    return f"{line}\n\n{shown}"


def costs_section(gated: GatedModel) -> str:
    """Return the model's costs: training, files, the operational metrics of both models, and the holdout budget."""
    lines = []
    run, comparison = gated.run, gated.comparison
    if run is not None:
        how = "fitted in" if gated.fitted else "was already fitted; the fit took"
        size = sum(file.size for file in run.files)
        lines.append(f"{how} {run.seconds:,.1f} s; the packaged model has a size of {size / 1e6:,.2f} MB")
    if comparison is not None:
        theirs = {item.metric: item.value for item in (comparison.champion.metrics if comparison.champion else ())}
        for item in comparison.metrics:
            known = METRIC_DEFINITIONS.get(item.metric)
            if known is not None and known.is_operational:
                other = theirs.get(item.metric)
                versus = "" if other is None else f" (champion {formatting.format_number(other)})"
                lines.append(f"{item.metric} {formatting.format_number(item.value)}{versus}")
        if budget := sentences.holdout_budget_line(comparison):
            lines.append(budget)
    if not lines:
        return ""
    return "Cost: " + "; ".join(escaping.escape_markdown(escaping.clip(line, 300)) for line in lines[:20]) + "."


def collapse_section(summary: str, text: str) -> str:
    """Return a collapsed section; `summary` must be trusted text, because it is not escaped."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>" if text else ""
