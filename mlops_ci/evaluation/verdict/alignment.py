"""Inputs of a verdict: scored models and row metadata, with all labels mapped to one numbering of the classes."""

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
    """One model's predictions for the n holdout rows, under a display name such as `delay@v1.0.0`.

    `classes` are in the model's own order. `run` is the key of the training run; it covers every input, the code
    included. `model_digest` covers only the resulting model file. `seen_rows` [n] marks the rows that the model was
    trained on; tests against the model leave them out. None means that it was trained on none of them.
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
    """The reason why there is no baseline to test against.

    `state` is `none` when no such version exists yet, `same` when the candidate itself is that version (`name`), and
    `incomparable` when the version cannot be scored on today's rows.
    """

    reason: str
    state: Literal["none", "same", "incomparable"] = "none"
    name: str = ""


NO_CHAMPION = NoBaseline("there is no champion yet")
NO_ANCHOR = NoBaseline("there is no anchor yet")


@dataclass(frozen=True)
class RowMetadata:
    """Metadata of n rows beside their labels.

    `weights` [n] are the rows' weights; None means equal weights. `groups` [n] number the groups of dependent rows;
    None means that the rows are independent. `slices` maps a column name to its values [n]; each distinct value is a
    slice. `conditions` maps a slice name to a mask [n]. `fairness_columns` maps a column name to the groups [n] that
    fairness gaps compare.
    """

    weights: Floats | None = None
    groups: Ints | None = None
    slices: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    fairness_columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AlignedRows:
    """Truth and every model's predictions in one numbering of the classes; `diagnostics` report unknown labels."""

    truth: Truth
    predictions: tuple[Predictions, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def comparable_baseline(
    task: Task, candidate: ScoredModel, baseline: ScoredModel | NoBaseline, against: BaselineRole
) -> ScoredModel | NoBaseline:
    """Return the baseline, or a NoBaseline where it is the candidate itself or predicts other labels."""
    if isinstance(baseline, NoBaseline):
        return baseline
    # compare run keys, not model digests: a pickled model names its classes but does not contain their code
    if baseline.run and baseline.run == candidate.run:
        return NoBaseline(f"the candidate is the {against} itself ({baseline.name})", "same", baseline.name)
    if task == "binary-classification" and baseline.classes != candidate.classes:
        labels = " and ".join(repr(label) for label in baseline.classes)
        return NoBaseline(f"{baseline.name} predicts other labels ({labels}) than the candidate", "incomparable")
    return baseline


def align(
    task: Task, labels: Any, models: Sequence[ScoredModel], holdout: RowMetadata, evaluate: EvaluateSpec
) -> AlignedRows:
    """Return truth and predictions in one numbering of the classes, which starts with the first model's classes.

    Raises Findings `holdout-label-unknown` when a binary holdout has a label that none of the models knows. For a
    multiclass task the same diagnostic is a warning.
    """
    better = {name: one.better == "higher" for name, one in evaluate.custom.items()}
    terms = MetricOptions(evaluate.quantile, evaluate.top_k, None, better)
    weights = holdout.weights
    if weights is not None and weights.max(initial=0.0) > 0:
        weights = weights / weights.max()  # so that squared weights do not overflow, whatever the unit
    truth = Truth(weights=weights, groups=holdout.groups, metric_options=terms)
    if task == "regression":
        values = np.asarray(labels, dtype=np.float64)
        return AlignedRows(replace(truth, values=values), tuple(model.predictions for model in models))
    classes = tuple(dict.fromkeys([label for model in models for label in model.classes]))
    encoded = encode_labels(labels, classes)
    unknown_labels = list(dict.fromkeys(np.asarray(labels)[encoded < 0].tolist()))[:5]
    diagnostics: tuple[Diagnostic, ...] = ()
    if unknown_labels:
        shown = ", ".join(map(repr, unknown_labels))
        diagnostic = Diagnostic(
            "holdout-label-unknown",
            f"{int((encoded < 0).sum()):,} holdout rows have labels that the compared models do not know: {shown}",
            help="The training rows have no such labels. Check the target column, or add rows of the new class.",
            severity="error" if task == "binary-classification" else "warning",
        )
        if diagnostic.severity == "error":
            raise Findings([diagnostic])
        diagnostics = (diagnostic,)
    costs = _cost_matrix(evaluate.costs, classes) if evaluate.costs else None
    return AlignedRows(
        replace(truth, labels=encoded, classes=classes, metric_options=replace(terms, costs=costs)),
        tuple(align_classes(model.predictions, model.classes, classes) for model in models),
        diagnostics,
    )


def _cost_matrix(costs: Sequence[Cost], classes: Sequence[Label]) -> Floats | None:
    """Return the costs [k, k] by actual and predicted class; None when a cost names a class that no model has."""
    matrix = np.zeros((len(classes), len(classes)))
    for one in costs:
        at = encode_labels([one.actual], classes)[0], encode_labels([one.predicted], classes)[0]
        if min(at) < 0:
            return None
        matrix[at] = one.cost
    return matrix
