"""A trained candidate and its baselines, ready to be scored."""

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
    """A trained candidate, its baselines, and the gate that tests it on today's holdout.

    `gate` has the confidence level that the holdout budget leaves for each test.
    """

    candidate: Candidate
    trained: TrainedModel
    baselines: Baselines
    gate: GateSpec
    change_kind: ChangeKind


def load_evaluation_task(
    project: Project, candidate: Candidate, trained: TrainedModel, opponents: Opponents, gate: GateSpec, scratch: Path
) -> EvaluationTask:
    """Return the task, with the files of the baselines in `scratch`.

    Raises EnvironmentProblem when those files cannot be fetched; that is a problem of the environment, not a verdict.
    """
    run, (champion, anchor) = trained.run, (opponents.champion, opponents.anchor)
    newest = load_baseline(project, candidate, run, champion, "champion", scratch)
    fixed = newest if anchor == champion else load_baseline(project, candidate, run, anchor, "anchor", scratch)
    kind = change_kind(run, read_release_run(project.context.repo, champion))
    return EvaluationTask(candidate, trained, {"champion": newest, "anchor": fixed}, gate, kind)
