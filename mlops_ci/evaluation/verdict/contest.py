"""The inputs of a verdict: a candidate, its baselines, the holdout rows and the gate's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlops_ci.evaluation.verdict.alignment import NO_ANCHOR, NoBaseline, RowMetadata, ScoredModel
from mlops_ci.spec.defaults import default_metrics, default_requirements
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, EvaluateSpec, GateSpec, Requirement, Task


@dataclass(frozen=True)
class Contest:
    """A candidate and its baselines on n holdout rows, and the rules that decide.

    `labels` [n] are the target values as in the data, in the same row order as the predictions. `seed` is the
    bootstrap's seed.
    """

    task: Task
    labels: Any
    candidate: ScoredModel
    champion: ScoredModel | NoBaseline
    gate: GateSpec
    anchor: ScoredModel | NoBaseline = NO_ANCHOR
    evaluate: EvaluateSpec = field(default_factory=EvaluateSpec)
    holdout: RowMetadata = field(default_factory=RowMetadata)
    change_kind: ChangeKind = "changed"
    seed: int = 0

    @property
    def baselines(self) -> dict[BaselineRole, ScoredModel | NoBaseline]:
        """The champion and the anchor, by role."""
        return {"champion": self.champion, "anchor": self.anchor}

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The gate's requirements, or the task's default requirements."""
        return self.gate.requirements or default_requirements(self.task)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics to report, followed by the metrics that requirements name, each once."""
        named = self.evaluate.metrics or default_metrics(self.task)
        return tuple(dict.fromkeys((*named, *(requirement.metric for requirement in self.requirements))))
