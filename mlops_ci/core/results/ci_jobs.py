"""What the verbs answer that part training, predicting, judging and keeping into jobs of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_ci.core.records.comparison import Verdict


@dataclass(frozen=True)
class FeaturesTask:
    """What a model with code of its own is asked in a job that has no labels: how many rows, and which costs to measure."""

    model: str
    rows: int
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class FeaturesReport:
    """What `ci features` wrote; models without code of their own are not among it."""

    tasks: tuple[FeaturesTask, ...]


@dataclass(frozen=True)
class PredictReport:
    """What `ci predict` answered: for which model, for how many rows, and which of its costs it measured."""

    model: str
    rows: int
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class KeptRun:
    """A judged run: its ref, whether it was there already, and the place of its question, where those are counted."""

    model: str
    verdict: Verdict
    ref: str
    state: Literal["kept", "unchanged", "refused"]
    question: int | None = None


@dataclass(frozen=True)
class KeepReport:
    """What `ci keep` stored; a run's verdict is the gate's, unless the holdout's budget was spent meanwhile."""

    runs: tuple[KeptRun, ...]
