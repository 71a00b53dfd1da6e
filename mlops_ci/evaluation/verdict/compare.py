"""The gate's answer: labels and two or three models' predictions in; intervals, a verdict per requirement and one sentence out.

Every test is one-sided at alpha = 1 - confidence. "Pass" needs evidence for, "fail" evidence against; all else is
inconclusive, with the labelled rows that would decide it.
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


def judge_candidate(contest: Contest) -> CandidateJudgement:
    """Judge a candidate on the rows of a holdout.

    Raises Findings when a binary holdout has a label that is none of the candidate's two.
    """
    task, gate, candidate, wanted = contest.task, contest.gate, contest.candidate, contest.metrics
    contest = _with_comparable_baselines(contest)
    unknown = frozenset(metric for metric in wanted if not _is_metric_of_task(metric, task, contest.evaluate))
    models = [candidate, *(one for one in contest.baselines.values() if isinstance(one, ScoredModel))]
    aligned = align(task, contest.labels, models, contest.holdout, contest.evaluate)
    measured = tuple(metric for metric in wanted if metric not in unknown and _is_computed_from_rows(metric))
    sample = _Sample(measured, aligned.truth, aligned.predictions[0], contest)
    evidence = dict(_baseline_evidence(sample, aligned.predictions[1:]))
    # of a champion that has seen none of the rows, the evidence has the candidate's values on all of them
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
    """Rows with the candidate's answers for them, and the metrics that are computed from rows."""

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
    """Yield what is known of each older version; `answers` are those of the ones that there are, in the order of roles."""
    theirs = iter(answers)
    for against, one in sample.contest.baselines.items():
        if isinstance(one, NoBaseline):
            yield against, _missing_baseline_evidence(one, against, sample.contest.gate.accept_incomparable)
        else:
            yield against, _measure_baseline(sample, one, next(theirs))


def _is_metric_of_task(metric: str, task: Task, evaluate: EvaluateSpec) -> bool:
    if metric in evaluate.custom:
        return True
    definition = find_metric(metric)
    return definition is not None and task in definition.tasks


def _is_computed_from_rows(metric: str) -> bool:
    return metric in METRICS or metric not in METRIC_NAMES


def _missing_baseline_evidence(rival: NoBaseline, against: BaselineRole, accepted: str | None) -> BaselineEvidence:
    if rival.state != "incomparable":
        absence = Reason("same-model", baseline=rival.name) if rival.state == "same" else Reason("no-baseline")
        return BaselineEvidence(against, absence=absence, absence_reason=rival.reason)
    absence = Reason("incomparable", why=rival.reason, accepted=accepted or None)
    why = f"{rival.reason}; accepted: {accepted}" if accepted else rival.reason
    return BaselineEvidence(against, absence=absence, absence_reason=why, is_incomparable=not accepted)


def _measure_baseline(sample: _Sample, rival: ScoredModel, theirs: Predictions) -> BaselineEvidence:
    if rival.seen_rows is not None:
        new = np.flatnonzero(~np.asarray(rival.seen_rows, dtype=bool))
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
        theirs = theirs.select_rows(new)
    return BaselineEvidence(
        rival.name,
        _measure_rows(sample, theirs),
        dict(_measure_slices(sample, theirs)),
        rival.operational_metrics,
    )


def _measure_rows(sample: _Sample, rival: Predictions | None, *, intervals: bool = True) -> MetricEvidence:
    contest = sample.contest
    return measure_evidence(
        sample.metrics,
        sample.truth,
        sample.candidate,
        rival,
        seed=contest.seed,
        intervals=intervals,
        candidate_classes=len(contest.candidate.classes),
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


def _existing_baselines(contest: Contest) -> Iterator[tuple[BaselineRole, ScoredModel]]:
    for against, one in contest.baselines.items():
        if isinstance(one, ScoredModel):
            yield against, one


def _measure_slices(sample: _Sample, rival: Predictions | None) -> Iterator[tuple[Slice, MetricEvidence]]:
    holdout, least, truth = sample.contest.holdout, sample.contest.gate.min_slice_rows, sample.truth
    for one in cut_slices(holdout.slices, holdout.conditions, least):
        part = replace(sample, truth=truth.select_rows(one.rows), candidate=sample.candidate.select_rows(one.rows))
        enough = one.is_testable and (
            truth.has_equal_independent_rows or whole_rows(part.truth.effective_sample_size()) >= least
        )
        theirs = None if rival is None else rival.select_rows(one.rows)
        yield one.name, _measure_rows(part, theirs, intervals=enough)


def _measure_gaps(sample: _Sample, unknown: frozenset[str]) -> Iterator[tuple[tuple[str, str], FairnessGap]]:
    holdout, gate = sample.contest.holdout, sample.contest.gate
    for requirement in sample.contest.requirements:
        by = requirement.by
        if by is None or by not in holdout.fairness_columns or requirement.metric in unknown:
            continue
        found = measure_fairness_gap(
            cast("FairnessMetric", requirement.metric),
            sample.truth,
            sample.candidate,
            holdout.fairness_columns[by],
            min_rows=gate.min_slice_rows,
        )
        if found is not None:
            yield (requirement.metric, by), found


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
        message = f"{describe_rows(whole)} and the gate needs {gate.min_rows:,}: every test is inconclusive"
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


def _incomparable_warnings(contest: Contest) -> Iterator[Diagnostic]:
    """Say what cannot be measured, and whether that is accepted; or that nothing needs to be accepted."""
    reason, both = contest.gate.accept_incomparable, contest.baselines.items()
    lost = {name: one.reason for name, one in both if isinstance(one, NoBaseline) and one.state == "incomparable"}
    for against, why in lost.items():
        yield Diagnostic(
            "champion-incomparable" if against == "champion" else "anchor-incomparable",
            f"the {against} cannot be scored on these data: {why}" + (f"; accepted: {reason}" if reason else ""),
            help="The requirements without a baseline decide." if reason else _INCOMPARABLE_HELP[against],
            severity="warning",
        )
    if reason and not lost:
        yield Diagnostic(
            "champion-comparable",
            "the gate has `acceptIncomparable`, but every baseline can be scored",
            help="Delete `acceptIncomparable` from the model's gate: otherwise it also accepts the next incomparable baseline,"
            " and nobody reviews that.",
            severity="warning",
        )


_ACCEPT_HELP = (
    "If the change is intended, add `acceptIncomparable: REASON` to the model's gate in a reviewed commit; then the requirements"
    " without a baseline decide."
)
_INCOMPARABLE_HELP: Mapping[BaselineRole, str] = {
    "champion": f"Tests against it are inconclusive. {_ACCEPT_HELP}",
    "anchor": f"Tests against it are inconclusive. Name a newer version as the gate's `anchor`. {_ACCEPT_HELP}",
}


def _overall_verdict(
    contest: Contest, results: Sequence[RequirementResult], evidence: Mapping[BaselineRole, BaselineEvidence]
) -> Verdict:
    lost = any(
        requirement.against is not None
        and evidence[requirement.against].is_incomparable
        and requirement.when in (None, contest.change_kind)
        for requirement in contest.requirements
    )
    follows = verdict_that_follows(results)  # inconclusive where nothing applied: fail closed
    accepted = contest.gate.accept_incomparable is not None
    return "incomparable" if lost and not accepted and follows != "fail" else follows
