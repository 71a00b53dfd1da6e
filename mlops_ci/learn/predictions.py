"""What a model said about some rows, as arrays, and the labels to hold it against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Label = str | int | bool
T = TypeVar("T")


def need(part: T | None) -> T:
    """Return a part of truth or predictions that the task always has; raises ValueError when it is not there."""
    if part is None:
        raise ValueError("these are another task's truth or predictions")
    return part


@dataclass(frozen=True)
class Predictions:
    """A model's answers for n rows.

    Regression: `values` [n]. Classification: `labels` [n], indices into the holdout's classes; `probabilities` [n, k]
    where the model gives them; `scores` [n], of the positive class (the second one), where the task is binary.
    """

    values: Floats | None = None
    labels: Ints | None = None
    probabilities: Floats | None = None
    scores: Floats | None = None

    def rows(self, which: Any) -> Predictions:
        """Return the predictions of some rows: indices or a mask."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Predictions(**{name: None if part is None else part[which] for name, part in parts.items()})


@dataclass(frozen=True)
class Truth:
    """What was right for n rows: `values` [n], or `labels` [n], indices into `classes` (-1: unknown)."""

    values: Floats | None = None
    labels: Ints | None = None
    classes: tuple[Label, ...] = ()

    def rows(self, which: Any) -> Truth:
        """Return the truth of some rows: indices or a mask."""
        return Truth(
            None if self.values is None else self.values[which],
            None if self.labels is None else self.labels[which],
            self.classes,
        )

    def __len__(self) -> int:
        return len(self.values if self.values is not None else self.labels if self.labels is not None else ())


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
    return Predictions(labels=at[predictions.labels], probabilities=probabilities, scores=predictions.scores)
