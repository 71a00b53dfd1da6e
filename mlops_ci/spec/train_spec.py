"""The `train` block of a Model spec as a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BALANCED = "balanced"  # the value of `train.weights` that is not the name of a column


@dataclass(frozen=True)
class TrainSpec:
    """How a candidate is trained: an estimator by dotted path, or a function in the repository's code.

    `framework` names the plugin that fits and packages the model; None means scikit-learn. `text` are features that are
    read as words. `weights` are the weights of the training rows: a column, or `balanced`.

    A run's key has each field that is not None, so that a new field with the default None leaves all keys as they are.
    """

    estimator: str | None = None
    entrypoint: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    trusted: tuple[str, ...] = ()
    framework: str | None = None
    text: tuple[str, ...] = ()
    weights: str | None = None

    @property
    def weights_column(self) -> str | None:
        """The column with the weights of the rows, or None."""
        return None if self.weights == BALANCED else self.weights

    @property
    def training_columns(self) -> tuple[str, ...]:
        """The columns that only the training reads: no feature, not the target."""
        return () if self.weights_column is None else (self.weights_column,)
