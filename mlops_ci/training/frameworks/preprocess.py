"""The default preprocessing by column type, for an estimator without its own preprocessing."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField

_TREE_MODULES = ("sklearn.tree.", "sklearn.ensemble.", "xgboost.", "lightgbm.", "catboost.")
_NON_TREE_ENSEMBLES = ("VotingClassifier", "VotingRegressor", "StackingClassifier", "StackingRegressor")
_MAX_HGB_CATEGORIES = 254  # histogram boosting has 255 bins; one is for missing values


def add_preprocessing(estimator: Any, inputs: Sequence[ModelField], root: Path) -> Any:
    """Return a Pipeline of the default preprocessing and the estimator.

    The preprocessing depends on the columns' types and on the family of the estimator. Histogram boosting gets ordinal
    codes and reads missing values directly. Other trees get ordinal codes and medians for missing numbers. All other
    estimators get medians, standard scores and one-hot codes. An estimator that contains a Pipeline or ColumnTransformer,
    and an estimator whose class is in the repository, is returned unchanged. Raises UsageProblem for a date or timestamp
    column, which would need an encoding.
    """
    from sklearn.pipeline import Pipeline

    if _has_pipeline(estimator) or _is_repository_class(type(estimator), root):
        return estimator
    for field in inputs:
        if field.type in ("date", "timestamp"):
            raise UsageProblem.of(
                "feature-type-unsupported",
                f"feature '{field.name}' is a {field.type}, which {type(estimator).__name__} cannot use",
                help="Add numeric columns such as month, hour or days since an event to the data, and use them as features.",
            )
    numeric = [field.name for field in inputs if field.type != "string"]
    categorical = [field.name for field in inputs if field.type == "string"]
    return Pipeline([("prepare", _column_transformer(estimator, numeric, categorical)), ("model", estimator)])


def _has_pipeline(estimator: Any) -> bool:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(isinstance(part, Pipeline | ColumnTransformer) for part in parts)


def _is_repository_class(kind: type, root: Path) -> bool:
    try:
        return Path(inspect.getfile(kind)).resolve().is_relative_to(
            root.resolve()
        ) and "site-packages" not in inspect.getfile(kind)
    except (TypeError, OSError):  # a class of an extension module
        return False


def _column_transformer(estimator: Any, numeric: list[str], categorical: list[str]) -> Any:
    """Return the ColumnTransformer for the family of the estimator."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    nan = float("nan")
    name = f"{type(estimator).__module__}.{type(estimator).__name__}"
    numbers: Any = SimpleImputer(strategy="median", keep_empty_features=True)
    if type(estimator).__name__.startswith("HistGradientBoosting"):
        most = min(_MAX_HGB_CATEGORIES, int(estimator.max_bins) - 1)
        codes: Any = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=nan, encoded_missing_value=nan, max_categories=most
        )
        # codes stay numbers: `categorical_features` would add functools.partial, an unsafe type, to the model file
        numbers = "passthrough"
    elif name.startswith(_TREE_MODULES) and type(estimator).__name__ not in _NON_TREE_ENSEMBLES:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    else:
        codes = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False)
        numbers = Pipeline([("impute", numbers), ("scale", StandardScaler())])
    return ColumnTransformer([("numbers", numbers, numeric), ("categories", codes, categorical)])
