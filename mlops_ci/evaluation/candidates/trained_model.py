"""A candidate that has been trained: here, before, or in another job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plan import Plan
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.training.workers.protocol import ModelCosts


@dataclass(frozen=True)
class ExternalPredictions:
    """A model's answers for the held-out rows, as a pyarrow table with one row each, and what it costs to run.

    They come from a job that ran the model and had no labels.
    """

    table: Any
    costs: ModelCosts


@dataclass(frozen=True)
class TrainedModel:
    """A candidate's run, its packaged files in `folder`, and the training's output in `log`.

    `fitted` tells whether it was fitted just now, and `why`. `plan` stores the run where it is new. With `predictions` the
    model is never run here: another job did.
    """

    run: TrainingRun
    folder: Path
    log: bytes
    fitted: bool = False
    why: str = ""
    predictions: ExternalPredictions | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
