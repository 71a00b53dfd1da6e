"""The gate's answer: labels and two models' predictions in; intervals, a verdict per requirement and one sentence out.

Every test is one-sided at alpha = 1 - confidence. "Pass" needs evidence for, "fail" evidence against; all else is
inconclusive, with the labelled rows that would decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import Findings
from mlops_ci.learn.evidence import Evidence, gather
from mlops_ci.learn.intervals import Estimate
from mlops_ci.learn.metrics import METRICS, default_metrics, default_requirements
from mlops_ci.learn.predictions import Label, Predictions, Truth, align_classes, encode_labels
from mlops_ci.learn.requirements import MIN_CLASS_ROWS, Case, Slice, few_of_a_class, judge, number, slice_name
from mlops_ci.records import MetricValue, RequirementResult, Verdict
from mlops_ci.spec.kinds import Gate, Requirement, Task

State = Literal["none", "same", "compared", "incomparable"]
_SLICES_SHOWN = 50  # of each column, the largest first; every slice that is large enough to be tested is shown


@dataclass(frozen=True)
class Contestant:
    """One model's answers for the holdout, under the name that people call it by (delay@v1.0.0); classes in its order.

    `run` is the key of its training run, which names all that went in, its code too; `model_digest` is only what came out.
    """

    name: str
    model_digest: str
    predictions: Predictions
    classes: tuple[Label, ...] = ()
    operational: Mapping[str, float] = field(default_factory=dict)
    run: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the gate found; `metrics` are the candidate's, `champion_metrics` the champion's on the same rows."""

    champion_state: State
    metrics: tuple[MetricValue, ...]
    champion_metrics: tuple[MetricValue, ...]
    requirements: tuple[RequirementResult, ...]
    verdict: Verdict
    sentence: str
    diagnostics: tuple[Diagnostic, ...] = ()


def compare(
    task: Task,
    labels: Any,
    candidate: Contestant,
    champion: Contestant | None,
    gate: Gate,
    *,
    metrics: Sequence[str] = (),
    slices: Mapping[str, Any] | None = None,
    incomparable: str | None = None,
    seed: int = 0,
) -> Judgement:
    """Judge a candidate on n holdout rows.

    `labels` [n] are the target as the data have it, `slices` columns [n] by name, in the predictions' order of rows;
    `incomparable` says why the champion cannot be scored on today's data (then `champion` is None). Raises Findings
    when a binary holdout has a label that is none of the candidate's two.
    """
    requirements = gate.requirements or default_requirements(task)
    wanted = tuple(
        dict.fromkeys([*(metrics or default_metrics(task)), *(requirement.metric for requirement in requirements)])
    )
    statistical = [metric for metric in wanted if metric in METRICS]
    state, champion, why_not = _state(task, candidate, champion, incomparable)
    truth, sides, notes = _on_common_terms(task, labels, candidate, champion)
    diagnostics = [*notes, *_accepted(state, gate.accept_incomparable, why_not)]
    if state == "incomparable" and gate.accept_incomparable:
        why_not = f"{why_not}; accepted: {gate.accept_incomparable}"
    rival = sides[1] if len(sides) > 1 and state == "compared" else None
    own = len(candidate.classes)
    whole = gather(statistical, truth, sides[0], rival, seed=seed, own=own)
    by_slice = dict(_by_slice(statistical, truth, sides[0], rival, slices or {}, gate, seed, own))
    diagnostics += _too_small(whole, requirements, gate)
    case = Case(
        whole,
        by_slice,
        gate,
        candidate,
        champion if state == "compared" else None,
        why_not,
        state == "incomparable" and gate.accept_incomparable is None,
    )
    results = tuple(judge(requirement, case) for requirement in requirements)
    verdict = _overall(requirements, results, incomparable=case.incomparable)
    return Judgement(
        state,
        (*_values(whole.candidate, whole.rows, by_slice, "candidate", gate), *_operational(candidate, wanted)),
        (*_values(whole.champion, whole.rows, by_slice, "champion", gate), *_operational(champion, wanted))
        if case.champion
        else (),
        results,
        verdict,
        _sentence(results, whole, case, wanted) if _judged(results) else _no_floor(task, case),
        tuple(diagnostics),
    )


def _state(
    task: Task, candidate: Contestant, champion: Contestant | None, incomparable: str | None
) -> tuple[State, Contestant | None, str]:
    if incomparable is not None:
        return "incomparable", None, incomparable
    if champion is None:
        return "none", None, "there is no champion yet"
    if champion.run and champion.run == candidate.run:  # equal digests do not do: they name classes, not their code
        return "same", None, f"the candidate is the champion itself ({champion.name})"
    if task == "binary-classification" and champion.classes != candidate.classes:
        labels = " and ".join(repr(label) for label in champion.classes)
        return "incomparable", None, f"{champion.name} predicts other labels ({labels})"
    return "compared", champion, ""


def _on_common_terms(
    task: Task, labels: Any, candidate: Contestant, champion: Contestant | None
) -> tuple[Truth, list[Predictions], list[Diagnostic]]:
    models = [candidate] if champion is None else [candidate, champion]
    if task == "regression":
        return Truth(values=np.asarray(labels, dtype=np.float64)), [model.predictions for model in models], []
    classes = tuple(dict.fromkeys([label for model in models for label in model.classes]))
    encoded = encode_labels(labels, classes)
    strangers = list(dict.fromkeys(np.asarray(labels)[encoded < 0].tolist()))[:5]
    notes = []
    if strangers:
        shown = ", ".join(map(repr, strangers))
        found = Diagnostic(
            "holdout-label-unknown",
            f"{int((encoded < 0).sum()):,} holdout rows have labels that the model does not know: {shown}",
            help="The training rows lack these labels. Check the target column, or give the new class more rows.",
            severity="error" if task == "binary-classification" else "warning",
        )
        if found.severity == "error":
            raise Findings([found])
        notes = [found]
    return (
        Truth(labels=encoded, classes=classes),
        [align_classes(model.predictions, model.classes, classes) for model in models],
        notes,
    )


def _by_slice(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    champion: Predictions | None,
    slices: Mapping[str, Any],
    gate: Gate,
    seed: int,
    own: int,
) -> Iterator[tuple[Slice, Evidence]]:
    for column, values in slices.items():
        texts = np.array([_slice_value(value) for value in np.asarray(values, dtype=object).tolist()], dtype=object)
        names, at, counts = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
        for place, index in enumerate(np.argsort(-counts, kind="stable")):
            testable = int(counts[index]) >= gate.min_slice_rows
            if not testable and place >= _SLICES_SHOWN:
                break
            rows = np.flatnonzero(at == index)
            one = None if champion is None else champion.rows(rows)
            evidence = gather(
                metrics, truth.rows(rows), candidate.rows(rows), one, seed=seed, intervals=testable, own=own
            )
            yield (column, str(names[index])), evidence


def _slice_value(value: Any) -> str:
    if value is None or value != value:
        return "(missing)"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _too_small(whole: Evidence, requirements: Sequence[Requirement], gate: Gate) -> Iterator[Diagnostic]:
    tested = [requirement for requirement in requirements if requirement.metric in METRICS]
    if tested and whole.rows < gate.min_rows:
        message = f"the holdout has {whole.rows:,} rows and the gate needs {gate.min_rows:,}: nothing can be concluded"
    elif few := [requirement.metric for requirement in tested if few_of_a_class(requirement.metric, whole)]:
        rare = f"{whole.smallest_class} rows of its rarest class"
        message = f"the holdout has {rare} and {few[0]} needs {MIN_CLASS_ROWS}"
    else:
        return
    yield Diagnostic(
        "holdout-too-small",
        message,
        help="Add labelled rows, or set aside a larger share (split.holdout of the dataset).",
        severity="warning",
    )


def _accepted(state: State, reason: str | None, why_not: str) -> Iterator[Diagnostic]:
    """Say that the champion cannot be measured, and whether that is accepted; or that nothing needs to be accepted."""
    if state == "incomparable":
        yield Diagnostic(
            "champion-incomparable",
            f"the champion cannot be measured on these data: {why_not}" + (f"; accepted: {reason}" if reason else ""),
            help="The floors decide."
            if reason
            else "Tests against it cannot be decided. If the change is meant, say why in a"
            " reviewed commit: `acceptIncomparable: REASON` in the model's gate; the floors decide then.",
            severity="warning",
        )
    elif reason:
        yield Diagnostic(
            "champion-comparable",
            "the gate accepts a champion that cannot be measured, and there is none such",
            help="Delete `acceptIncomparable` from the model's gate: it would let the next one by unseen.",
            severity="warning",
        )


def _overall(
    requirements: Sequence[Requirement], results: Sequence[RequirementResult], *, incomparable: bool
) -> Verdict:
    verdicts = {result.verdict for result in results}
    tested = any(requirement.against or requirement.test for requirement in requirements)
    if incomparable and tested and "fail" not in verdicts:
        return "incomparable"
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
    for verdict in order:
        if verdict in verdicts:
            return verdict
    return "inconclusive"  # nothing applied: fail closed


def _judged(results: Sequence[RequirementResult]) -> bool:
    return any(result.verdict != "not-applicable" for result in results)


def _no_floor(task: Task, case: Case) -> str:
    """Say why a gate of tests against a champion alone has nothing to say, and what would make it say something."""
    floor = default_requirements(task)[0]
    example = f"{{metric: {floor.metric}, min: {floor.min:g}}}"
    return f"{case.no_champion} and no floor, so nothing was judged: add a floor such as {example}"


def _values(
    estimates: Mapping[str, Estimate],
    rows: int,
    by_slice: Mapping[Slice, Evidence],
    side: Literal["candidate", "champion"],
    gate: Gate,
) -> Iterator[MetricValue]:
    tail = (1 - gate.confidence) / 2

    def values(named: Mapping[str, Estimate], name: str | None, rows: int) -> Iterator[MetricValue]:
        for metric, one in named.items():
            lower, upper = (None, None) if one.bound is None else (one.bound(tail), one.bound(1 - tail))
            yield MetricValue(metric, one.value, lower, upper, name, rows)

    yield from values(estimates, None, rows)
    for slice_, evidence in by_slice.items():
        yield from values(getattr(evidence, side), slice_name(slice_), evidence.rows)


def _operational(model: Contestant | None, wanted: Sequence[str]) -> Iterator[MetricValue]:
    for metric in wanted:
        if model is not None and metric in model.operational:
            yield MetricValue(metric, model.operational[metric])


def _sentence(results: Sequence[RequirementResult], whole: Evidence, case: Case, wanted: Sequence[str]) -> str:
    measured = [result for result in results if result.metric in whole.candidate]
    first = next((result for result in measured if result.difference is not None and result.slice is None), None)
    first = first or next(iter(measured), None)
    metric = first.metric if first else next((metric for metric in wanted if metric in whole.candidate), None)
    rows = f"on {whole.rows:,} holdout rows"
    if metric is None:
        return f"no metric has a value {rows}"
    mine = whole.candidate[metric]
    difference = whole.differences.get(metric)
    if case.champion and difference and metric in whole.champion:
        alpha = 1 - case.gate.confidence
        lower, upper = difference.bound(alpha), difference.bound(1 - alpha)
        ahead = difference.value >= 0
        low, high = (lower, upper) if ahead else (-upper, -lower)
        how = (
            "no better or worse"
            if difference.value == 0
            else f"{'better' if ahead else 'worse'} by {number(abs(difference.value))}"
        )
        versus = f"against {number(whole.champion[metric].value)} of {case.champion.name}"
        return f"{metric} {number(mine.value)} {versus}: {how} [{number(low)}, {number(high)}] {rows}"
    interval = ""
    if mine.bound is not None:
        tail = (1 - case.gate.confidence) / 2
        interval = f" [{number(mine.bound(tail))}, {number(mine.bound(1 - tail))}]"
    return f"{metric} {number(mine.value)}{interval} {rows}; {case.no_champion}"
