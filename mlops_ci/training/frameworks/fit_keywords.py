"""Finds the keyword that takes an argument of `fit` through pipelines and other compositions to the estimator that reads it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.suggestions import suggest

# by a class of scikit-learn: where it has the estimator to whose `fit` it hands every keyword
_PASS_ALL: Mapping[str, str] = {
    "BaseSearchCV": "estimator",
    "TransformedTargetRegressor": "regressor",
    "RFE": "estimator",
}
# classes that hand on `sample_weight` only, to all of their estimators: where they have these
_PASS_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "_BaseVoting": ("estimators",),
    "_BaseStacking": ("estimators", "final_estimator"),
    "CalibratedClassifierCV": ("estimator",),  # else it would use the weights for the calibration alone
}


def find_fit_keyword(estimator: Any, name: str) -> str | None:
    """Return the keyword of `estimator.fit` that hands `name` to the `fit` which reads it; None when none does.

    Through a Pipeline it is the last step's, such as `model__sample_weight`. A class that scikit-learn does not have
    takes any name if its `fit` takes any keyword.
    """
    kinds = {kind.__name__ for kind in type(estimator).__mro__ if kind.__module__.startswith("sklearn.")}
    if steps := pipeline_steps(estimator):
        label, last = steps[-1]
        if any(hasattr(step, "fit_resample") for _, step in steps):
            return None  # the last step gets other rows than these
        inner = find_fit_keyword(last, name)
        return None if inner is None else f"{label}__{inner}"
    for kind, attribute in _PASS_ALL.items():
        if kind in kinds:
            return find_fit_keyword(getattr(estimator, attribute), name)
    for kind, attributes in _PASS_WEIGHTS.items():
        if kind in kinds:
            parts = [part for attribute in attributes for part in _estimators(getattr(estimator, attribute))]
            return (
                name
                if name == "sample_weight" and all(find_fit_keyword(part, name) == name for part in parts)
                else None
            )
    return name if _fit_takes(estimator, name) else None


def require_fit_parameter(estimator: Any, name: str) -> str:
    """Return the keyword that hands a parameter of `train.fit.params` to the fit; raises UsageProblem when there is none."""
    if (keyword := find_fit_keyword(estimator, name)) is not None:
        return keyword
    reader = last_step(estimator)
    known = (
        [] if not hasattr(reader, "fit") else [one for one in inspect.signature(reader.fit).parameters if one.islower()]
    )
    raise UsageProblem.of(
        "train-fit-unsupported",
        f"the `fit` of {type(reader).__name__} has no parameter '{name}', or the composition around it does not hand it on",
        help=suggest(name, known, otherwise="its parameters are"),
    )


def last_step(estimator: Any) -> Any:
    """Return the last step of a Pipeline, of its last step, and so on; else the estimator."""
    steps = pipeline_steps(estimator)
    return last_step(steps[-1][1]) if steps else estimator


def pipeline_steps(estimator: Any) -> list[tuple[str, Any]]:
    """Return the names and the steps of a Pipeline; of another estimator, none."""
    from sklearn.pipeline import Pipeline

    return list(estimator.steps) if isinstance(estimator, Pipeline) else []


def _estimators(value: Any) -> list[Any]:
    """Return the estimators of a parameter: one, or a list of names with estimators."""
    found = [one for _, one in value] if isinstance(value, list | tuple) else [value]
    return [one for one in found if one is not None and not isinstance(one, str)]  # a text: dropped, or fitted before


def _fit_takes(estimator: Any, name: str) -> bool:
    try:
        given = inspect.signature(estimator.fit).parameters
    except (AttributeError, TypeError, ValueError):  # no fit, or one of an extension module
        return False
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in given.values())
    return name in given or (takes_any and not type(estimator).__module__.startswith("sklearn."))
