"""Candidate and older versions, scored on the held-out rows of today's data and judged by the candidate's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.data.split import SEEN_COLUMN_PREFIX, EarlierSplit, SplitSource, write_split_files
from mlops_ci.evaluation.baselines import Baseline, packaged_model
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.columns import required_columns
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.evaluation.evaluation_task import Baselines, EvaluationTask
from mlops_ci.evaluation.holdout.row_metadata import row_metadata
from mlops_ci.evaluation.holdout.sealed import remove_holdout_copy
from mlops_ci.evaluation.stats.bootstrap import seed_from_digests
from mlops_ci.evaluation.verdict.alignment import NoBaseline, ScoredModel, align
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.spec_types import BaselineRole
from mlops_ci.training.inference import custom_metrics
from mlops_ci.training.inference.cost import external_costs, measure_costs
from mlops_ci.training.inference.scoring import PackagedModel, predictions_from_table, score_models
from mlops_ci.training.predictions import Predictions, Truth, require_part


@dataclass(frozen=True)
class HoldoutRows:
    """The held-out rows: `table` has all their columns, the parquet file `features` those that models are given."""

    table: Any
    features: Path


@dataclass(frozen=True)
class _Scores:
    """The models as they were scored: the candidate, and each older version, or why it was not."""

    candidate: ScoredModel
    baselines: Mapping[BaselineRole, ScoredModel | NoBaseline]
    diagnostics: tuple[Diagnostic, ...] = ()


def evaluate(task: EvaluationTask, root: Path, scratch: Path) -> CandidateJudgement:
    """Return the answer to an evaluation task; `root` is the project's folder.

    A candidate that another job has run is not run here: that job gave its answers and costs.

    Raises Findings when the candidate cannot be scored, or the rows' weights or a user's own metrics are unusable. An
    older version that cannot be scored is incomparable.
    """
    candidate, trained, baselines = task.candidate, task.trained, task.baselines
    mine = packaged_model(candidate.model.name, trained.run, trained.folder)
    rows = _prepare_holdout_rows(root, candidate, mine, baselines, scratch)
    # the older ones first, each in a process of its own: a candidate's code must find nothing of them to touch
    found: dict[BaselineRole, ScoredModel | NoBaseline] = {}
    for against, rival in baselines.items():
        if isinstance(rival, NoBaseline):
            found[against] = rival
        elif rival.model is not None:
            twin = next((other for other in found if baselines[other] == rival), None)  # the anchor may be the champion
            found[against] = found[twin] if twin else _score_baseline(against, rival, rival.model, rows, scratch)
    if trained.predictions is not None:
        answers = predictions_from_table(mine, trained.predictions.table)
    else:
        (answers,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = ScoredModel(
        mine.name, trained.run.model_digest, answers.predictions, answers.classes, run=trained.run.key
    )
    scores = _measure_costs(task, mine, rows, _Scores(contestant, found), scratch)
    same = {
        against: replace(scores.candidate, name=rival.event.ref.name)
        for against, rival in baselines.items()
        if isinstance(rival, Baseline) and rival.is_candidate
    }
    scores = replace(scores, baselines={**scores.baselines, **same})
    scores = _add_custom_metrics(candidate, rows, scores, scratch)
    champion = baselines["champion"]
    contest = Contest(
        candidate.model.spec.task,
        rows.table[candidate.model.spec.target].to_numpy(),
        scores.candidate,
        scores.baselines["champion"],
        task.gate,
        anchor=scores.baselines["anchor"],
        evaluate=candidate.rules.evaluate,
        holdout=row_metadata(candidate, rows.table),
        change_kind=task.change_kind,
        seed=seed_from_digests(
            trained.run.key,
            champion.event.ref.oid if isinstance(champion, Baseline) else "",
            candidate.sides.split.holdout_digest,
        ),
    )
    judgement = judge_candidate(contest)
    return replace(judgement, diagnostics=(*judgement.diagnostics, *scores.diagnostics))


def paired_predictions(
    root: Path, candidate: Candidate, trained: TrainedModel, baseline: Baseline, scratch: Path
) -> tuple[Truth, tuple[Predictions, Predictions]]:
    """Return the labels of the held-out rows that both have not learned from, and two models' answers for them."""
    mine = packaged_model(candidate.model.name, trained.run, trained.folder)
    rows = _prepare_holdout_rows(root, candidate, mine, {"champion": baseline}, scratch)
    theirs = _score_baseline("champion", baseline, require_part(baseline.model), rows, scratch)
    if isinstance(theirs, NoBaseline):
        raise Findings.of("selftest-alone", f"there is no second model to compare with: {theirs.reason}")
    (answers,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = ScoredModel(mine.name, trained.run.model_digest, answers.predictions, answers.classes)
    scores = _add_custom_metrics(candidate, rows, _Scores(contestant, {"champion": theirs}), scratch)
    other = scores.baselines["champion"]
    models = [scores.candidate, *([other] if isinstance(other, ScoredModel) else [])]
    labels = rows.table[candidate.model.spec.target].to_numpy()
    aligned = align(
        candidate.model.spec.task, labels, models, row_metadata(candidate, rows.table), candidate.rules.evaluate
    )
    truth, sides = aligned.truth, aligned.predictions
    new = (
        np.flatnonzero(~np.asarray(theirs.seen_rows, dtype=bool))
        if theirs.seen_rows is not None
        else np.arange(len(truth))
    )
    return truth.select_rows(new), (sides[0].select_rows(new), sides[1].select_rows(new))


def operational_metrics(candidate: Candidate) -> frozenset[str]:
    """Return the metrics of operation that a candidate's rules name."""
    asked = {*candidate.rules.evaluate.metrics, *(requirement.metric for requirement in candidate.requirements)}
    return frozenset(
        metric for metric in asked if metric in METRIC_DEFINITIONS and METRIC_DEFINITIONS[metric].is_operational
    )


def _prepare_holdout_rows(
    root: Path, candidate: Candidate, mine: PackagedModel, baselines: Baselines, scratch: Path
) -> HoldoutRows:
    """Write and read the held-out rows; what a scoring process could find of them has no labels."""
    import pyarrow.parquet as pq

    spec = candidate.model.spec
    older = [rival for rival in baselines.values() if isinstance(rival, Baseline)]
    models = [mine, *(rival.model for rival in older if rival.model is not None)]
    inputs = tuple(dict.fromkeys((*spec.features, *(field.name for one in models for field in one.signature.inputs))))
    columns = tuple(dict.fromkeys((*inputs, *required_columns(candidate.rules))))
    earlier: dict[str, EarlierSplit] = {
        against: rival.earlier_split
        for against, rival in baselines.items()
        if isinstance(rival, Baseline) and rival.earlier_split is not None
    }
    source = SplitSource(root, candidate.dataset_by_rules, candidate.snapshot.files, candidate.sealed_holdout)
    sides = write_split_files(source, columns, spec.target, scratch, seen=earlier, order=spec.features)
    table = pq.read_table(sides.holdout)
    for rows in (sides.train, sides.holdout):
        rows.unlink()
    remove_holdout_copy(candidate)
    features = scratch / "features.parquet"
    pq.write_table(table.select([name for name in inputs if name != spec.target]), features)
    return HoldoutRows(table, features)


def _score_baseline(
    against: BaselineRole, baseline: Baseline, model: PackagedModel, rows: HoldoutRows, scratch: Path
) -> ScoredModel | NoBaseline:
    try:
        (scores,) = score_models([model], rows.features, rows=rows.table.num_rows, scratch=scratch)
    except Findings as failed:
        return NoBaseline(failed.diagnostics[0].message, "incomparable")
    seen = None
    if baseline.earlier_split is not None:
        marked = rows.table[f"{SEEN_COLUMN_PREFIX}{against}"].to_numpy()
        seen = marked if marked.any() else None
    release = baseline.release
    if seen is not None and seen.all():
        return NoBaseline(f"{model.name} has learned from every row of today's holdout", "incomparable")
    return ScoredModel(
        model.name, release.model_digest, scores.predictions, scores.classes, run=release.run_key, seen_rows=seen
    )


def _measure_costs(
    task: EvaluationTask, mine: PackagedModel, rows: HoldoutRows, scores: _Scores, scratch: Path
) -> _Scores:
    """Return everybody with what the requirements ask of their costs, and why an older version's are not known.

    Raises Findings when the candidate cannot be measured.
    """
    candidate, reported = task.candidate, task.trained.predictions
    wanted, cost_per_hour = operational_metrics(candidate), candidate.rules.evaluate.cost_per_hour
    packages = {
        rival.event.ref.oid: rival.model
        for against, rival in task.baselines.items()
        if isinstance(rival, Baseline)
        and rival.model is not None
        and isinstance(scores.baselines[against], ScoredModel)
    }
    here = [*packages.values()] if reported else [*packages.values(), mine]
    *older, own = [
        *measure_costs(here, rows.features, wanted, scratch=scratch, cost_per_hour=cost_per_hour),
        *([external_costs(reported.costs, mine, wanted, cost_per_hour)] if reported else []),
    ]
    if own.diagnostics:
        raise Findings(own.diagnostics)
    costs = dict(zip(packages, older, strict=True))
    measured = dict(scores.baselines)
    for against, rival in task.baselines.items():
        one = scores.baselines.get(against)
        if isinstance(rival, Baseline) and isinstance(one, ScoredModel):
            measured[against] = replace(one, operational_metrics=costs[rival.event.ref.oid].values)
    notes = tuple(replace(one, severity="warning") for each in older for one in each.diagnostics)
    return _Scores(replace(scores.candidate, operational_metrics=own.values), measured, notes)


def _add_custom_metrics(candidate: Candidate, rows: HoldoutRows, scores: _Scores, scratch: Path) -> _Scores:
    """Return everybody with what the user's own metrics give for their rows."""
    spec, rules = candidate.model.spec, candidate.rules
    names = [against for against, one in scores.baselines.items() if isinstance(one, ScoredModel)]
    models = [scores.candidate, *(one for one in scores.baselines.values() if isinstance(one, ScoredModel))]
    beside = {name for one in rules.evaluate.custom.values() for name in one.columns}
    given = rows.table.select(list(dict.fromkeys((*spec.features, *sorted(beside)))))
    found = custom_metrics.custom_metric_values(
        rules.evaluate.custom,
        [(one.name, one.predictions, one.classes) for one in models],
        custom_metrics.LabelledRows(spec.task, rows.table[spec.target], given),
        root=rules.metric_root,
        scratch=scratch,
    )
    own = [
        replace(one, predictions=replace(one.predictions, own=values))
        for one, values in zip(models, found, strict=True)
    ]
    return replace(scores, candidate=own[0], baselines={**scores.baselines, **dict(zip(names, own[1:], strict=True))})
