"""Stops the fit of a gradient boosting when validation rows no longer get better scores, and tells how many rounds it used."""

from __future__ import annotations

from typing import Any

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.training.frameworks.fit_keywords import last_step, pipeline_steps, require_fit_parameter
from mlops_ci.training.frameworks.protocol import FitOptions

_MAX_ROUNDS = 10**9


def fit_until_no_gain(estimator: Any, x: Any, y: Any, options: FitOptions) -> None:
    """Fit an XGBoost or LightGBM estimator, or a Pipeline that ends with one, until the validation rows no longer gain.

    Preprocessing learns from the other rows only. Raises UsageProblem `train-fit-unsupported` for another estimator, and
    Findings `train-fit-validation` for validation rows that cannot be used.
    """
    booster = _require_booster(estimator)
    for name in options.params:
        require_fit_parameter(booster, name)
    held = options.validation
    _require_both_sides(y, held)
    fitted, judged = x[~held], x[held]
    model = estimator
    while steps := pipeline_steps(model):
        fitted, judged = _prepare(model, fitted, y[~held], judged)
        model = steps[-1][1]
    labels = (y[~held], y[held])
    if model is not booster:  # the vote that numbers the labels for XGBoost
        _fit_vote(model, booster, fitted, judged, labels, options)
    else:
        _fit_booster(booster, fitted, judged, labels, options)


def rounds_used(estimator: Any) -> int | None:
    """Return the number of rounds that a fitted estimator uses, if it stopped by validation rows; else None."""
    try:
        rounds = _find_rounds(last_step(estimator))
        number = 0 if rounds is None else int(rounds)
    except Exception:  # noqa: BLE001 the attributes may be of a class of the repository
        return None
    return number if 0 < number < _MAX_ROUNDS else None


def _find_rounds(model: Any) -> Any:
    if (
        type(model).__name__.startswith("Voting") and len(model.estimators_) == 1
    ):  # which numbers the labels for XGBoost
        model = model.estimators_[0]
    if _is_of(model, "xgboost"):
        return model.best_iteration + 1
    if _is_of(model, "lightgbm"):
        return model.best_iteration_
    if getattr(model, "do_early_stopping_", False) or getattr(model, "early_stopping", False) is True:
        return model.n_iter_
    return model.n_estimators_ if getattr(model, "n_iter_no_change", None) is not None else None


def _require_booster(estimator: Any) -> Any:
    """Return the XGBoost or LightGBM estimator that an estimator ends with."""
    model = last_step(estimator)
    parts = getattr(model, "estimators", None) if type(model).__name__.startswith("Voting") else None
    booster = parts[0][1] if parts and len(parts) == 1 else model
    if any(_is_of(booster, library) for library in ("xgboost", "lightgbm")):
        return booster
    name = type(booster).__name__
    own = "early_stopping" in booster.get_params(deep=False) if hasattr(booster, "get_params") else False
    raise UsageProblem.of(
        "train-fit-unsupported",
        f"`earlyStopping` is for estimators of XGBoost and LightGBM, alone or at the end of a Pipeline, not for {name}",
        help=f"{name} stops by its own parameters: `params: {{early_stopping: true, validation_fraction: 0.1, n_iter_no_change: 20}}`."
        if own
        else "Delete `earlyStopping`. Some estimators of scikit-learn have a parameter for it, such as n_iter_no_change.",
    )


def _is_of(estimator: Any, library: str) -> bool:
    name = {"xgboost": "XGBModel", "lightgbm": "LGBMModel"}[library]
    return any(kind.__name__ == name and kind.__module__.startswith(f"{library}.") for kind in type(estimator).__mro__)


def _require_both_sides(y: Any, held: Any) -> None:
    import numpy as np

    missing = len(set(np.unique(y[held]).tolist()) - set(np.unique(y[~held]).tolist())) if y.dtype.kind != "f" else 0
    if held.any() and not held.all() and not missing:
        return
    classes = "1 class" if missing == 1 else f"{missing} classes"
    raise Findings.of(
        "train-fit-validation",
        f"{classes} of the target stand in validation rows only"
        if missing and not held.all()
        else f"{held.sum():,} of the {len(held):,} training rows are validation rows",
        help="Change the share `validation` or the seed, or add rows. Rows of one group, and rows of one time, are on the same side.",
    )


def _prepare(model: Any, fitted: Any, y: Any, judged: Any) -> tuple[Any, Any]:
    """Fit all steps of a Pipeline but the last one, in place, and return both sides as its last step gets them."""
    if len(model.steps) == 1:
        return fitted, judged
    head = model[:-1]
    ready = head.fit_transform(fitted, y)
    model.steps[:-1] = head.steps  # with `memory`, the fitted steps are other objects
    return ready, head.transform(judged)


def _fit_booster(booster: Any, fitted: Any, judged: Any, labels: tuple[Any, Any], options: FitOptions) -> None:
    rounds, held = options.rounds, options.validation
    weights = (None, None) if options.weights is None else (options.weights[~held], [options.weights[held]])
    # not `eval_X` and `eval_y`: LightGBM 4.7 does not number their labels
    keywords: dict[str, Any] = {"sample_weight": weights[0], "eval_set": [(judged, labels[1])]}
    if _is_of(booster, "xgboost"):
        booster.set_params(early_stopping_rounds=rounds)
        keywords |= {"sample_weight_eval_set": weights[1], "verbose": False}
    else:
        from lightgbm import early_stopping

        keywords |= {"eval_sample_weight": weights[1], "callbacks": [early_stopping(rounds, verbose=False)]}
    if options.rows is not None:
        keywords["rows"] = options.rows[~held]
    booster.fit(fitted, labels[0], **{**keywords, **options.params})


def _fit_vote(vote: Any, booster: Any, fitted: Any, judged: Any, labels: tuple[Any, Any], options: FitOptions) -> None:
    """Fit a vote of one as its own `fit` does, which cannot hand on validation rows."""
    from sklearn.base import clone
    from sklearn.preprocessing import LabelEncoder
    from sklearn.utils import Bunch

    vote.le_ = LabelEncoder().fit(labels[0])
    vote.classes_ = vote.le_.classes_
    one = clone(booster)
    _fit_booster(one, fitted, judged, (vote.le_.transform(labels[0]), vote.le_.transform(labels[1])), options)
    vote.estimators_ = [one]
    vote.named_estimators_ = Bunch(**{vote.estimators[0][0]: one})
