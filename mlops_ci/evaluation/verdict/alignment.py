"""Inputs of a verdict: scored models and row metadata, with all labels mapped to one numbering of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings
from mlops_ci.spec.positive_class import format_label, positive_class
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
    if task == "binary-classification" and set(baseline.classes) != set(candidate.classes):
        labels = " and ".join(repr(label) for label in baseline.classes)
        return NoBaseline(f"{baseline.name} predicts other labels ({labels}) than the candidate", "incomparable")
    return baseline


def order_classes(model: ScoredModel, positive: Label | None) -> ScoredModel:
    """Return a binary classifier with its positive class last, which metrics, fairness and custom metrics rely on.

    `positive` is the class that the spec names; None: the label that sorts last, whatever order the model has. Returns
    any other model as it is. Raises Findings `positive-unknown` when no class equals `positive`.
    """
    if len(model.classes) != 2:
        return model
    last = positive_class(model.classes, positive)
    if last is None:
        raise Findings.of(
            "positive-unknown",
            f"the positive class {positive!r} is not one of the classes of {model.name}: {', '.join(map(format_label, model.classes))}",
            help="Name one of them as `positive` in the model's spec.",
        )
    classes = (*(label for label in model.classes if label != last), last)
    return replace(model, predictions=align_classes(model.predictions, model.classes, classes), classes=classes)


def align(
    task: Task, labels: Any, models: Sequence[ScoredModel], holdout: RowMetadata, evaluate: EvaluateSpec
) -> AlignedRows:
    """Return truth and predictions in one numbering of the classes, which starts with the first model's classes.

    Labels that no model knows are the last classes: each model gives them probability 0 and never predicts them, so their
    rows count as wrong in every metric, as scikit-learn counts them. For a binary task such a label is an error, Findings
    `holdout-label-unknown`; for a multiclass task the same diagnostic is a warning.
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
    unknown_labels = list(dict.fromkeys(np.asarray(labels)[encoded < 0].tolist()))
    diagnostics: tuple[Diagnostic, ...] = ()
    if unknown_labels:
        shown = ", ".join(map(repr, unknown_labels[:5]))
        diagnostic = Diagnostic(
            "holdout-label-unknown",
            f"{int((encoded < 0).sum()):,} holdout rows have labels that the compared models do not know: {shown}",
            help="The training rows have no such labels. Check the target column, or add rows of the new class."
            " Until then these rows count as wrong in every metric.",
            severity="error" if task == "binary-classification" else "warning",
        )
        if diagnostic.severity == "error":
            raise Findings([diagnostic])
        diagnostics = (diagnostic,)
        classes = (*classes, *unknown_labels)
        encoded = encode_labels(labels, classes)
    known = len(classes) - len(unknown_labels)
    costs = _cost_matrix(evaluate.costs, classes, known) if evaluate.costs else None
    if evaluate.costs and costs is None:
        diagnostics = (*diagnostics, _unknown_cost_warning(evaluate.costs, classes))
    return AlignedRows(
        replace(
            truth, labels=encoded, classes=classes, metric_options=replace(terms, costs=costs), known_classes=known
        ),
        tuple(align_classes(model.predictions, model.classes, classes) for model in models),
        diagnostics,
    )


def _unknown_cost_warning(costs: Sequence[Cost], classes: Sequence[Label]) -> Diagnostic:
    named = dict.fromkeys(label for one in costs for label in (one.actual, one.predicted))
    strange = ", ".join(format_label(label) for label in named if label not in classes)
    return Diagnostic(
        "cost-class-unknown",
        f"the metric 'cost' has no value: `evaluate.costs` names {strange}, and the classes are {', '.join(map(format_label, classes))}",
        help='Write each class as the data have it: 1 and "1" are different. Delete the costs of a class that there is not.',
        severity="warning",
    )


def _cost_matrix(costs: Sequence[Cost], classes: Sequence[Label], known: int) -> Floats | None:
    """Return the costs [k, k] by actual and predicted class; None when a cost names a class that there is not.

    Models know the first `known` classes. A row of another class costs the highest cost, unless `costs` says otherwise.
    """
    matrix = np.zeros((len(classes), len(classes)))
    matrix[known:] = max(0.0, *(one.cost for one in costs))
    for one in costs:
        at = encode_labels([one.actual], classes)[0], encode_labels([one.predicted], classes)[0]
        if min(at) < 0:
            return None
        matrix[at] = one.cost
    return matrix
