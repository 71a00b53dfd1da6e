"""The protocol of machine learning frameworks, for the training process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_ci.core.records.training_run import ModelField


@dataclass(frozen=True)
class EstimatorRecipe:
    """How to build an estimator: a class by dotted path or a function in the repository at `root`, and its parameters.

    `labels` are the sorted labels of the training rows, for a classifier; `text` are the inputs that are read as words.
    """

    estimator: str | None
    entrypoint: str | None
    params: Mapping[str, Any]
    seed: int
    inputs: tuple[ModelField, ...]
    root: Path
    labels: tuple[Any, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitOptions:
    """What a fit reads beside the features and the target.

    `weights` are the weights of the n rows, an array [n] of finite numbers of at least 0 that are not all 0; or None.
    `params` are keyword arguments of the estimator's `fit`. `validation` marks the rows that are not learned from, an array
    [n] of booleans: the fit stops after `rounds` rounds in which these rows got no better score. `rows` is a pandas frame
    [n] of the columns that only the training reads; or None.
    """

    weights: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    validation: Any = None
    rounds: int = 0
    rows: Any = None


@dataclass(frozen=True)
class Framework:
    """A machine learning framework. Its functions run only in the training process.

    `packager` is the name of the format that its models are packaged in.

    `set_global_seeds(seed)` seeds the global random number generators.
    `build(recipe)` returns the unfitted estimator with its seeds set. It raises UsageProblem when the spec names an
    estimator that does not exist or gives unsuitable parameters, and Findings when the repository's function fails.
    `fit(estimator, x, y)` fits the estimator in place on a pandas frame of features and an array of the target.
    `fit_with(estimator, x, y, options)` does the same for a spec with `weights`, `fit` or `columns`. It raises UsageProblem for
    an estimator that cannot use them. A framework without it refuses such a spec. `rounds_used(estimator)` returns the
    rounds of a fit that stopped by validation rows.
    """

    name: str
    packager: str
    set_global_seeds: Callable[[int], None]
    build: Callable[[EstimatorRecipe], Any]
    fit: Callable[[Any, Any, Any], None]
    fit_with: Callable[[Any, Any, Any, FitOptions], None] | None = None
    rounds_used: Callable[[Any], int | None] = lambda _: None
