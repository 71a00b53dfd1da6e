"""The summary of a comparison: every metric's value with its interval, and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.requirements import RequirementResult
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Estimate
from mlops_ci.evaluation.verdict.alignment import ScoredModel
from mlops_ci.evaluation.verdict.evidence_set import EvidenceSet
from mlops_ci.evaluation.verdict.wording import Slice, slice_name
from mlops_ci.spec.defaults import default_requirements
from mlops_ci.spec.requirement_text import format_metric
from mlops_ci.spec.spec_types import GateSpec, Task


def no_floor_sentence(task: Task, case: EvidenceSet) -> str:
    """Return the sentence for a gate where no requirement applied: the reason, and an example of one that would."""
    floor = default_requirements(task)[0]
    example = f"{{metric: {floor.metric}, min: {floor.min:g}}}"
    return (
        f"{case.baselines['champion'].absence_reason} and the gate has no floor, so no requirement applied:"
        f" add a floor such as {example}"
    )


def metric_values(
    estimates: Mapping[str, Estimate],
    rows: int,
    by_slice: Mapping[Slice, MetricEvidence],
    side: Literal["candidate", "champion"],
    gate: GateSpec,
) -> Iterator[MetricValue]:
    """Yield a model's metrics on all rows and on each slice, with two-sided intervals at the gate's confidence."""
    tail = (1 - gate.confidence) / 2

    def values_of(estimates: Mapping[str, Estimate], slice_: str | None, rows: int) -> Iterator[MetricValue]:
        for metric, estimate in estimates.items():
            bound = estimate.bound
            lower, upper = (None, None) if bound is None else (bound(tail), bound(1 - tail))
            yield MetricValue(metric, estimate.value, lower, upper, slice_, rows)

    yield from values_of(estimates, None, rows)
    for slice_, evidence in by_slice.items():
        yield from values_of(getattr(evidence, side), slice_name(slice_), evidence.rows)


def operational_values(model: ScoredModel, wanted: Sequence[str]) -> Iterator[MetricValue]:
    """Yield the wanted operational metrics (time, size, price) that were measured on the packaged model."""
    for metric in wanted:
        if metric in model.operational_metrics:
            yield MetricValue(metric, model.operational_metrics[metric])


def comparison_sentence(results: Sequence[RequirementResult], case: EvidenceSet, wanted: Sequence[str]) -> str:
    """Return the comparison in one sentence: the first tested metric of both models, or of the candidate alone."""
    champion = case.baselines["champion"]
    evidence = case.overall_evidence if champion.evidence is None else champion.evidence
    measured = [result for result in results if result.requirement.metric in evidence.candidate]
    first = next((result for result in measured if result.difference is not None and result.slice is None), None)
    first = first or next(iter(measured), None)
    metric = (
        first.requirement.metric if first else next((metric for metric in wanted if metric in evidence.candidate), None)
    )
    rows = f"on {evidence.rows:,} holdout rows"
    level = f"{100 * (1 - case.alpha):.4g} %"
    if metric is None:
        return f"no metric has a value {rows}"
    mine = evidence.candidate[metric]
    difference = evidence.differences.get(metric)
    if difference and metric in evidence.champion:
        lower, upper = difference.bound(case.alpha), difference.bound(1 - case.alpha)
        ahead = difference.value >= 0
        low, high = (lower, upper) if ahead else (-upper, -lower)
        how = (
            "neither better nor worse"
            if difference.value == 0
            else f"{'better' if ahead else 'worse'} by {format_metric(abs(difference.value))}"
        )
        versus = f"against {format_metric(evidence.champion[metric].value)} for {champion.name}"
        bounds = f"[{format_metric(low)}, {format_metric(high)}] (one-sided {level} bounds)"
        return f"{metric} {format_metric(mine.value)} {versus}: {how} {bounds} {rows}"
    interval = ""
    if mine.bound is not None:
        tail = case.alpha / 2
        interval = (
            f" [{format_metric(mine.bound(tail))}, {format_metric(mine.bound(1 - tail))}] (two-sided {level} interval)"
        )
    return f"{metric} {format_metric(mine.value)}{interval} {rows}" + (
        f"; {champion.absence_reason}" if champion.absence_reason else ""
    )
