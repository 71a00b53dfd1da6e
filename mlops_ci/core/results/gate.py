"""What the verbs up to the gate answer: data, candidates, comparisons, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.comparison import Comparison, Verdict
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingRun


@dataclass(frozen=True)
class ValidateReport:
    """What `validate` read: the files that hold specs, and how many specs there are of each kind."""

    files: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def specs(self) -> int:
        """How many specs there are."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class CheckReport:
    """What `check` found, dataset by dataset."""

    datasets: tuple[DatasetSnapshot, ...]


@dataclass(frozen=True)
class TrainedCandidate:
    """A candidate, and whether it had to be fitted or was found in the store; `why` explains which."""

    run: TrainingRun
    fitted: bool
    why: str


@dataclass(frozen=True)
class TrainReport:
    """What `train` made or found."""

    models: tuple[TrainedCandidate, ...]

    @property
    def fits(self) -> int:
        """How many models were fitted."""
        return sum(trained.fitted for trained in self.models)


@dataclass(frozen=True)
class CompareReport:
    """What `compare` decided, model by model."""

    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class GatedModel:
    """One model's way through the gate. What was not reached, because something before it failed, is None."""

    model: str
    verdict: Verdict
    sentence: str
    snapshot: DatasetSnapshot | None = None
    run: TrainingRun | None = None
    fitted: bool = False
    comparison: Comparison | None = None
    ref: str | None = None


@dataclass(frozen=True)
class GateReport:
    """One report, one verdict: the worst of the models'. `fits` counts models that had to be fitted.

    `bundle` is the file that the judged runs were written to, for `ci keep`. `project` is whose models these are, and `call` names the
    call of the gate's workflow: what is told of a run with several projects is told of each.
    """

    verdict: Verdict
    models: tuple[GatedModel, ...]
    fits: int
    bundle: str | None = None
    project: ProjectRef | None = None
    call: str = ""


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on several models: the worst of theirs, and none is decided where there are none."""
    found = set(verdicts)
    order: tuple[Verdict, ...] = ("fail", "incomparable", "inconclusive", "pass")
    return next((verdict for verdict in order if verdict in found), "inconclusive")
