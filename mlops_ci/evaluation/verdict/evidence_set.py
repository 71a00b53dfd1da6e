"""All that a verdict rests on: evidence about a candidate alone, and against older versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlops_ci.evaluation.stats.evidence import Evidence
from mlops_ci.evaluation.verdict.fairness import Gap
from mlops_ci.evaluation.verdict.wording import Slice, rows_of
from mlops_ci.spec.spec_types import Against, Gate, Occasion, Requirement

BY_CLASS = (
    *("auc", "average-precision", "balanced-accuracy", "f1", "precision", "recall", "f1-macro", "auc-ovr"),
    *("cost", "log-loss", "brier"),
)
MIN_CLASS_ROWS = 10  # of each class: with fewer, intervals of the metrics above are too narrow


class Named(Protocol):
    """A model as requirements see it."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def operational(self) -> Mapping[str, float]:
        """What it costs (ms, MB, seconds), by metric name."""
        ...


@dataclass(frozen=True)
class Rival:
    """An older version that a candidate is tested against, on the rows that neither has learned from.

    `by_slice` has every slice of the columns that were looked at, also those that are too small to test. Without
    `evidence` its tests do not apply, which `absent` explains; `incomparable` when they would, and the version cannot be
    scored: then they are inconclusive, because a gate that cannot decide lets nothing by.
    """

    name: str = ""
    evidence: Evidence | None = None
    by_slice: Mapping[Slice, Evidence] = field(default_factory=dict)
    operational: Mapping[str, float] = field(default_factory=dict)
    absent: str = ""
    incomparable: bool = False


@dataclass(frozen=True)
class Case:
    """All that a verdict rests on.

    `whole` is of the candidate on all rows; `gaps` are between groups, by metric and column. `strange` metrics are none
    of this task, or are not known: a requirement of another commit may name them.
    """

    whole: Evidence
    gate: Gate
    candidate: Named
    rivals: Mapping[Against, Rival]
    occasion: Occasion = "changed"
    gaps: Mapping[tuple[str, str], Gap] = field(default_factory=dict)
    strange: frozenset[str] = frozenset()

    @property
    def alpha(self) -> float:
        """The error probability of each one-sided test."""
        return 1 - self.gate.confidence


def too_small(requirement: Requirement, evidence: Evidence, gate: Gate) -> str | None:
    """Say why rows are too few for a verdict on a metric; None when they are not."""
    if evidence.independent < gate.min_rows:
        return f"{rows_of(evidence)}, and the gate needs {gate.min_rows:,}"
    if few_of_a_class(requirement.metric, evidence):
        rare = f"{evidence.smallest_class} rows of its rarest class"
        return f"the holdout has {rare} and {requirement.metric} needs {MIN_CLASS_ROWS}"
    return None


def few_of_a_class(metric: str, evidence: Evidence) -> bool:
    """Tell whether a metric rests on so few rows of some class that its interval cannot be trusted."""
    return metric in BY_CLASS and evidence.smallest_class is not None and evidence.smallest_class < MIN_CLASS_ROWS
