"""The metrics and gate requirements of a model spec that names none."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.spec.spec_types import BaselineRole, Requirement, Task

DEFAULT_MARGIN = 0.01  # one percentage point of accuracy, AUC or explained variance


def default_metrics(task: Task) -> tuple[str, ...]:
    """Return the metrics that a report shows when the spec names none."""
    return _DEFAULTS[task][0]


def default_requirements(task: Task) -> tuple[Requirement, ...]:
    """Return the gate's requirements when the spec names none: better than guessing, and tests against older versions."""
    return _DEFAULTS[task][1]


def _build_requirements(floor: Requirement, better: str, no_worse: str) -> tuple[Requirement, ...]:
    """Return a floor, a superiority test for a change, and two non-inferiority tests for a retrain.

    A retrain must lose little against the champion, and little in all against the anchor.
    """
    baselines: tuple[BaselineRole, ...] = ("champion", "anchor")
    return (
        floor,
        Requirement(better, against="champion", test="superiority", when="changed"),
        *(
            Requirement(no_worse, against=baseline, test="non-inferiority", margin=DEFAULT_MARGIN, when="retrained")
            for baseline in baselines
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
