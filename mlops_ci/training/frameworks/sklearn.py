"""The scikit-learn framework: builds an unfitted estimator from a dotted path or from a function in the repository."""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, UsageProblem, error_headline
from mlops_ci.core.suggestions import find_nearest
from mlops_ci.training.frameworks.early_stopping import fit_until_no_gain, rounds_used
from mlops_ci.training.frameworks.fit_keywords import find_fit_keyword, last_step, require_fit_parameter
from mlops_ci.training.frameworks.preprocess import add_preprocessing
from mlops_ci.training.frameworks.protocol import EstimatorRecipe, FitOptions, Framework
from mlops_ci.training.user_code import CALL_HELP, call_user_code, load_entrypoint

_METHODS = ("fit", "predict", "get_params")  # an object with these methods is an estimator


def build_estimator(recipe: EstimatorRecipe) -> Any:
    """Return the unfitted estimator, with the default preprocessing if it has none, and with every seed set.

    Raises UsageProblem when the spec names an estimator that does not exist or gives unsuitable parameters, and Findings
    when the repository's function fails.
    """
    estimator = (
        _build_from_entrypoint(recipe.entrypoint, recipe.params, recipe.root)
        if recipe.entrypoint is not None
        else _build_from_path(recipe.estimator or "", recipe.params)
    )
    if recipe.entrypoint is None:
        estimator = number_labels(estimator, recipe.labels)
    return set_seeds(add_preprocessing(estimator, recipe.inputs, recipe.root, recipe.text), recipe.seed)


def number_labels(estimator: Any, labels: tuple[Any, ...]) -> Any:
    """Return a classifier of XGBoost within a vote of one, which numbers the labels: XGBoost takes 0, 1, 2, ... only."""
    from sklearn.base import is_classifier
    from sklearn.ensemble import VotingClassifier

    numbered = all(type(label) is int and label == at for at, label in enumerate(labels))
    if numbered or not type(estimator).__module__.startswith("xgboost.") or not is_classifier(estimator):
        return estimator
    return VotingClassifier([("model", estimator)], voting="soft")


def set_global_seeds(seed: int) -> None:
    """Seed Python's and numpy's global random number generators."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)


def fit_estimator(estimator: Any, x: Any, y: Any) -> None:
    """Fit an estimator in place."""
    estimator.fit(x, y)


def fit_estimator_with(estimator: Any, x: Any, y: Any, options: FitOptions) -> None:
    """Fit an estimator in place with options.

    Raises UsageProblem `train-weights-unsupported`, `train-columns-unread` or `train-fit-unsupported` for an option that the
    estimator cannot use, and Findings `train-fit-validation`.
    """
    weights = {} if options.weights is None else {_require_weights_keyword(estimator): options.weights}
    rows = {} if options.rows is None else {_require_rows_keyword(estimator): options.rows}
    if options.validation is not None:
        fit_until_no_gain(estimator, x, y, options)
        return
    params = {require_fit_parameter(estimator, name): value for name, value in options.params.items()}
    estimator.fit(x, y, **weights, **rows, **params)


def _require_weights_keyword(estimator: Any) -> str:
    if (keyword := find_fit_keyword(estimator, "sample_weight")) is not None:
        return keyword
    raise UsageProblem.of(
        "train-weights-unsupported",
        f"the `fit` of {type(last_step(estimator)).__name__} takes no `sample_weight`, so the weights would not be used",
        help="Delete `weights`, or choose an estimator whose fit takes them.",
    )


def _require_rows_keyword(estimator: Any) -> str:
    if (keyword := find_fit_keyword(estimator, "rows")) is not None:
        return keyword
    raise UsageProblem.of(
        "train-columns-unread",
        f"the `fit` of {type(last_step(estimator)).__name__} has no parameter `rows`, so nothing would read `columns`",
        help="Delete `columns`, or write an estimator with `fit(self, x, y, rows)`, and name the function that makes it in"
        " `entrypoint`.",
    )


def set_seeds(estimator: Any, seed: int) -> Any:
    """Set every `random_state` that is None, including nested ones, and return the estimator."""
    params = estimator.get_params(deep=True)
    unset = [name for name, value in params.items() if name.rpartition("__")[2] == "random_state" and value is None]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator


def _build_from_path(path: str, params: Mapping[str, Any]) -> Any:
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name) if module_name else None
    except ImportError as error:
        raise UsageProblem.of(
            "estimator-unknown",
            f"cannot import '{module_name}' ({error_headline(error)})",
            help="Check the dotted path, and that its package is installed in the environment that runs mlops-ci.",
        ) from error
    kind = getattr(module, name, None)
    if not _is_estimator_class(kind):
        others = vars(module).items() if module else ()
        near = find_nearest(name, [other for other, value in others if _is_estimator_class(value)])
        raise UsageProblem.of(
            "estimator-unknown",
            f"'{path}' is not a scikit-learn estimator (a class with fit, predict and get_params)",
            help=f"Did you mean '{module_name}.{near}'?"
            if near
            else "Name the class of an estimator, such as sklearn.linear_model.LogisticRegression.",
        )
    try:
        return kind(**params)
    except Exception as error:  # any error of a constructor is about its parameters
        known = sorted(getattr(kind, "_get_param_names", list)())
        unknown = [name for name in params if known and name not in known]
        near = find_nearest(unknown[0], known) if unknown else None
        raise UsageProblem.of(
            "estimator-params-invalid",
            f"{name} does not accept these parameters: {error_headline(error)}",
            help=f"Did you mean '{near}'?" if near else f"Its parameters are: {', '.join(known)}." if known else None,
        ) from error


def _is_estimator_class(value: Any) -> TypeGuard[type[Any]]:
    return isinstance(value, type) and all(hasattr(value, method) for method in _METHODS)


def _build_from_entrypoint(entrypoint: str, params: Mapping[str, Any], root: Path) -> Any:
    file, function = entrypoint.rpartition(":")[0], load_entrypoint(entrypoint, root)
    made = call_user_code(lambda: function(**params), "entrypoint-failed", f"{entrypoint} failed", CALL_HELP, root)
    # an unfitted stack or search may say that it has no `predict`, because its last estimator is not made yet
    if isinstance(made, type) or not all(hasattr(made, method) or hasattr(type(made), method) for method in _METHODS):
        raise Findings.of(
            "entrypoint-failed",
            f"{entrypoint} returned a {type(made).__name__}, not an estimator",
            location=Location(file),
            help="Return an unfitted object with fit, predict and get_params, such as a sklearn.base.BaseEstimator.",
        )
    return made


SKLEARN = Framework(
    name="sklearn",
    packager="skops",
    set_global_seeds=set_global_seeds,
    build=build_estimator,
    fit=fit_estimator,
    fit_with=fit_estimator_with,
    rounds_used=rounds_used,
)
