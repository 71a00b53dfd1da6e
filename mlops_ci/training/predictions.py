"""A model's predictions for some rows, and the true values of these rows, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Label = str | int | bool
T = TypeVar("T")


def require_part(part: T | None) -> T:
    """Return a part of truth or predictions that the task always has; raises ValueError when it is None."""
    if part is None:
        raise ValueError("the truth or the predictions belong to another task")
    return part


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for n rows.

    Regression: `values` [n]. Classification: `labels` [n], indices into the holdout's classes; `probabilities` [n, k] if
    the model gives them; for a binary task, `scores` [n] of the positive (second) class. `own` has the values [n] of each
    custom metric for each row, by metric name.
    """

    values: Floats | None = None
    labels: Ints | None = None
    probabilities: Floats | None = None
    scores: Floats | None = None
    own: Mapping[str, Floats] = field(default_factory=dict)

    def select_rows(self, which: Any) -> Predictions:
        """Return the predictions of some rows, given by indices or a mask."""
        names = ("values", "labels", "probabilities", "scores")
        parts = {name: _select(getattr(self, name), which) for name in names}
        return Predictions(**parts, own={name: values[which] for name, values in self.own.items()})


@dataclass(frozen=True)
class MetricOptions:
    """The options of metrics: the quantile, the `k` of top-k accuracy, and the costs of errors.

    `costs` [k, k] has the cost of predicting the column's class when the row's class is true. `higher_is_better` is for
    custom metrics, by name.
    """

    quantile: float = 0.5
    top_k: int = 3
    costs: Floats | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """The true values of n rows: `values` [n], or `labels` [n], indices into `classes` (-1: an unknown class).

    Models know the first `known_classes` of the classes; None: all. The others are labels that occur in the rows only.

    `weights` [n] are the weights of the rows; None means equal weights. Rows with the same number in `groups` [n] depend
    on each other; None means that all rows are independent.
    """

    values: Floats | None = None
    labels: Ints | None = None
    classes: tuple[Label, ...] = ()
    weights: Floats | None = None
    groups: Ints | None = None
    metric_options: MetricOptions = MetricOptions()
    known_classes: int | None = None

    def select_rows(self, which: Any) -> Truth:
        """Return the truth of some rows, given by indices or a mask."""
        names = ("values", "labels", "weights", "groups")
        return replace(self, **{name: _select(getattr(self, name), which) for name in names})

    @property
    def has_equal_independent_rows(self) -> bool:
        """Whether all rows have equal weights and are independent."""
        return self.weights is None and self.groups is None

    @property
    def weights_or_ones(self) -> Floats:
        """The weights of the rows, [n]; ones when there are no weights."""
        return np.ones(len(self)) if self.weights is None else self.weights

    def effective_sample_size(self, which: Any = None) -> float:
        """Return the effective number of independent rows of equal weight, among all rows or those of a mask.

        L. Kish, Survey Sampling, 1965: the squared sum of the weights, divided by the sum of the squared weights. With
        groups, the sums of the weights by group take the place of the weights.
        """
        which = np.ones(len(self), dtype=bool) if which is None else which
        mass = self.weights_or_ones[which]
        if self.groups is not None:
            mass = np.bincount(np.unique(self.groups[which], return_inverse=True)[1], mass)
        squares = float((mass**2).sum())
        return float(mass.sum()) ** 2 / squares if squares else 0.0

    def __len__(self) -> int:
        return len(self.values if self.values is not None else self.labels if self.labels is not None else ())


def _select(part: Any, which: Any) -> Any:
    return None if part is None else part[which]


def encode_labels(values: Any, classes: Sequence[Label]) -> Ints:
    """Return the index of each value in `classes`, [n]; -1 for a value that is not a class."""
    values = np.asarray(values)
    out = np.full(len(values), -1, dtype=np.int64)
    for index, label in enumerate(classes):
        out[np.asarray(values == label, dtype=bool)] = index
    return out


def align_classes(predictions: Predictions, own: Sequence[Label], classes: Sequence[Label]) -> Predictions:
    """Return predictions with labels and probabilities in the order of `classes`.

    `classes` must contain all of the model's classes `own`; the other classes get probability 0. The scores of a binary
    classifier are those of the second class.
    """
    if tuple(own) == tuple(classes) or predictions.labels is None:
        return predictions
    at = np.array([list(classes).index(label) for label in own], dtype=np.int64)
    probabilities = None
    if predictions.probabilities is not None:
        probabilities = np.zeros((len(predictions.labels), len(classes)))
        probabilities[:, at] = predictions.probabilities
    scores = predictions.scores
    if scores is not None and len(classes) == 2 and at[0] == 1:  # the two classes change places
        scores = -scores if probabilities is None else probabilities[:, 1]
    return replace(predictions, labels=at[predictions.labels], probabilities=probabilities, scores=scores)
