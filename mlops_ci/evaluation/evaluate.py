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
from mlops_ci.data.split import SEEN, Earlier, materialise
from mlops_ci.evaluation.baselines import Older, packaged
from mlops_ci.evaluation.candidates.candidate import Candidate, used
from mlops_ci.evaluation.holdout.row_metadata import known
from mlops_ci.evaluation.holdout.sealed import put_away
from mlops_ci.evaluation.stats.bootstrap import seed_of
from mlops_ci.evaluation.verdict.alignment import Absent, Contestant, on_common_terms
from mlops_ci.evaluation.verdict.compare import Judgement, compare
from mlops_ci.repository.context import Project
from mlops_ci.spec.metrics import METRICS
from mlops_ci.spec.spec_types import Against, Gate, Occasion
from mlops_ci.training.inference import custom_metrics as custom
from mlops_ci.training.inference.cost import measure, told
from mlops_ci.training.inference.scoring import Packaged, score, scores_of
from mlops_ci.training.predictions import Predictions, Truth, need
from mlops_ci.training.workers.protocol import Measured, Waiting

Rivals = Mapping[Against, Older | Absent]


@dataclass(frozen=True)
class Rows:
    """The held-out rows: `table` has all their columns, the parquet file `features` those that models are given."""

    table: Any
    features: Path


@dataclass(frozen=True)
class Given:
    """A model's answers for the held-out rows, as a pyarrow table with one row each, and what it costs to run.

    They come from a job that ran the model and had no labels.
    """

    table: Any
    costs: Measured


def judged(
    project: Project,
    candidate: Candidate,
    run: TrainingRun,
    folder: Path,
    rivals: Rivals,
    gate: Gate,
    occasion: Occasion,
    scratch: Path,
    given: Given | None = None,
    waiting: Waiting | None = None,
) -> Judgement:
    """Return the gate's answer about the model in `folder`; `gate` has the confidence of each test.

    With `given` the candidate is not run here: these are its answers and costs. `waiting` is a process that may score it.

    Raises Findings when the candidate cannot be scored, or the rows' weights or a user's own metrics are unusable. An
    older version that cannot be scored is incomparable.
    """
    mine = packaged(candidate.model.name, run, run.files, run.trusted, folder)
    rows = _held_out(project, candidate, mine, rivals, scratch)
    # library code in a process that waits for it: it must have ended before any other's own code can find it
    ahead = score([mine], rows.features, rows=rows.table.num_rows, scratch=scratch, scorer=waiting) if waiting else ()
    # the older ones first, each in a process of its own: a candidate's code must find nothing of them to touch
    found: dict[Against, Contestant | Absent] = {}
    for against, rival in rivals.items():
        if isinstance(rival, Absent):
            found[against] = rival
        elif rival.model is not None:
            twin = next((other for other in found if rivals[other] == rival), None)  # the anchor may be the champion
            found[against] = found[twin] if twin else _older(against, rival, rival.model, rows, scratch)
    if given is not None:
        scores = scores_of(mine, given.table)
    else:
        (scores,) = ahead or score([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = Contestant(mine.name, run.model_digest, scores.predictions, scores.classes, run=run.key)
    cost_per_hour = candidate.rules.evaluate.cost_per_hour
    costs = told(given.costs, mine, costs_asked(candidate), cost_per_hour) if given else None
    contestant, found, notes = _with_costs(candidate, rows, (mine, contestant, costs), rivals, found, scratch)
    found |= {
        against: replace(contestant, name=rival.event.ref.name)
        for against, rival in rivals.items()
        if isinstance(rival, Older) and rival.itself
    }
    contestant, found = _valued(candidate, rows, contestant, found, scratch)
    champion = rivals["champion"]
    judgement = compare(
        candidate.model.spec.task,
        rows.table[candidate.model.spec.target].to_numpy(),
        contestant,
        found["champion"],
        gate,
        anchor=found["anchor"],
        evaluate=candidate.rules.evaluate,
        holdout=known(candidate, rows.table),
        occasion=occasion,
        seed=seed_of(
            run.key, champion.event.ref.oid if isinstance(champion, Older) else "", candidate.sides.split.holdout_digest
        ),
    )
    return replace(judgement, diagnostics=(*judgement.diagnostics, *notes))


def answers(
    project: Project, candidate: Candidate, run: TrainingRun, folder: Path, rival: Older, scratch: Path
) -> tuple[Truth, tuple[Predictions, Predictions]]:
    """Return the labels of the held-out rows that both have not learned from, and two models' answers for them."""
    mine = packaged(candidate.model.name, run, run.files, run.trusted, folder)
    rows = _held_out(project, candidate, mine, {"champion": rival}, scratch)
    theirs = _older("champion", rival, need(rival.model), rows, scratch)
    if isinstance(theirs, Absent):
        raise Findings.of("selftest-alone", f"there is no second model to compare with: {theirs.why}")
    (scores,) = score([mine], rows.features, rows=rows.table.num_rows, scratch=scratch)
    contestant = Contestant(mine.name, run.model_digest, scores.predictions, scores.classes)
    contestant, found = _valued(candidate, rows, contestant, {"champion": theirs}, scratch)
    other = found["champion"]
    models = [contestant, *([other] if isinstance(other, Contestant) else [])]
    labels = rows.table[candidate.model.spec.target].to_numpy()
    truth, sides, _ = on_common_terms(
        candidate.model.spec.task, labels, models, known(candidate, rows.table), candidate.rules.evaluate
    )
    new = np.flatnonzero(~np.asarray(theirs.seen, dtype=bool)) if theirs.seen is not None else np.arange(len(truth))
    return truth.rows(new), (sides[0].rows(new), sides[1].rows(new))


def costs_asked(candidate: Candidate) -> frozenset[str]:
    """Return the metrics of operation that a candidate's rules name."""
    asked = {*candidate.rules.evaluate.metrics, *(requirement.metric for requirement in candidate.requirements)}
    return frozenset(metric for metric in asked if metric in METRICS and METRICS[metric].operational)


def _held_out(project: Project, candidate: Candidate, mine: Packaged, rivals: Rivals, scratch: Path) -> Rows:
    """Write and read the held-out rows; what a scoring process could find of them has no labels."""
    import pyarrow.parquet as pq

    spec = candidate.model.spec
    older = [rival for rival in rivals.values() if isinstance(rival, Older)]
    models = [mine, *(rival.model for rival in older if rival.model is not None)]
    inputs = tuple(dict.fromkeys((*spec.features, *(field.name for one in models for field in one.signature.inputs))))
    columns = tuple(dict.fromkeys((*inputs, *used(candidate.rules))))
    earlier: dict[str, Earlier] = {
        against: rival.earlier
        for against, rival in rivals.items()
        if isinstance(rival, Older) and rival.earlier is not None
    }
    context = project.context
    sides = materialise(
        context.root,
        candidate.dataset,
        candidate.snapshot.files,
        columns,
        spec.target,
        scratch,
        seen=earlier,
        held=candidate.held,
        order=spec.features,
    )
    table = pq.read_table(sides.holdout)
    for rows in (sides.train, sides.holdout):
        rows.unlink()
    put_away(candidate)
    features = scratch / "features.parquet"
    pq.write_table(table.select([name for name in inputs if name != spec.target]), features)
    return Rows(table, features)


def _older(against: Against, rival: Older, model: Packaged, rows: Rows, scratch: Path) -> Contestant | Absent:
    try:
        (scores,) = score([model], rows.features, rows=rows.table.num_rows, scratch=scratch)
    except Findings as failed:
        return Absent(failed.diagnostics[0].message, "incomparable")
    seen = None
    if rival.earlier is not None:
        marked = rows.table[f"{SEEN}{against}"].to_numpy()
        seen = marked if marked.any() else None
    release = rival.release
    if seen is not None and seen.all():
        return Absent(f"{model.name} has learned from every row of today's holdout", "incomparable")
    return Contestant(
        model.name, release.model_digest, scores.predictions, scores.classes, run=release.run_key, seen=seen
    )


def _with_costs(
    candidate: Candidate,
    rows: Rows,
    mine: tuple[Packaged, Contestant, Measured | None],
    rivals: Rivals,
    found: Mapping[Against, Contestant | Absent],
    scratch: Path,
) -> tuple[Contestant, dict[Against, Contestant | Absent], tuple[Diagnostic, ...]]:
    """Return everybody with what the requirements ask of their costs, and why an older version's are not known.

    Raises Findings when the candidate cannot be measured.
    """
    packages = {
        rival.event.ref.oid: rival.model
        for against, rival in rivals.items()
        if isinstance(rival, Older) and rival.model is not None and isinstance(found[against], Contestant)
    }
    model, contestant, known_costs = mine
    here = [*packages.values()] if known_costs else [*packages.values(), model]
    *older, own = [
        *measure(
            here,
            rows.features,
            costs_asked(candidate),
            scratch=scratch,
            cost_per_hour=candidate.rules.evaluate.cost_per_hour,
        ),
        *([known_costs] if known_costs else []),
    ]
    if own.diagnostics:
        raise Findings(own.diagnostics)
    costs = dict(zip(packages, older, strict=True))
    measured = dict(found)
    for against, rival in rivals.items():
        one = found.get(against)
        if isinstance(rival, Older) and isinstance(one, Contestant):
            measured[against] = replace(one, operational=costs[rival.event.ref.oid].values)
    notes = tuple(replace(one, severity="warning") for each in older for one in each.diagnostics)
    return replace(contestant, operational=own.values), measured, notes


def _valued(
    candidate: Candidate,
    rows: Rows,
    contestant: Contestant,
    rivals: Mapping[Against, Contestant | Absent],
    scratch: Path,
) -> tuple[Contestant, dict[Against, Contestant | Absent]]:
    """Return everybody with what the user's own metrics give for their rows."""
    spec, rules = candidate.model.spec, candidate.rules
    names = [against for against, one in rivals.items() if isinstance(one, Contestant)]
    models = [contestant, *(one for one in rivals.values() if isinstance(one, Contestant))]
    beside = {name for one in rules.evaluate.custom.values() for name in one.columns}
    given = rows.table.select(list(dict.fromkeys((*spec.features, *sorted(beside)))))
    found = custom.values(
        rules.evaluate.custom,
        [(one.name, one.predictions, one.classes) for one in models],
        task=spec.task,
        labels=rows.table[spec.target],
        rows=given,
        root=rules.root,
        scratch=scratch,
    )
    own = [
        replace(one, predictions=replace(one.predictions, own=values))
        for one, values in zip(models, found, strict=True)
    ]
    return own[0], {**rivals, **dict(zip(names, own[1:], strict=True))}
