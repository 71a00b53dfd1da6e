"""What a model said about some rows, as arrays, and the labels to hold it against."""

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
    """Return a part of truth or predictions that the task always has; raises ValueError when it is not there."""
    if part is None:
        raise ValueError("these are another task's truth or predictions")
    return part


@dataclass(frozen=True)
class Predictions:
    """A model's answers for n rows.

    Regression: `values` [n]. Classification: `labels` [n], indices into the holdout's classes; `probabilities` [n, k]
    where the model gives them; `scores` [n], of the positive class (the second one), where the task is binary. `own` has
    what the user's own metrics give for each row, [n] by name.
    """

    values: Floats | None = None
    labels: Ints | None = None
    probabilities: Floats | None = None
    scores: Floats | None = None
    own: Mapping[str, Floats] = field(default_factory=dict)

    def select_rows(self, which: Any) -> Predictions:
        """Return the predictions of some rows: indices or a mask."""
        names = ("values", "labels", "probabilities", "scores")
        parts = {name: _select(getattr(self, name), which) for name in names}
        return Predictions(**parts, own={name: values[which] for name, values in self.own.items()})


@dataclass(frozen=True)
class MetricOptions:
    """What metrics are about besides the rows: a quantile, how many guesses count, what errors cost.

    `costs` [k, k]: of predicting the class of the column where that of the row is true. `better` tells of the user's own
    metrics, by name, whether higher is better.
    """

    quantile: float = 0.5
    top_k: int = 3
    costs: Floats | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """What was right for n rows: `values` [n], or `labels` [n], indices into `classes` (-1: unknown).

    `weights` [n] say how much each row counts, `groups` [n] which rows depend on each other (equal numbers); None: all
    the same, and none.
    """

    values: Floats | None = None
    labels: Ints | None = None
    classes: tuple[Label, ...] = ()
    weights: Floats | None = None
    groups: Ints | None = None
    metric_options: MetricOptions = MetricOptions()

    def select_rows(self, which: Any) -> Truth:
        """Return the truth of some rows: indices or a mask."""
        names = ("values", "labels", "weights", "groups")
        return replace(self, **{name: _select(getattr(self, name), which) for name in names})

    @property
    def has_equal_independent_rows(self) -> bool:
        """Whether every row counts the same and depends on no other."""
        return self.weights is None and self.groups is None

    @property
    def weights_or_ones(self) -> Floats:
        """How much each row counts, [n]."""
        return np.ones(len(self)) if self.weights is None else self.weights

    def effective_sample_size(self, which: Any = None) -> float:
        """Return how many independent rows of equal weight the rows (of a mask) are worth.

        L. Kish, Survey Sampling, 1965: the square of the weights' sum by the sum of their squares, of groups as of rows.
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
    """Return each value's index into `classes`, [n]; -1 for a value that is none of them."""
    values = np.asarray(values)
    out = np.full(len(values), -1, dtype=np.int64)
    for index, label in enumerate(classes):
        out[np.asarray(values == label, dtype=bool)] = index
    return out


def align_classes(predictions: Predictions, own: Sequence[Label], classes: Sequence[Label]) -> Predictions:
    """Return predictions in terms of `classes`, which has all of the model's `own`; the others get probability 0."""
    if tuple(own) == tuple(classes) or predictions.labels is None:
        return predictions
    at = np.array([list(classes).index(label) for label in own], dtype=np.int64)
    probabilities = None
    if predictions.probabilities is not None:
        probabilities = np.zeros((len(predictions.labels), len(classes)))
        probabilities[:, at] = predictions.probabilities
    return replace(predictions, labels=at[predictions.labels], probabilities=probabilities)
