"""A trained candidate: trained just now, loaded from the store, or trained in another job."""

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
    """A model's predictions for the holdout, as a pyarrow table with a row for each holdout row, and its costs.

    Both come from a job that ran the model without access to the labels.
    """

    table: Any
    costs: ModelCosts


@dataclass(frozen=True)
class TrainedModel:
    """A candidate's run, its packaged files in `folder`, and the training's output in `log`.

    `fitted` tells whether the model was fitted just now, and `why` gives the reason. `plan` stores a new run. When
    `predictions` are present, another job has run the model, and this job never runs it.
    """

    run: TrainingRun
    folder: Path
    log: bytes
    fitted: bool = False
    why: str = ""
    predictions: ExternalPredictions | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
