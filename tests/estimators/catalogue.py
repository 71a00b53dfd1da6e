"""What is tried: the estimators of scikit-learn that fit a task, those of other libraries, and compositions."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TASKS = ("binary-classification", "multiclass-classification", "regression")
COMPOSITIONS = {
    "binary-classification": (
        *("logistic_pipeline", "feature_union", "grid_search", "random_search", "calibrated_isotonic"),
        *("calibrated_forest", "stacking", "voting", "bagging", "one_vs_rest", "self_training", "imblearn_pipeline"),
    ),
    "multiclass-classification": ("one_vs_one", "one_vs_rest", "stacking", "calibrated_forest", "voting"),
    "regression": (
        *("transformed_target", "polynomial_ridge", "splines", "stacking_regressor", "voting_regressor"),
        "quantile_boosting",
    ),
}
OTHERS = {
    "Classifier": (
        *("xgboost.XGBClassifier", "xgboost.XGBRFClassifier", "lightgbm.LGBMClassifier"),
        *("imblearn.ensemble.BalancedBaggingClassifier", "imblearn.ensemble.BalancedRandomForestClassifier"),
        *("imblearn.ensemble.EasyEnsembleClassifier", "imblearn.ensemble.RUSBoostClassifier"),
    ),
    "Regressor": ("xgboost.XGBRegressor", "xgboost.XGBRFRegressor", "lightgbm.LGBMRegressor"),
}
# parameters without which a class of scikit-learn cannot be fitted to one target, or predicts nothing but noise, a constant
# or, for a row without neighbours, no label
PARAMS: dict[str, dict[str, Any]] = {
    "CCA": {"n_components": 1},
    "GaussianProcessRegressor": {"alpha": 1.0},
    "PLSCanonical": {"n_components": 1},
    "QuantileRegressor": {"alpha": 0.01},
    "RadiusNeighborsClassifier": {"radius": 3.0},
    "RadiusNeighborsRegressor": {"radius": 3.0},
}
# classes that fit no task here: they predict several targets, one of two classes, or need an estimator, which a spec's
# parameters cannot hold (an entrypoint can: see the compositions)
NO_TASK = {
    **dict.fromkeys(
        ("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain", "MultiTaskElasticNet",
         "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
        "predict several targets",
    ),
    **dict.fromkeys(
        ("FixedThresholdClassifier", "OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier",
         "SelfTrainingClassifier", "StackingClassifier", "StackingRegressor", "TunedThresholdClassifierCV",
         "VotingClassifier", "VotingRegressor"),
        "contain other estimators: write an entrypoint",
    ),
    "IsotonicRegression": "one feature only",
}  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """A model to try: its spec's name, what it is called in the table, and its `train` block."""

    name: str
    title: str
    task: str
    train: dict[str, Any] = field(default_factory=dict)


def attempts(task: str) -> Iterator[Attempt]:
    """Yield what is tried for a task."""
    from sklearn.utils import all_estimators

    kind = "Regressor" if task == "regression" else "Classifier"
    named = [
        f"{'.'.join(one.__module__.split('.')[:2])}.{name}"
        for name, one in all_estimators(kind.lower())
        if name not in NO_TASK
    ]
    others = [path for path in OTHERS[kind] if importlib.util.find_spec(path.partition(".")[0])]
    for path in (*named, *others):
        params = PARAMS.get(path.rpartition(".")[2], {})
        shown = ", ".join(f"{name}={value}" for name, value in params.items())
        title = f"{path}({shown})" if params else path
        yield Attempt(_slug(path), title, task, {"estimator": path, "params": params, "seed": 7})
    for function in COMPOSITIONS[task]:
        if function != "imblearn_pipeline" or importlib.util.find_spec("imblearn"):
            train = {"entrypoint": f"models/compositions.py:{function}", "seed": 7}
            yield Attempt(_slug(f"composition.{function}"), function.replace("_", " "), task, train)


def _slug(path: str) -> str:
    package, name = path.split(".")[0], path.rpartition(".")[2]
    return f"{package}-{name}".lower().replace("_", "-")[:40]
