"""What is reported, and what must hold, where a spec does not say."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.spec.spec_types import BaselineRole, Requirement, Task

DEFAULT_MARGIN = 0.01  # a point of accuracy, area or explained variance


def default_metrics(task: Task) -> tuple[str, ...]:
    """Return what is reported when the spec names no metrics."""
    return _DEFAULTS[task][0]


def default_requirements(task: Task) -> tuple[Requirement, ...]:
    """Return what must hold when the spec's gate names no requirements: better than guessing, and than the champion."""
    return _DEFAULTS[task][1]


def _build_requirements(floor: Requirement, better: str, no_worse: str) -> tuple[Requirement, ...]:
    """Return a floor; for a change, that it is an improvement; for a retrain, that little is lost, and little in all."""
    lost: tuple[BaselineRole, ...] = ("champion", "anchor")
    return (
        floor,
        Requirement(better, against="champion", test="superiority", when="changed"),
        *(
            Requirement(no_worse, against=older, test="non-inferiority", margin=DEFAULT_MARGIN, when="retrained")
            for older in lost
        ),
    )


_DEFAULTS: Mapping[Task, tuple[tuple[str, ...], tuple[Requirement, ...]]] = {
    "binary-classification": (
        ("auc", "log-loss", "brier", "accuracy"),
        _build_requirements(Requirement("auc", min=0.5), "auc", "auc"),
    ),
    "multiclass-classification": (
        ("accuracy", "balanced-accuracy", "auc-ovr", "log-loss"),
        _build_requirements(Requirement("auc-ovr", min=0.5), "accuracy", "accuracy"),
    ),
    "regression": (("rmse", "mae", "r2"), _build_requirements(Requirement("r2", min=0.0), "rmse", "r2")),
}
