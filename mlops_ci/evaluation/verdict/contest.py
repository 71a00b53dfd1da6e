"""What a verdict is asked about: who is judged, against whom, on which rows, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlops_ci.evaluation.verdict.alignment import NO_ANCHOR, NoBaseline, RowMetadata, ScoredModel
from mlops_ci.spec.defaults import default_metrics, default_requirements
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind, EvaluateSpec, GateSpec, Requirement, Task


@dataclass(frozen=True)
class Contest:
    """A candidate and its baselines on n holdout rows, and the rules that decide.

    `labels` [n] are the target as the data have it, in the predictions' order of rows. `seed` is that of the bootstrap.
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
        """The older versions by their roles."""
        return {"champion": self.champion, "anchor": self.anchor}

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What must hold: the gate's requirements, or the task's default ones."""
        return self.gate.requirements or default_requirements(self.task)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is reported, and what requirements are about, each once."""
        named = self.evaluate.metrics or default_metrics(self.task)
        return tuple(dict.fromkeys((*named, *(requirement.metric for requirement in self.requirements))))
