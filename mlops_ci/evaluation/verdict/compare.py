"""The gate's judgement: from labels and the predictions of two or three models to intervals, verdicts and one sentence.

Every test is one-sided at alpha = 1 - confidence. A requirement passes when there is evidence for it, and fails when there
is evidence against it. Otherwise it is inconclusive, and the result says how many more labelled rows would decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records.comparison import MetricValue, Verdict
from mlops_ci.core.requirement_consistency import verdict_that_follows
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.evaluation.stats.evidence import MetricEvidence, measure_evidence, whole_rows
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.evaluation.verdict.alignment import NoBaseline, ScoredModel, align, comparable_baseline
from mlops_ci.evaluation.verdict.contest import Contest
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
from mlops_ci.spec.metrics import METRIC_DEFINITIONS as METRIC_NAMES
from mlops_ci.spec.metrics import find_metric
from mlops_ci.spec.spec_types import BaselineRole, EvaluateSpec, GateSpec, Requirement, Task
from mlops_ci.training.predictions import Predictions, Truth


@dataclass(frozen=True)
class CandidateJudgement:
    """The gate's results about a candidate.

    `metrics` are the candidate's, on all rows. `champion_metrics` and `anchor_metrics` are on the rows that the baseline
    was not trained on. `excluded_rows` counts the rows that a baseline was trained on, which tests against it leave out.
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


def judge_candidate(contest: Contest) -> CandidateJudgement:
    """Return the gate's results about a candidate on the rows of a holdout.

    Raises Findings `holdout-label-unknown` when a binary holdout has a label that the candidate does not know.
    """
    task, gate, candidate, wanted = contest.task, contest.gate, contest.candidate, contest.metrics
    contest = _with_comparable_baselines(contest)
    unknown = frozenset(metric for metric in wanted if not _is_metric_of_task(metric, task, contest.evaluate))
    models = [candidate, *(one for one in contest.baselines.values() if isinstance(one, ScoredModel))]
    aligned = align(task, contest.labels, models, contest.holdout, contest.evaluate)
    measured = tuple(metric for metric in wanted if metric not in unknown and _is_computed_from_rows(metric))
    sample = _Sample(measured, aligned.truth, aligned.predictions[0], contest)
    evidence = dict(_baseline_evidence(sample, aligned.predictions[1:]))
    # when the champion was trained on none of the rows, its evidence already has the candidate's values on all rows
    champion = contest.champion
    alone = evidence["champion"] if isinstance(champion, ScoredModel) and champion.seen_rows is None else None
    case = EvidenceSet(
        alone.evidence if alone and alone.evidence else _measure_rows(sample, None),
        gate,
        candidate,
        evidence,
        contest.change_kind,
        dict(_measure_gaps(sample, unknown)),
        unknown,
    )
    by_slice = alone.by_slice if alone else dict(_measure_slices(sample, None))
    results = tuple(judge_requirement(requirement, case) for requirement in contest.requirements)
    return CandidateJudgement(
        champion.state if isinstance(champion, NoBaseline) else "compared",
        (
            *metric_values(case.overall_evidence.candidate, case.overall_evidence.rows, by_slice, "candidate", gate),
            *operational_values(candidate, wanted),
        ),
        _baseline_metrics(evidence["champion"], champion, gate, wanted),
        results,
        _overall_verdict(contest, results, evidence),
        comparison_sentence(results, case, wanted)
        if any(result.verdict != "not-applicable" for result in results)
        else no_floor_sentence(task, case),
        (
            *aligned.diagnostics,
            *_seen_rows_warnings(contest),
            *_incomparable_warnings(contest),
            *_sample_size_warnings(case, contest.requirements, gate),
        ),
        _baseline_metrics(evidence["anchor"], contest.anchor, gate, wanted),
        {
            against: int(one.seen_rows.sum())
            for against, one in _existing_baselines(contest)
            if one.seen_rows is not None
        },
    )


@dataclass(frozen=True)
class _Sample:
    """The rows under test: truth, the candidate's predictions, and the metrics that are computed from rows."""

    metrics: tuple[str, ...]
    truth: Truth
    candidate: Predictions
    contest: Contest


def _with_comparable_baselines(contest: Contest) -> Contest:
    compared = {
        against: comparable_baseline(contest.task, contest.candidate, one, against)
        for against, one in contest.baselines.items()
    }
    return replace(contest, champion=compared["champion"], anchor=compared["anchor"])


def _baseline_evidence(
    sample: _Sample, answers: Sequence[Predictions]
) -> Iterator[tuple[BaselineRole, BaselineEvidence]]:
    """Yield the evidence against each baseline; `answers` are the predictions of the existing ones, in the order of roles."""
    remaining = iter(answers)
    for against, baseline in sample.contest.baselines.items():
        if isinstance(baseline, NoBaseline):
            yield against, _missing_baseline_evidence(baseline, against, sample.contest.gate.accept_incomparable)
        else:
            yield against, _measure_baseline(sample, baseline, next(remaining))


def _is_metric_of_task(metric: str, task: Task, evaluate: EvaluateSpec) -> bool:
    if metric in evaluate.custom:
        return True
    definition = find_metric(metric)
    return definition is not None and task in definition.tasks


def _is_computed_from_rows(metric: str) -> bool:
    return metric in METRICS or metric not in METRIC_NAMES


def _missing_baseline_evidence(missing: NoBaseline, against: BaselineRole, accepted: str | None) -> BaselineEvidence:
    if missing.state != "incomparable":
        absence = Reason("same-model", baseline=missing.name) if missing.state == "same" else Reason("no-baseline")
        return BaselineEvidence(against, absence=absence, absence_reason=missing.reason)
    absence = Reason("incomparable", why=missing.reason, accepted=accepted or None)
    why = f"{missing.reason}; accepted: {accepted}" if accepted else missing.reason
    return BaselineEvidence(against, absence=absence, absence_reason=why, is_incomparable=not accepted)


def _measure_baseline(sample: _Sample, baseline: ScoredModel, predictions: Predictions) -> BaselineEvidence:
    if baseline.seen_rows is not None:
        new = np.flatnonzero(~np.asarray(baseline.seen_rows, dtype=bool))
        holdout = sample.contest.holdout
        holdout = replace(
            holdout,
            slices={name: np.asarray(values, dtype=object)[new] for name, values in holdout.slices.items()},
            conditions={name: mask[new] for name, mask in holdout.conditions.items()},
        )
        contest = replace(sample.contest, holdout=holdout)
        sample = replace(
            sample,
            truth=sample.truth.select_rows(new),
            candidate=sample.candidate.select_rows(new),
            contest=contest,
        )
        predictions = predictions.select_rows(new)
    return BaselineEvidence(
        baseline.name,
        _measure_rows(sample, predictions),
        dict(_measure_slices(sample, predictions)),
        baseline.operational_metrics,
    )


def _measure_rows(sample: _Sample, baseline: Predictions | None, *, intervals: bool = True) -> MetricEvidence:
    contest = sample.contest
    return measure_evidence(
        sample.metrics,
        sample.truth,
        sample.candidate,
        baseline,
        seed=contest.seed,
        intervals=intervals,
        candidate_classes=len(contest.candidate.classes),
    )


def _baseline_metrics(
    baseline: BaselineEvidence, model: ScoredModel | NoBaseline, gate: GateSpec, wanted: Sequence[str]
) -> tuple[MetricValue, ...]:
    if isinstance(model, NoBaseline) or baseline.evidence is None:
        return ()
    evidence = baseline.evidence
    return (
        *metric_values(evidence.champion, evidence.rows, baseline.by_slice, "champion", gate),
        *operational_values(model, wanted),
    )


def _existing_baselines(contest: Contest) -> Iterator[tuple[BaselineRole, ScoredModel]]:
    for against, one in contest.baselines.items():
        if isinstance(one, ScoredModel):
            yield against, one


def _measure_slices(sample: _Sample, baseline: Predictions | None) -> Iterator[tuple[Slice, MetricEvidence]]:
    holdout, min_rows, truth = sample.contest.holdout, sample.contest.gate.min_slice_rows, sample.truth
    for one in cut_slices(holdout.slices, holdout.conditions, min_rows):
        part = replace(sample, truth=truth.select_rows(one.rows), candidate=sample.candidate.select_rows(one.rows))
        has_enough_rows = one.is_testable and (
            truth.has_equal_independent_rows or whole_rows(part.truth.effective_sample_size()) >= min_rows
        )
        predictions = None if baseline is None else baseline.select_rows(one.rows)
        yield one.name, _measure_rows(part, predictions, intervals=has_enough_rows)


def _measure_gaps(sample: _Sample, unknown: frozenset[str]) -> Iterator[tuple[tuple[str, str], FairnessGap]]:
    holdout, gate = sample.contest.holdout, sample.contest.gate
    for requirement in sample.contest.requirements:
        by = requirement.by
        if by is None or by not in holdout.fairness_columns or requirement.metric in unknown:
            continue
        gap = measure_fairness_gap(
            cast("FairnessMetric", requirement.metric),
            sample.truth,
            sample.candidate,
            holdout.fairness_columns[by],
            min_rows=gate.min_slice_rows,
        )
        if gap is not None:
            yield (requirement.metric, by), gap


def _seen_rows_warnings(contest: Contest) -> Iterator[Diagnostic]:
    for against, one in _existing_baselines(contest):
        if one.seen_rows is None:
            continue
        count, rows = int(one.seen_rows.sum()), len(one.seen_rows)
        yield Diagnostic(
            "holdout-rows-seen",
            f"{one.name}, the {against}, was trained on {count:,} of the {rows:,} holdout rows: tests against it leave them out",
            help="The split has changed since that version was trained. After the next release, tests use all rows again.",
            severity="warning",
        )


def _sample_size_warnings(
    case: EvidenceSet, requirements: Sequence[Requirement], gate: GateSpec
) -> Iterator[Diagnostic]:
    whole = case.overall_evidence
    tested = [one for one in requirements if one.metric in METRICS and one.metric not in case.unknown_metrics]
    if tested and whole.independent_rows < gate.min_rows:
        message = f"{describe_rows(whole)}, but the gate needs {gate.min_rows:,}: every test is inconclusive"
    elif few := [requirement.metric for requirement in tested if has_too_few_class_rows(requirement.metric, whole)]:
        rare = f"{whole.rarest_class_rows} rows of its rarest class"
        message = f"the holdout has {rare}, but {few[0]} needs {MIN_CLASS_ROWS}"
    else:
        return
    yield Diagnostic(
        "holdout-too-small",
        message,
        help="Add labelled rows, or set aside a larger share (split.holdout of the dataset).",
        severity="warning",
    )


def _incomparable_warnings(contest: Contest) -> Iterator[Diagnostic]:
    """Yield a warning for each incomparable baseline, or one when `acceptIncomparable` is set without need."""
    reason, both = contest.gate.accept_incomparable, contest.baselines.items()
    incomparable = {
        name: one.reason for name, one in both if isinstance(one, NoBaseline) and one.state == "incomparable"
    }
    for against, why in incomparable.items():
        yield Diagnostic(
            "champion-incomparable" if against == "champion" else "anchor-incomparable",
            f"the {against} cannot be scored on these data: {why}" + (f"; accepted: {reason}" if reason else ""),
            help="The verdict depends only on the requirements without a baseline."
            if reason
            else _INCOMPARABLE_HELP[against],
            severity="warning",
        )
    if reason and not incomparable:
        yield Diagnostic(
            "champion-comparable",
            "the gate has `acceptIncomparable`, but every baseline can be scored",
            help="Delete `acceptIncomparable` from the model's gate: otherwise the gate also accepts the next"
            " incomparable baseline, without a review.",
            severity="warning",
        )


_ACCEPT_HELP = (
    "If the change is intended, add `acceptIncomparable: REASON` to the model's gate in a reviewed commit; then the verdict depends"
    " only on the requirements without a baseline."
)
_INCOMPARABLE_HELP: Mapping[BaselineRole, str] = {
    "champion": f"Tests against it are inconclusive. {_ACCEPT_HELP}",
    "anchor": f"Tests against it are inconclusive. Name a newer version as the gate's `anchor`. {_ACCEPT_HELP}",
}


def _overall_verdict(
    contest: Contest, results: Sequence[RequirementResult], evidence: Mapping[BaselineRole, BaselineEvidence]
) -> Verdict:
    is_incomparable = any(
        requirement.against is not None
        and evidence[requirement.against].is_incomparable
        and requirement.when in (None, contest.change_kind)
        for requirement in contest.requirements
    )
    verdict = verdict_that_follows(results)  # inconclusive when no requirement applied: nothing passes without evidence
    accepted = contest.gate.accept_incomparable is not None
    return "incomparable" if is_incomparable and not accepted and verdict != "fail" else verdict
