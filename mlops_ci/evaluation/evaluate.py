"""Candidate and older versions, scored on the held-out rows of today's data and judged by the candidate's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.core.records import TrainingRun
from mlops_ci.data.split import SEEN_COLUMN_PREFIX, EarlierSplit, write_split_files
from mlops_ci.evaluation.baselines import Baseline, packaged_model
from mlops_ci.evaluation.candidates.candidate import Candidate, required_columns
from mlops_ci.evaluation.holdout.row_metadata import row_metadata
from mlops_ci.evaluation.holdout.sealed import remove_holdout_copy
from mlops_ci.evaluation.stats.bootstrap import seed_from_digests
from mlops_ci.evaluation.verdict.alignment import NoBaseline, ScoredModel, align
from mlops_ci.evaluation.verdict.compare import CandidateJudgement, judge_candidate
from mlops_ci.repository.context import Project
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, GateSpec
from mlops_ci.training.inference import custom_metrics
from mlops_ci.training.inference.cost import external_costs, measure_costs
from mlops_ci.training.inference.scoring import PackagedModel, predictions_from_table, score_models
from mlops_ci.training.predictions import Predictions, Truth, require_part
from mlops_ci.training.workers.protocol import ModelCosts

Baselines = Mapping[BaselineRole, Baseline | NoBaseline]


@dataclass(frozen=True)
class HoldoutRows:
    """The held-out rows: `table` has all their columns, the parquet file `features` those that models are given."""

    table: Any
    features: Path


@dataclass(frozen=True)
class ExternalPredictions:
    """A model's answers for the held-out rows, as a pyarrow table with one row each, and what it costs to run.

    They come from a job that ran the model and had no labels.
    """

    table: Any
    costs: ModelCosts


def evaluate(
    project: Project,
    candidate: Candidate,
    run: TrainingRun,
    folder: Path,
    baselines: Baselines,
    gate: GateSpec,
    occasion: ChangeKind,
    scratch: Path,
    external_predictions: ExternalPredictions | None = None,
) -> CandidateJudgement:
    """Return the gate's answer about the model in `folder`; `gate` has the confidence of each test.

    With `given` the candidate is not run here: these are its answers and costs.

    Raises Findings when the candidate cannot be scored, or the rows' weights or a user's own metrics are unusable. An
    older version that cannot be scored is incomparable.
    """
    mine = packaged_model(candidate.model.name, run, run.files, run.trusted, folder)
    rows = _prepare_holdout_rows(project, candidate, mine, baselines, scratch)
    # the older ones first, each in a process of its own: a candidate's code must find nothing of them to touch
    found: dict[BaselineRole, ScoredModel | NoBaseline] = {}
    for against, rival in baselines.items():
        if isinstance(rival, NoBaseline):
            found[against] = rival
        elif rival.model is not None:
            twin = next((other for other in found if baselines[other] == rival), None)  # the anchor may be the champion
            found[against] = found[twin] if twin else _score_baseline(against, rival, rival.model, rows, scratch)
    if external_predictions is not None:
        scores = predictions_from_table(mine, external_predictions.table)
    else:
        (scores,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = ScoredModel(mine.name, run.model_digest, scores.predictions, scores.classes, run=run.key)
    cost_per_hour = candidate.rules.evaluate.cost_per_hour
    costs = (
        external_costs(external_predictions.costs, mine, operational_metrics(candidate), cost_per_hour)
        if external_predictions
        else None
    )
    contestant, found, notes = _measure_costs(candidate, rows, (mine, contestant, costs), baselines, found, scratch)
    found |= {
        against: replace(contestant, name=rival.event.ref.name)
        for against, rival in baselines.items()
        if isinstance(rival, Baseline) and rival.is_candidate
    }
    contestant, found = _add_custom_metrics(candidate, rows, contestant, found, scratch)
    champion = baselines["champion"]
    judgement = judge_candidate(
        candidate.model.spec.task,
        rows.table[candidate.model.spec.target].to_numpy(),
        contestant,
        found["champion"],
        gate,
        anchor=found["anchor"],
        evaluate=candidate.rules.evaluate,
        holdout=row_metadata(candidate, rows.table),
        change_kind=occasion,
        seed=seed_from_digests(
            run.key,
            champion.event.ref.oid if isinstance(champion, Baseline) else "",
            candidate.sides.split.holdout_digest,
        ),
    )
    return replace(judgement, diagnostics=(*judgement.diagnostics, *notes))


def paired_predictions(
    project: Project, candidate: Candidate, run: TrainingRun, folder: Path, baseline: Baseline, scratch: Path
) -> tuple[Truth, tuple[Predictions, Predictions]]:
    """Return the labels of the held-out rows that both have not learned from, and two models' answers for them."""
    mine = packaged_model(candidate.model.name, run, run.files, run.trusted, folder)
    rows = _prepare_holdout_rows(project, candidate, mine, {"champion": baseline}, scratch)
    theirs = _score_baseline("champion", baseline, require_part(baseline.model), rows, scratch)
    if isinstance(theirs, NoBaseline):
        raise Findings.of("selftest-alone", f"there is no second model to compare with: {theirs.reason}")
    (scores,) = score_models([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = ScoredModel(mine.name, run.model_digest, scores.predictions, scores.classes)
    contestant, found = _add_custom_metrics(candidate, rows, contestant, {"champion": theirs}, scratch)
    other = found["champion"]
    models = [contestant, *([other] if isinstance(other, ScoredModel) else [])]
    labels = rows.table[candidate.model.spec.target].to_numpy()
    truth, sides, _ = align(
        candidate.model.spec.task, labels, models, row_metadata(candidate, rows.table), candidate.rules.evaluate
    )
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
    project: Project, candidate: Candidate, mine: PackagedModel, baselines: Baselines, scratch: Path
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
    context = project.context
    sides = write_split_files(
        context.root,
        candidate.dataset,
        candidate.snapshot.files,
        columns,
        spec.target,
        scratch,
        seen=earlier,
        held=candidate.sealed_holdout,
        order=spec.features,
    )
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
    candidate: Candidate,
    rows: HoldoutRows,
    mine: tuple[PackagedModel, ScoredModel, ModelCosts | None],
    baselines: Baselines,
    found: Mapping[BaselineRole, ScoredModel | NoBaseline],
    scratch: Path,
) -> tuple[ScoredModel, dict[BaselineRole, ScoredModel | NoBaseline], tuple[Diagnostic, ...]]:
    """Return everybody with what the requirements ask of their costs, and why an older version's are not known.

    Raises Findings when the candidate cannot be measured.
    """
    packages = {
        rival.event.ref.oid: rival.model
        for against, rival in baselines.items()
        if isinstance(rival, Baseline) and rival.model is not None and isinstance(found[against], ScoredModel)
    }
    model, contestant, known_costs = mine
    here = [*packages.values()] if known_costs else [*packages.values(), model]
    *older, own = [
        *measure_costs(
            here,
            rows.features,
            operational_metrics(candidate),
            scratch=scratch,
            cost_per_hour=candidate.rules.evaluate.cost_per_hour,
        ),
        *([known_costs] if known_costs else []),
    ]
    if own.diagnostics:
        raise Findings(own.diagnostics)
    costs = dict(zip(packages, older, strict=True))
    measured = dict(found)
    for against, rival in baselines.items():
        one = found.get(against)
        if isinstance(rival, Baseline) and isinstance(one, ScoredModel):
            measured[against] = replace(one, operational_metrics=costs[rival.event.ref.oid].values)
    notes = tuple(replace(one, severity="warning") for each in older for one in each.diagnostics)
    return replace(contestant, operational_metrics=own.values), measured, notes


def _add_custom_metrics(
    candidate: Candidate,
    rows: HoldoutRows,
    contestant: ScoredModel,
    scored_baselines: Mapping[BaselineRole, ScoredModel | NoBaseline],
    scratch: Path,
) -> tuple[ScoredModel, dict[BaselineRole, ScoredModel | NoBaseline]]:
    """Return everybody with what the user's own metrics give for their rows."""
    spec, rules = candidate.model.spec, candidate.rules
    names = [against for against, one in scored_baselines.items() if isinstance(one, ScoredModel)]
    models = [contestant, *(one for one in scored_baselines.values() if isinstance(one, ScoredModel))]
    beside = {name for one in rules.evaluate.custom.values() for name in one.columns}
    given = rows.table.select(list(dict.fromkeys((*spec.features, *sorted(beside)))))
    found = custom_metrics.custom_metric_values(
        rules.evaluate.custom,
        [(one.name, one.predictions, one.classes) for one in models],
        task=spec.task,
        labels=rows.table[spec.target],
        rows=given,
        root=rules.metric_root,
        scratch=scratch,
    )
    own = [
        replace(one, predictions=replace(one.predictions, own=values))
        for one, values in zip(models, found, strict=True)
    ]
    return own[0], {**scored_baselines, **dict(zip(names, own[1:], strict=True))}
