"""What is said of a comparison: every metric's value with its interval, and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mlops_ci.core.records import MetricValue, RequirementResult
from mlops_ci.evaluation.stats.evidence import Evidence
from mlops_ci.evaluation.stats.intervals import Estimate
from mlops_ci.evaluation.verdict.alignment import Contestant
from mlops_ci.evaluation.verdict.evidence_set import Case
from mlops_ci.evaluation.verdict.wording import Slice, slice_name
from mlops_ci.spec.defaults import default_requirements
from mlops_ci.spec.requirement_text import number
from mlops_ci.spec.spec_types import Gate, Task


def no_floor(task: Task, case: Case) -> str:
    """Say why a gate of tests against a champion alone has nothing to say, and what would make it say something."""
    floor = default_requirements(task)[0]
    example = f"{{metric: {floor.metric}, min: {floor.min:g}}}"
    return f"{case.rivals['champion'].absent} and no floor, so nothing was judged: add a floor such as {example}"


def values(
    estimates: Mapping[str, Estimate],
    rows: int,
    by_slice: Mapping[Slice, Evidence],
    side: Literal["candidate", "champion"],
    gate: Gate,
) -> Iterator[MetricValue]:
    """Yield a model's metrics as a whole and by slice, with two-sided intervals."""
    tail = (1 - gate.confidence) / 2

    def some(named: Mapping[str, Estimate], name: str | None, rows: int) -> Iterator[MetricValue]:
        for metric, one in named.items():
            lower, upper = (None, None) if one.bound is None else (one.bound(tail), one.bound(1 - tail))
            yield MetricValue(metric, one.value, lower, upper, name, rows)

    yield from some(estimates, None, rows)
    for slice_, evidence in by_slice.items():
        yield from some(getattr(evidence, side), slice_name(slice_), evidence.rows)


def operational(model: Contestant, wanted: Sequence[str]) -> Iterator[MetricValue]:
    """Yield what was measured of the packaged model."""
    for metric in wanted:
        if metric in model.operational:
            yield MetricValue(metric, model.operational[metric])


def sentence(results: Sequence[RequirementResult], case: Case, wanted: Sequence[str]) -> str:
    """Say the gate's answer in one sentence: the first tested metric of both models, or of the candidate alone."""
    champion = case.rivals["champion"]
    evidence = case.whole if champion.evidence is None else champion.evidence
    measured = [result for result in results if result.metric in evidence.candidate]
    first = next((result for result in measured if result.difference is not None and result.slice is None), None)
    first = first or next(iter(measured), None)
    metric = first.metric if first else next((metric for metric in wanted if metric in evidence.candidate), None)
    rows = f"on {evidence.rows:,} holdout rows"
    if metric is None:
        return f"no metric has a value {rows}"
    mine = evidence.candidate[metric]
    difference = evidence.differences.get(metric)
    if difference and metric in evidence.champion:
        lower, upper = difference.bound(case.alpha), difference.bound(1 - case.alpha)
        ahead = difference.value >= 0
        low, high = (lower, upper) if ahead else (-upper, -lower)
        how = (
            "no better or worse"
            if difference.value == 0
            else f"{'better' if ahead else 'worse'} by {number(abs(difference.value))}"
        )
        versus = f"against {number(evidence.champion[metric].value)} of {champion.name}"
        return f"{metric} {number(mine.value)} {versus}: {how} [{number(low)}, {number(high)}] {rows}"
    interval = ""
    if mine.bound is not None:
        tail = case.alpha / 2
        interval = f" [{number(mine.bound(tail))}, {number(mine.bound(1 - tail))}]"
    return f"{metric} {number(mine.value)}{interval} {rows}" + (f"; {champion.absent}" if champion.absent else "")
