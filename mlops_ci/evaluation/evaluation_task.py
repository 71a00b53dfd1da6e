"""A trained candidate and the older versions that it is tested against, ready to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.evaluation.baselines import Baseline, change_kind, load_baseline, read_release_run
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.opponents import Opponents
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.evaluation.verdict.alignment import NoBaseline
from mlops_ci.repository.context import Project
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, GateSpec

Baselines = Mapping[BaselineRole, Baseline | NoBaseline]


@dataclass(frozen=True)
class EvaluationTask:
    """Who is tested on today's holdout, and by which gate: `gate` has the confidence that the budget leaves each test."""

    candidate: Candidate
    trained: TrainedModel
    baselines: Baselines
    gate: GateSpec
    change_kind: ChangeKind


def load_evaluation_task(
    project: Project, candidate: Candidate, trained: TrainedModel, opponents: Opponents, gate: GateSpec, scratch: Path
) -> EvaluationTask:
    """Return the task with the files of the older versions in `scratch`.

    Raises EnvironmentProblem when those are out of reach: that says nothing about the models.
    """
    run, (champion, anchor) = trained.run, (opponents.champion, opponents.anchor)
    newest = load_baseline(project, candidate, run, champion, "champion", scratch)
    fixed = newest if anchor == champion else load_baseline(project, candidate, run, anchor, "anchor", scratch)
    kind = change_kind(run, read_release_run(project.context.repo, champion))
    return EvaluationTask(candidate, trained, {"champion": newest, "anchor": fixed}, gate, kind)
