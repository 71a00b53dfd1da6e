"""The `train` block of a Model spec as a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BALANCED = "balanced"  # the value of `train.weights` that is not the name of a column
VALIDATION_COLUMN = "mlops-ci.validation"  # of the training rows: which of them say when a fit has to stop


@dataclass(frozen=True)
class EarlyStopping:
    """When a fit stops: after `rounds` rounds without a better score on the share `validation` of the training rows."""

    rounds: int = 20
    validation: float = 0.1


@dataclass(frozen=True)
class FitSpec:
    """Keyword arguments of the estimator's `fit`, and when it stops."""

    params: Mapping[str, Any] = field(default_factory=dict)
    early_stopping: EarlyStopping | None = None


@dataclass(frozen=True)
class TrainSpec:
    """How a candidate is trained: an estimator by dotted path, or a function in the repository's code.

    `framework` names the plugin that fits and packages the model; None means scikit-learn. `text` are features that are
    read as words. `weights` are the weights of the training rows: a column, or `balanced`. `fit` says how `fit` is called. `columns`
    are columns that only the training reads, besides the weights.

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
    fit: FitSpec | None = None
    columns: tuple[str, ...] | None = None

    @property
    def early_stopping(self) -> EarlyStopping | None:
        """When the fit stops before its last round, or None."""
        return self.fit.early_stopping if self.fit else None

    @property
    def weights_column(self) -> str | None:
        """The column with the weights of the rows, or None."""
        return None if self.weights == BALANCED else self.weights

    @property
    def training_columns(self) -> tuple[str, ...]:
        """The columns that only the training reads: no feature, not the target."""
        weights = () if self.weights_column is None else (self.weights_column,)
        return tuple(dict.fromkeys((*weights, *(self.columns or ()))))
