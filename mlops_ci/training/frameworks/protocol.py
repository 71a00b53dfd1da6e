"""What a machine learning framework has to offer to the training process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.records.training_run import ModelField


@dataclass(frozen=True)
class EstimatorRecipe:
    """How to build an estimator: a class by dotted path, or a function of the repository at `root`; with which parameters."""

    estimator: str | None
    entrypoint: str | None
    params: Mapping[str, Any]
    seed: int
    inputs: tuple[ModelField, ...]
    root: Path


@dataclass(frozen=True)
class Framework:
    """A machine learning framework. Its functions run in the training process only.

    `packager` names the format that its models are packaged in.

    `set_global_seeds(seed)` seeds the generators that code may draw from without naming one.
    `build(recipe)` returns the unfitted estimator, its own seeds set. It raises UsageProblem where the spec names what does
    not exist or gives parameters that do not fit, and Findings where the repository's own function fails.
    `fit(estimator, x, y)` fits it in place on a pandas frame of features and an array of the target.
    """

    name: str
    packager: str
    set_global_seeds: Callable[[int], None]
    build: Callable[[EstimatorRecipe], Any]
    fit: Callable[[Any, Any, Any], None]
