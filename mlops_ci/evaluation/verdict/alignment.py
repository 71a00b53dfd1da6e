"""Who is compared on which rows: models' answers and what is known of a holdout, brought to one numbering of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.spec.spec_types import BaselineRole, Cost, EvaluateSpec, Task
from mlops_ci.training.predictions import (
    Floats,
    Ints,
    Label,
    MetricOptions,
    Predictions,
    Truth,
    align_classes,
    encode_labels,
)


@dataclass(frozen=True)
class ScoredModel:
    """One model's answers for the holdout, under the name that people call it by (delay@v1.0.0); classes in its order.

    `run` is the key of its training run, which names all that went in, its code too; `model_digest` is only what came
    out. `seen` [n] marks rows that it has learned from, on which it is not tested; None: none.
    """

    name: str
    model_digest: str
    predictions: Predictions
    classes: tuple[Label, ...] = ()
    operational_metrics: Mapping[str, float] = field(default_factory=dict)
    run: str = ""
    seen_rows: Any = None


@dataclass(frozen=True)
class NoBaseline:
    """Why there is no older version to test against: none yet, the candidate itself (`name`), or one that cannot be scored today."""

    reason: str
    state: Literal["none", "same", "incomparable"] = "none"
    name: str = ""


NO_CHAMPION = NoBaseline("there is no champion yet")
NO_ANCHOR = NoBaseline("there is no anchor yet")


@dataclass(frozen=True)
class RowMetadata:
    """What is known of n rows beside their labels.

    `weights` [n] say how much each counts, `groups` [n] which depend on each other; None: all the same, and none.
    `slices` are columns [n] by name, each of whose values is a slice; `conditions` masks [n]; `parts` the columns [n]
    that fairness gaps are between.
    """

    weights: Floats | None = None
    groups: Ints | None = None
    slices: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    fairness_columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AlignedRows:
    """Truth and every model's predictions in one numbering of the classes; `diagnostics` say what is odd about labels."""

    truth: Truth
    predictions: tuple[Predictions, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def comparable_baseline(
    task: Task, candidate: ScoredModel, rival: ScoredModel | NoBaseline, against: BaselineRole
) -> ScoredModel | NoBaseline:
    """Return the rival, unless it is the candidate itself or answers in other labels."""
    if isinstance(rival, NoBaseline):
        return rival
    if rival.run and rival.run == candidate.run:  # equal digests do not do: they name classes, not their code
        return NoBaseline(f"the candidate is the {against} itself ({rival.name})", "same", rival.name)
    if task == "binary-classification" and rival.classes != candidate.classes:
        labels = " and ".join(repr(label) for label in rival.classes)
        return NoBaseline(f"{rival.name} predicts other labels ({labels})", "incomparable")
    return rival


def align(
    task: Task, labels: Any, models: Sequence[ScoredModel], holdout: RowMetadata, evaluate: EvaluateSpec
) -> AlignedRows:
    """Return truth and predictions in one numbering of the classes, the first model's first.

    Raises Findings when a binary holdout has a label that none of the models knows.
    """
    better = {name: one.better == "higher" for name, one in evaluate.custom.items()}
    terms = MetricOptions(evaluate.quantile, evaluate.top_k, None, better)
    weights = holdout.weights
    if weights is not None and weights.max(initial=0.0) > 0:
        weights = weights / weights.max()  # whose squares are numbers, whatever the unit
    truth = Truth(weights=weights, groups=holdout.groups, metric_options=terms)
    if task == "regression":
        values = np.asarray(labels, dtype=np.float64)
        return AlignedRows(replace(truth, values=values), tuple(model.predictions for model in models))
    classes = tuple(dict.fromkeys([label for model in models for label in model.classes]))
    encoded = encode_labels(labels, classes)
    strangers = list(dict.fromkeys(np.asarray(labels)[encoded < 0].tolist()))[:5]
    notes: tuple[Diagnostic, ...] = ()
    if strangers:
        shown = ", ".join(map(repr, strangers))
        found = Diagnostic(
            "holdout-label-unknown",
            f"{int((encoded < 0).sum()):,} holdout rows have labels that the model does not know: {shown}",
            help="The training rows lack these labels. Check the target column, or give the new class more rows.",
            severity="error" if task == "binary-classification" else "warning",
        )
        if found.severity == "error":
            raise Findings([found])
        notes = (found,)
    costs = _cost_matrix(evaluate.costs, classes) if evaluate.costs else None
    return AlignedRows(
        replace(truth, labels=encoded, classes=classes, metric_options=replace(terms, costs=costs)),
        tuple(align_classes(model.predictions, model.classes, classes) for model in models),
        notes,
    )


def _cost_matrix(costs: Sequence[Cost], classes: Sequence[Label]) -> Floats | None:
    """Return what each prediction costs, [k, k]; None when a cost is of a class that there is not."""
    matrix = np.zeros((len(classes), len(classes)))
    for one in costs:
        at = encode_labels([one.actual], classes)[0], encode_labels([one.predicted], classes)[0]
        if min(at) < 0:
            return None
        matrix[at] = one.cost
    return matrix
