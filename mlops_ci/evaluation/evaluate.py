"""Scores a candidate and its baselines on today's holdout, and tests the candidate by the gate's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.data.earlier_splits import EarlierSplit
from mlops_ci.data.split import SEEN_COLUMN_PREFIX, SplitSource, write_split_files
from mlops_ci.evaluation.baselines import Baseline, packaged_model
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.columns import required_columns
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.evaluation.evaluation_task import Baselines, EvaluationTask
from mlops_ci.evaluation.holdout.row_metadata import row_metadata
from mlops_ci.evaluation.holdout.sealed import remove_holdout_copy
from mlops_ci.evaluation.stats.bootstrap import seed_from_digests
from mlops_ci.evaluation.verdict.alignment import NoBaseline, ScoredModel, align, order_classes
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.evaluation.verdict.contest import Contest
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.spec_types import BaselineRole
from mlops_ci.training.golden import personal_inputs
from mlops_ci.training.inference import custom_metrics
from mlops_ci.training.inference.cost import external_costs, measure_costs
from mlops_ci.training.inference.scoring import PackagedModel, predictions_from_table, score_models
from mlops_ci.training.predictions import Predictions, Truth, require_part
from mlops_ci.training.withheld import withhold_texts


@dataclass(frozen=True)
class HoldoutRows:
    """The holdout rows: `table` has all needed columns; the parquet file `features` has the models' input columns only."""

    table: Any
    features: Path


@dataclass(frozen=True)
class _Scores:
    """The scored candidate, and each scored baseline or the reason why it has no scores."""

    candidate: ScoredModel
    baselines: Mapping[BaselineRole, ScoredModel | NoBaseline]
    diagnostics: tuple[Diagnostic, ...] = ()


def evaluate(task: EvaluationTask, root: Path, scratch: Path) -> CandidateJudgement:
    """Return the gate's results for an evaluation task; `root` is the project's folder.

    When another job has already run the candidate, this function uses that job's predictions and costs. A baseline that
    cannot be scored is incomparable. Raises Findings when the candidate cannot be scored, or when the rows' weights or a
    custom metric are unusable.
    """
    candidate, trained, baselines = task.candidate, task.trained, task.baselines
    mine = packaged_model(candidate.model.name, trained.run, trained.folder)
    rows = _prepare_holdout_rows(root, candidate, mine, baselines, scratch)
    # score the baselines first, each in its own process, so that the candidate's code cannot change their scores
    scored: dict[BaselineRole, ScoredModel | NoBaseline] = {}
    for against, baseline in baselines.items():
        if isinstance(baseline, NoBaseline):
            scored[against] = baseline
        elif baseline.model is not None:
            same = next((other for other in scored if baselines[other] == baseline), None)  # anchor == champion
            scored[against] = (
                scored[same] if same else _score_baseline(against, baseline, baseline.model, rows, scratch)
            )
    if trained.predictions is not None:
        answers = predictions_from_table(mine, trained.predictions.table)
    else:
        (answers,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    scored_candidate = ScoredModel(
        mine.name, trained.run.model_digest, answers.predictions, answers.classes, run=trained.run.key
    )
    scores = _measure_costs(task, mine, rows, _Scores(scored_candidate, scored), scratch)
    candidate_as_baseline = {
        against: replace(scores.candidate, name=baseline.event.ref.name)
        for against, baseline in baselines.items()
        if isinstance(baseline, Baseline) and baseline.is_candidate
    }
    scores = _order_all_classes(replace(scores, baselines={**scores.baselines, **candidate_as_baseline}), candidate)
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
    """Return the truth and both models' predictions on the holdout rows that the baseline was not trained on.

    Raises Findings `selftest-alone` when the baseline cannot be scored.
    """
    mine = packaged_model(candidate.model.name, trained.run, trained.folder)
    rows = _prepare_holdout_rows(root, candidate, mine, {"champion": baseline}, scratch)
    theirs = _score_baseline("champion", baseline, require_part(baseline.model), rows, scratch)
    if isinstance(theirs, NoBaseline):
        raise Findings.of("selftest-alone", f"there is no second model to compare this one with: {theirs.reason}")
    (answers,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    scored_candidate = ScoredModel(mine.name, trained.run.model_digest, answers.predictions, answers.classes)
    scores = _order_all_classes(_Scores(scored_candidate, {"champion": theirs}), candidate)
    scores = _add_custom_metrics(candidate, rows, scores, scratch)
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
    """Return the operational metrics (time, size, price) that a candidate's rules name."""
    named = {*candidate.rules.evaluate.metrics, *(requirement.metric for requirement in candidate.requirements)}
    return frozenset(
        metric for metric in named if metric in METRIC_DEFINITIONS and METRIC_DEFINITIONS[metric].is_operational
    )


def _prepare_holdout_rows(
    root: Path, candidate: Candidate, mine: PackagedModel, baselines: Baselines, scratch: Path
) -> HoldoutRows:
    """Return the holdout rows; no file with their labels is left where a scoring process could find it."""
    import pyarrow.parquet as pq

    spec = candidate.model.spec
    existing = [baseline for baseline in baselines.values() if isinstance(baseline, Baseline)]
    models = [mine, *(baseline.model for baseline in existing if baseline.model is not None)]
    inputs = tuple(dict.fromkeys((*spec.features, *(field.name for one in models for field in one.signature.inputs))))
    columns = tuple(dict.fromkeys((*inputs, *required_columns(candidate.rules))))
    earlier: dict[str, EarlierSplit] = {
        against: baseline.earlier_split
        for against, baseline in baselines.items()
        if isinstance(baseline, Baseline) and baseline.earlier_split is not None
    }
    source = SplitSource(root, candidate.dataset_by_rules, candidate.snapshot.files, candidate.sealed_holdout)
    sides = write_split_files(
        source, columns, spec.target, scratch, seen=earlier, order=spec.features, sides=("holdout",)
    )
    with pq.ParquetFile(sides.holdout) as file:  # not read_table, which imports pandas (0.5 s of CPU)
        table = file.read()
    sides.holdout.unlink()
    remove_holdout_copy(candidate)
    features = scratch / "features.parquet"
    pq.write_table(table.select([name for name in inputs if name != spec.target]), features)
    return HoldoutRows(table, features)


def _order_all_classes(scores: _Scores, candidate: Candidate) -> _Scores:
    """Return the scores with the positive class last. A baseline without that class predicts other labels, and stays."""
    if candidate.model.spec.task != "binary-classification":
        return scores
    named = candidate.rules.positive
    mine = order_classes(scores.candidate, named)
    baselines = {
        against: order_classes(one, named)
        if isinstance(one, ScoredModel) and set(one.classes) == set(mine.classes)
        else one
        for against, one in scores.baselines.items()
    }
    return replace(scores, candidate=mine, baselines=baselines)


def _score_baseline(
    against: BaselineRole, baseline: Baseline, model: PackagedModel, rows: HoldoutRows, scratch: Path
) -> ScoredModel | NoBaseline:
    try:
        (scores,) = score_models([model], rows.features, rows=rows.table.num_rows, scratch=scratch)
    except Findings as error:
        return NoBaseline(error.diagnostics[0].message, "incomparable")
    seen = None
    if baseline.earlier_split is not None:
        marked = rows.table[f"{SEEN_COLUMN_PREFIX}{against}"].to_numpy()
        seen = marked if marked.any() else None
    release = baseline.release
    if seen is not None and seen.all():
        return NoBaseline(f"{model.name} was trained on every row of the current holdout", "incomparable")
    return ScoredModel(
        model.name, release.model_digest, scores.predictions, scores.classes, run=release.run_key, seen_rows=seen
    )


def _measure_costs(
    task: EvaluationTask, mine: PackagedModel, rows: HoldoutRows, scores: _Scores, scratch: Path
) -> _Scores:
    """Return the scores with the required operational metrics, and warnings for baselines that could not be measured.

    Raises Findings when the candidate cannot be measured.
    """
    candidate, reported = task.candidate, task.trained.predictions
    wanted, cost_per_hour = operational_metrics(candidate), candidate.rules.evaluate.cost_per_hour
    packages = {
        baseline.event.ref.oid: baseline.model
        for against, baseline in task.baselines.items()
        if isinstance(baseline, Baseline)
        and baseline.model is not None
        and isinstance(scores.baselines[against], ScoredModel)
    }
    to_measure = [*packages.values()] if reported else [*packages.values(), mine]
    *baseline_costs, own = [
        *measure_costs(to_measure, rows.features, wanted, scratch=scratch, cost_per_hour=cost_per_hour),
        *([external_costs(reported.costs, mine, wanted, cost_per_hour)] if reported else []),
    ]
    if own.diagnostics:
        raise Findings(own.diagnostics)
    costs = dict(zip(packages, baseline_costs, strict=True))
    measured = dict(scores.baselines)
    for against, baseline in task.baselines.items():
        scored = scores.baselines.get(against)
        if isinstance(baseline, Baseline) and isinstance(scored, ScoredModel):
            measured[against] = replace(scored, operational_metrics=costs[baseline.event.ref.oid].values)
    warnings = tuple(replace(one, severity="warning") for cost in baseline_costs for one in cost.diagnostics)
    return _Scores(replace(scores.candidate, operational_metrics=own.values), measured, warnings)


def _add_custom_metrics(candidate: Candidate, rows: HoldoutRows, scores: _Scores, scratch: Path) -> _Scores:
    """Return the scores with the values of the user's custom metrics for each row."""
    spec, rules = candidate.model.spec, candidate.rules
    names = [against for against, one in scores.baselines.items() if isinstance(one, ScoredModel)]
    models = [scores.candidate, *(one for one in scores.baselines.values() if isinstance(one, ScoredModel))]
    extra_columns = {name for one in rules.evaluate.custom.values() for name in one.columns}
    table = rows.table.select(list(dict.fromkeys((*spec.features, *sorted(extra_columns)))))
    try:
        values_by_model = custom_metrics.custom_metric_values(
            rules.evaluate.custom,
            [(one.name, one.predictions, one.classes) for one in models],
            custom_metrics.LabelledRows(spec.task, rows.table[spec.target], table),
            root=rules.metric_root,
            scratch=scratch,
        )
    except Findings as failed:
        if not personal_inputs((*table.column_names, spec.target), candidate.dataset.spec):
            raise
        raise Findings(withhold_texts(failed.diagnostics)) from failed
    own = [
        replace(one, predictions=replace(one.predictions, own=values))
        for one, values in zip(models, values_by_model, strict=True)
    ]
    return replace(scores, candidate=own[0], baselines={**scores.baselines, **dict(zip(names, own[1:], strict=True))})
