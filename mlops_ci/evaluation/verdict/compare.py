"""The gate's answer: labels and two or three models' predictions in; intervals, a verdict per requirement and one sentence out.

Every test is one-sided at alpha = 1 - confidence. "Pass" needs evidence for, "fail" evidence against; all else is
inconclusive, with the labelled rows that would decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records import MetricValue, RequirementResult, Verdict
from mlops_ci.evaluation.stats.evidence import MetricEvidence, measure_evidence, whole_rows
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.evaluation.verdict.alignment import (
    NO_ANCHOR,
    NoBaseline,
    RowMetadata,
    ScoredModel,
    align,
    comparable_baseline,
)
from mlops_ci.evaluation.verdict.evidence_set import (
    MIN_CLASS_ROWS,
    BaselineEvidence,
    EvidenceSet,
    has_too_few_class_rows,
)
from mlops_ci.evaluation.verdict.fairness import FairnessGap, FairnessMetric, measure_fairness_gap
from mlops_ci.evaluation.verdict.requirements import judge_requirement
from mlops_ci.evaluation.verdict.slices import cut_slices
from mlops_ci.evaluation.verdict.summary import (
    comparison_sentence,
    metric_values,
    no_floor_sentence,
    operational_values,
)
from mlops_ci.evaluation.verdict.wording import Slice, describe_rows
from mlops_ci.spec.defaults import default_metrics, default_requirements
from mlops_ci.spec.metrics import METRIC_DEFINITIONS as METRIC_NAMES
from mlops_ci.spec.metrics import find_metric
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, EvaluateSpec, GateSpec, Requirement, Task
from mlops_ci.training.predictions import Predictions, Truth

BASELINE_ROLES: tuple[BaselineRole, ...] = ("champion", "anchor")


@dataclass(frozen=True)
class CandidateJudgement:
    """What the gate found; `metrics` are the candidate's, `champion_metrics` the champion's on rows that are new to both.

    `excluded` says how many rows each older version had learned from, where it had.
    """

    champion_state: Literal["none", "same", "compared", "incomparable"]
    metrics: tuple[MetricValue, ...]
    champion_metrics: tuple[MetricValue, ...]
    requirements: tuple[RequirementResult, ...]
    verdict: Verdict
    sentence: str
    diagnostics: tuple[Diagnostic, ...] = ()
    anchor_metrics: tuple[MetricValue, ...] = ()
    excluded_rows: Mapping[BaselineRole, int] = field(default_factory=dict)


def judge_candidate(
    task: Task,
    labels: Any,
    candidate: ScoredModel,
    champion: ScoredModel | NoBaseline,
    gate: GateSpec,
    *,
    anchor: ScoredModel | NoBaseline = NO_ANCHOR,
    evaluate: EvaluateSpec | None = None,
    holdout: RowMetadata | None = None,
    change_kind: ChangeKind = "changed",
    seed: int = 0,
) -> CandidateJudgement:
    """Judge a candidate on n holdout rows.

    `labels` [n] are the target as the data have it, in the predictions' order of rows. Raises Findings when a binary
    holdout has a label that is none of the candidate's two.
    """
    evaluate, holdout = evaluate or EvaluateSpec(), holdout or RowMetadata()
    requirements = gate.requirements or default_requirements(task)
    wanted = tuple(
        dict.fromkeys(
            [*(evaluate.metrics or default_metrics(task)), *(requirement.metric for requirement in requirements)]
        )
    )
    strange = frozenset(metric for metric in wanted if not _is_metric_of_task(metric, task, evaluate))
    measured = [metric for metric in wanted if metric not in strange and _is_computed_from_rows(metric)]
    champion = comparable_baseline(task, candidate, champion, "champion")
    anchor = comparable_baseline(task, candidate, anchor, "anchor")
    models = [candidate, *(one for one in (champion, anchor) if isinstance(one, ScoredModel))]
    truth, sides, notes = align(task, labels, models, holdout, evaluate)
    own = len(candidate.classes)
    rivals, alone = {}, None
    answers = iter(sides[1:])
    for against, rival in zip(BASELINE_ROLES, (champion, anchor), strict=True):
        if isinstance(rival, NoBaseline):
            rivals[against] = _missing_baseline_evidence(rival, against, gate.accept_incomparable)
            continue
        theirs = next(answers)
        rivals[against] = _measure_baseline(measured, truth, sides[0], rival, theirs, holdout, gate, seed, own)
        if rival.seen_rows is None and against == "champion":
            alone = rivals[against]  # which has the candidate's values on all rows
    case = EvidenceSet(
        alone.evidence
        if alone and alone.evidence
        else measure_evidence(measured, truth, sides[0], None, seed=seed, candidate_classes=own),
        gate,
        candidate,
        rivals,
        change_kind,
        dict(_measure_gaps(requirements, strange, truth, sides[0], holdout, gate)),
        strange,
    )
    by_slice = (
        alone.by_slice if alone else dict(_measure_slices(measured, truth, sides[0], None, holdout, gate, seed, own))
    )
    results = tuple(judge_requirement(requirement, case) for requirement in requirements)
    return CandidateJudgement(
        champion.state if isinstance(champion, NoBaseline) else "compared",
        (
            *metric_values(case.overall_evidence.candidate, case.overall_evidence.rows, by_slice, "candidate", gate),
            *operational_values(candidate, wanted),
        ),
        _baseline_metrics(rivals["champion"], champion, gate, wanted),
        results,
        _overall_verdict(requirements, results, rivals, gate, change_kind),
        comparison_sentence(results, case, wanted)
        if any(result.verdict != "not-applicable" for result in results)
        else no_floor_sentence(task, case),
        (
            *notes,
            *_seen_rows_warnings(champion, anchor),
            *_incomparable_warnings(champion, anchor, gate.accept_incomparable),
            *_sample_size_warnings(case, requirements, gate),
        ),
        _baseline_metrics(rivals["anchor"], anchor, gate, wanted),
        {
            against: int(one.seen_rows.sum())
            for against, one in _existing_baselines(champion, anchor)
            if one.seen_rows is not None
        },
    )


def _is_metric_of_task(metric: str, task: Task, evaluate: EvaluateSpec) -> bool:
    if metric in evaluate.custom:
        return True
    definition = find_metric(metric)
    return definition is not None and task in definition.tasks


def _is_computed_from_rows(metric: str) -> bool:
    return metric in METRICS or metric not in METRIC_NAMES


def _missing_baseline_evidence(rival: NoBaseline, against: BaselineRole, accepted: str | None) -> BaselineEvidence:
    why = rival.reason
    if rival.state == "incomparable" and accepted:
        why = f"{why}; accepted: {accepted}"
    return BaselineEvidence(against, absence_reason=why, is_incomparable=rival.state == "incomparable" and not accepted)


def _measure_baseline(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    rival: ScoredModel,
    theirs: Predictions,
    holdout: RowMetadata,
    gate: GateSpec,
    seed: int,
    candidate_classes: int,
) -> BaselineEvidence:
    if rival.seen_rows is not None:
        new = np.flatnonzero(~np.asarray(rival.seen_rows, dtype=bool))
        truth, candidate, theirs = truth.select_rows(new), candidate.select_rows(new), theirs.select_rows(new)
        holdout = replace(
            holdout,
            slices={name: np.asarray(values, dtype=object)[new] for name, values in holdout.slices.items()},
            conditions={name: mask[new] for name, mask in holdout.conditions.items()},
        )
    return BaselineEvidence(
        rival.name,
        measure_evidence(metrics, truth, candidate, theirs, seed=seed, candidate_classes=candidate_classes),
        dict(_measure_slices(metrics, truth, candidate, theirs, holdout, gate, seed, candidate_classes)),
        rival.operational_metrics,
    )


def _baseline_metrics(
    rival: BaselineEvidence, model: ScoredModel | NoBaseline, gate: GateSpec, wanted: Sequence[str]
) -> tuple[MetricValue, ...]:
    if isinstance(model, NoBaseline) or rival.evidence is None:
        return ()
    evidence = rival.evidence
    return (
        *metric_values(evidence.champion, evidence.rows, rival.by_slice, "champion", gate),
        *operational_values(model, wanted),
    )


def _existing_baselines(
    champion: ScoredModel | NoBaseline, anchor: ScoredModel | NoBaseline
) -> Iterator[tuple[BaselineRole, ScoredModel]]:
    for against, one in zip(BASELINE_ROLES, (champion, anchor), strict=True):
        if isinstance(one, ScoredModel):
            yield against, one


def _measure_slices(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    rival: Predictions | None,
    holdout: RowMetadata,
    gate: GateSpec,
    seed: int,
    candidate_classes: int,
) -> Iterator[tuple[Slice, MetricEvidence]]:
    for slice_, rows, testable in cut_slices(holdout.slices, holdout.conditions, gate.min_slice_rows):
        one, part = None if rival is None else rival.select_rows(rows), truth.select_rows(rows)
        enough = testable and (
            truth.has_equal_independent_rows or whole_rows(part.effective_sample_size()) >= gate.min_slice_rows
        )
        evidence = measure_evidence(
            metrics,
            part,
            candidate.select_rows(rows),
            one,
            seed=seed,
            intervals=enough,
            candidate_classes=candidate_classes,
        )
        yield slice_, evidence


def _measure_gaps(
    requirements: Sequence[Requirement],
    strange: frozenset[str],
    truth: Truth,
    candidate: Predictions,
    holdout: RowMetadata,
    gate: GateSpec,
) -> Iterator[tuple[tuple[str, str], FairnessGap]]:
    for requirement in requirements:
        by = requirement.by
        if by is None or by not in holdout.fairness_columns or requirement.metric in strange:
            continue
        found = measure_fairness_gap(
            cast("FairnessMetric", requirement.metric),
            truth,
            candidate,
            holdout.fairness_columns[by],
            min_rows=gate.min_slice_rows,
        )
        if found is not None:
            yield (requirement.metric, by), found


def _seen_rows_warnings(champion: ScoredModel | NoBaseline, anchor: ScoredModel | NoBaseline) -> Iterator[Diagnostic]:
    for against, one in _existing_baselines(champion, anchor):
        if one.seen_rows is None:
            continue
        count, rows = int(one.seen_rows.sum()), len(one.seen_rows)
        yield Diagnostic(
            "holdout-rows-seen",
            f"{one.name}, the {against}, has learned from {count:,} of the {rows:,} holdout rows: tests against it leave them out",
            help="The split has changed since it was trained. With the next release all rows count again.",
            severity="warning",
        )


def _sample_size_warnings(
    case: EvidenceSet, requirements: Sequence[Requirement], gate: GateSpec
) -> Iterator[Diagnostic]:
    whole = case.overall_evidence
    tested = [one for one in requirements if one.metric in METRICS and one.metric not in case.unknown_metrics]
    if tested and whole.independent_rows < gate.min_rows:
        message = f"{describe_rows(whole)} and the gate needs {gate.min_rows:,}: nothing can be concluded"
    elif few := [requirement.metric for requirement in tested if has_too_few_class_rows(requirement.metric, whole)]:
        rare = f"{whole.rarest_class_rows} rows of its rarest class"
        message = f"the holdout has {rare} and {few[0]} needs {MIN_CLASS_ROWS}"
    else:
        return
    yield Diagnostic(
        "holdout-too-small",
        message,
        help="Add labelled rows, or set aside a larger share (split.holdout of the dataset).",
        severity="warning",
    )


def _incomparable_warnings(
    champion: ScoredModel | NoBaseline, anchor: ScoredModel | NoBaseline, reason: str | None
) -> Iterator[Diagnostic]:
    """Say what cannot be measured, and whether that is accepted; or that nothing needs to be accepted."""
    both = zip(BASELINE_ROLES, (champion, anchor), strict=True)
    lost = {name: one.reason for name, one in both if isinstance(one, NoBaseline) and one.state == "incomparable"}
    for against, why in lost.items():
        yield Diagnostic(
            "champion-incomparable" if against == "champion" else "anchor-incomparable",
            f"the {against} cannot be measured on these data: {why}" + (f"; accepted: {reason}" if reason else ""),
            help="The floors decide." if reason else _INCOMPARABLE_HELP[against],
            severity="warning",
        )
    if reason and not lost:
        yield Diagnostic(
            "champion-comparable",
            "the gate accepts a champion that cannot be measured, and there is none such",
            help="Delete `acceptIncomparable` from the model's gate: it would let the next one by unseen.",
            severity="warning",
        )


_ACCEPT_HELP = (
    "If the change is meant, say why in a reviewed commit: `acceptIncomparable: REASON` in the model's gate; the floors decide"
    " then."
)
_INCOMPARABLE_HELP: Mapping[BaselineRole, str] = {
    "champion": f"Tests against it cannot be decided. {_ACCEPT_HELP}",
    "anchor": f"Tests against it cannot be decided. Name a newer version as the gate's `anchor`. {_ACCEPT_HELP}",
}


def _overall_verdict(
    requirements: Sequence[Requirement],
    results: Sequence[RequirementResult],
    rivals: Mapping[BaselineRole, BaselineEvidence],
    gate: GateSpec,
    change_kind: ChangeKind,
) -> Verdict:
    verdicts = {result.verdict for result in results}
    lost = any(
        requirement.against is not None
        and rivals[requirement.against].is_incomparable
        and requirement.when in (None, change_kind)
        for requirement in requirements
    )
    if lost and gate.accept_incomparable is None and "fail" not in verdicts:
        return "incomparable"
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
    for verdict in order:
        if verdict in verdicts:
            return verdict
    return "inconclusive"  # nothing applied: fail closed
