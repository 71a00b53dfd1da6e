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
from mlops_ci.evaluation.stats.evidence import Evidence, gather, whole
from mlops_ci.evaluation.stats.metrics import METRICS
from mlops_ci.evaluation.verdict.alignment import NO_ANCHOR, Absent, Contestant, Holdout, comparable, on_common_terms
from mlops_ci.evaluation.verdict.evidence_set import MIN_CLASS_ROWS, Case, Rival, few_of_a_class
from mlops_ci.evaluation.verdict.fairness import Gap, Name, gap
from mlops_ci.evaluation.verdict.requirements import judge
from mlops_ci.evaluation.verdict.slices import cut
from mlops_ci.evaluation.verdict.summary import no_floor, operational, sentence, values
from mlops_ci.evaluation.verdict.wording import Slice, rows_of
from mlops_ci.spec.defaults import default_metrics, default_requirements
from mlops_ci.spec.metrics import METRICS as METRIC_NAMES
from mlops_ci.spec.spec_types import Against, Evaluate, Gate, Occasion, Requirement, Task
from mlops_ci.training.predictions import Predictions, Truth

AGAINST: tuple[Against, ...] = ("champion", "anchor")


@dataclass(frozen=True)
class Judgement:
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
    excluded: Mapping[Against, int] = field(default_factory=dict)


def compare(
    task: Task,
    labels: Any,
    candidate: Contestant,
    champion: Contestant | Absent,
    gate: Gate,
    *,
    anchor: Contestant | Absent = NO_ANCHOR,
    evaluate: Evaluate | None = None,
    holdout: Holdout | None = None,
    occasion: Occasion = "changed",
    seed: int = 0,
) -> Judgement:
    """Judge a candidate on n holdout rows.

    `labels` [n] are the target as the data have it, in the predictions' order of rows. Raises Findings when a binary
    holdout has a label that is none of the candidate's two.
    """
    evaluate, holdout = evaluate or Evaluate(), holdout or Holdout()
    requirements = gate.requirements or default_requirements(task)
    wanted = tuple(
        dict.fromkeys(
            [*(evaluate.metrics or default_metrics(task)), *(requirement.metric for requirement in requirements)]
        )
    )
    strange = frozenset(metric for metric in wanted if not _of_task(metric, task, evaluate))
    measured = [metric for metric in wanted if metric not in strange and _on_rows(metric)]
    champion = comparable(task, candidate, champion, "champion")
    anchor = comparable(task, candidate, anchor, "anchor")
    models = [candidate, *(one for one in (champion, anchor) if isinstance(one, Contestant))]
    truth, sides, notes = on_common_terms(task, labels, models, holdout, evaluate)
    own = len(candidate.classes)
    rivals, alone = {}, None
    answers = iter(sides[1:])
    for against, rival in zip(AGAINST, (champion, anchor), strict=True):
        if isinstance(rival, Absent):
            rivals[against] = _without(rival, against, gate.accept_incomparable)
            continue
        theirs = next(answers)
        rivals[against] = _rival(measured, truth, sides[0], rival, theirs, holdout, gate, seed, own)
        if rival.seen is None and against == "champion":
            alone = rivals[against]  # which has the candidate's values on all rows
    case = Case(
        alone.evidence if alone and alone.evidence else gather(measured, truth, sides[0], None, seed=seed, own=own),
        gate,
        candidate,
        rivals,
        occasion,
        dict(_gaps(requirements, strange, truth, sides[0], holdout, gate)),
        strange,
    )
    by_slice = alone.by_slice if alone else dict(_by_slice(measured, truth, sides[0], None, holdout, gate, seed, own))
    results = tuple(judge(requirement, case) for requirement in requirements)
    return Judgement(
        champion.state if isinstance(champion, Absent) else "compared",
        (
            *values(case.whole.candidate, case.whole.rows, by_slice, "candidate", gate),
            *operational(candidate, wanted),
        ),
        _of_rival(rivals["champion"], champion, gate, wanted),
        results,
        _overall(requirements, results, rivals, gate, occasion),
        sentence(results, case, wanted)
        if any(result.verdict != "not-applicable" for result in results)
        else no_floor(task, case),
        (
            *notes,
            *_unseen(champion, anchor),
            *_accepted(champion, anchor, gate.accept_incomparable),
            *_too_small(case, requirements, gate),
        ),
        _of_rival(rivals["anchor"], anchor, gate, wanted),
        {against: int(one.seen.sum()) for against, one in _both(champion, anchor) if one.seen is not None},
    )


def _of_task(metric: str, task: Task, evaluate: Evaluate) -> bool:
    return metric in evaluate.custom or (metric in METRIC_NAMES and task in METRIC_NAMES[metric].tasks)


def _on_rows(metric: str) -> bool:
    return metric in METRICS or metric not in METRIC_NAMES


def _without(rival: Absent, against: Against, accepted: str | None) -> Rival:
    why = rival.why
    if rival.state == "incomparable" and accepted:
        why = f"{why}; accepted: {accepted}"
    return Rival(against, absent=why, incomparable=rival.state == "incomparable" and not accepted)


def _rival(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    rival: Contestant,
    theirs: Predictions,
    holdout: Holdout,
    gate: Gate,
    seed: int,
    own: int,
) -> Rival:
    if rival.seen is not None:
        new = np.flatnonzero(~np.asarray(rival.seen, dtype=bool))
        truth, candidate, theirs = truth.rows(new), candidate.rows(new), theirs.rows(new)
        holdout = replace(
            holdout,
            slices={name: np.asarray(values, dtype=object)[new] for name, values in holdout.slices.items()},
            conditions={name: mask[new] for name, mask in holdout.conditions.items()},
        )
    return Rival(
        rival.name,
        gather(metrics, truth, candidate, theirs, seed=seed, own=own),
        dict(_by_slice(metrics, truth, candidate, theirs, holdout, gate, seed, own)),
        rival.operational,
    )


def _of_rival(rival: Rival, model: Contestant | Absent, gate: Gate, wanted: Sequence[str]) -> tuple[MetricValue, ...]:
    if isinstance(model, Absent) or rival.evidence is None:
        return ()
    evidence = rival.evidence
    return (
        *values(evidence.champion, evidence.rows, rival.by_slice, "champion", gate),
        *operational(model, wanted),
    )


def _both(champion: Contestant | Absent, anchor: Contestant | Absent) -> Iterator[tuple[Against, Contestant]]:
    for against, one in zip(AGAINST, (champion, anchor), strict=True):
        if isinstance(one, Contestant):
            yield against, one


def _by_slice(
    metrics: Sequence[str],
    truth: Truth,
    candidate: Predictions,
    rival: Predictions | None,
    holdout: Holdout,
    gate: Gate,
    seed: int,
    own: int,
) -> Iterator[tuple[Slice, Evidence]]:
    for slice_, rows, testable in cut(holdout.slices, holdout.conditions, gate.min_slice_rows):
        one, part = None if rival is None else rival.rows(rows), truth.rows(rows)
        enough = testable and (truth.plain or whole(part.units()) >= gate.min_slice_rows)
        evidence = gather(metrics, part, candidate.rows(rows), one, seed=seed, intervals=enough, own=own)
        yield slice_, evidence


def _gaps(
    requirements: Sequence[Requirement],
    strange: frozenset[str],
    truth: Truth,
    candidate: Predictions,
    holdout: Holdout,
    gate: Gate,
) -> Iterator[tuple[tuple[str, str], Gap]]:
    for requirement in requirements:
        by = requirement.by
        if by is None or by not in holdout.parts or requirement.metric in strange:
            continue
        found = gap(cast("Name", requirement.metric), truth, candidate, holdout.parts[by], min_rows=gate.min_slice_rows)
        if found is not None:
            yield (requirement.metric, by), found


def _unseen(champion: Contestant | Absent, anchor: Contestant | Absent) -> Iterator[Diagnostic]:
    for against, one in _both(champion, anchor):
        if one.seen is None:
            continue
        count, rows = int(one.seen.sum()), len(one.seen)
        yield Diagnostic(
            "holdout-rows-seen",
            f"{one.name}, the {against}, has learned from {count:,} of the {rows:,} holdout rows: tests against it leave them out",
            help="The split has changed since it was trained. With the next release all rows count again.",
            severity="warning",
        )


def _too_small(case: Case, requirements: Sequence[Requirement], gate: Gate) -> Iterator[Diagnostic]:
    whole = case.whole
    tested = [one for one in requirements if one.metric in METRICS and one.metric not in case.strange]
    if tested and whole.independent < gate.min_rows:
        message = f"{rows_of(whole)} and the gate needs {gate.min_rows:,}: nothing can be concluded"
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


def _accepted(champion: Contestant | Absent, anchor: Contestant | Absent, reason: str | None) -> Iterator[Diagnostic]:
    """Say what cannot be measured, and whether that is accepted; or that nothing needs to be accepted."""
    both = zip(AGAINST, (champion, anchor), strict=True)
    lost = {name: one.why for name, one in both if isinstance(one, Absent) and one.state == "incomparable"}
    for against, why in lost.items():
        yield Diagnostic(
            "champion-incomparable" if against == "champion" else "anchor-incomparable",
            f"the {against} cannot be measured on these data: {why}" + (f"; accepted: {reason}" if reason else ""),
            help="The floors decide." if reason else _NOT_ACCEPTED[against],
            severity="warning",
        )
    if reason and not lost:
        yield Diagnostic(
            "champion-comparable",
            "the gate accepts a champion that cannot be measured, and there is none such",
            help="Delete `acceptIncomparable` from the model's gate: it would let the next one by unseen.",
            severity="warning",
        )


_ACCEPT = (
    "If the change is meant, say why in a reviewed commit: `acceptIncomparable: REASON` in the model's gate; the floors decide"
    " then."
)
_NOT_ACCEPTED: Mapping[Against, str] = {
    "champion": f"Tests against it cannot be decided. {_ACCEPT}",
    "anchor": f"Tests against it cannot be decided. Name a newer version as the gate's `anchor`. {_ACCEPT}",
}


def _overall(
    requirements: Sequence[Requirement],
    results: Sequence[RequirementResult],
    rivals: Mapping[Against, Rival],
    gate: Gate,
    occasion: Occasion,
) -> Verdict:
    verdicts = {result.verdict for result in results}
    lost = any(
        requirement.against is not None
        and rivals[requirement.against].incomparable
        and requirement.when in (None, occasion)
        for requirement in requirements
    )
    if lost and gate.accept_incomparable is None and "fail" not in verdicts:
        return "incomparable"
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
    for verdict in order:
        if verdict in verdicts:
            return verdict
    return "inconclusive"  # nothing applied: fail closed
