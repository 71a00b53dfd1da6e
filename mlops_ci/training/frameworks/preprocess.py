"""The default preprocessing by column type, for an estimator without its own preprocessing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.training.frameworks.moments import moment_steps

_TREE_MODULES = ("sklearn.tree.", "sklearn.ensemble.", "xgboost.", "lightgbm.", "catboost.")
_NON_TREE_ENSEMBLES = ("VotingClassifier", "VotingRegressor", "StackingClassifier", "StackingRegressor")
_MAX_WORDS = 1_000  # of a column of texts
_MAX_HGB_CATEGORIES = 254  # histogram boosting has 255 bins; one is for missing values


def add_preprocessing(estimator: Any, inputs: Sequence[ModelField], root: Path, text: Sequence[str] = ()) -> Any:
    """Return a Pipeline of the default preprocessing and the estimator.

    The preprocessing depends on the columns' types and on the family of the estimator. Histogram boosting gets ordinal
    codes and reads missing values directly. Other trees get ordinal codes and medians for missing numbers. Naive Bayes for
    counts or categories gets numbers from 0 to 1 or bins, and one-hot codes. All other estimators get medians, standard
    scores and one-hot codes; quadratic discriminant analysis gets ordinal codes. Dates and timestamps become numbers (`moments`). An estimator that contains a Pipeline or
    ColumnTransformer, and an estimator whose class is in the repository, is returned unchanged. The columns of `text` are
    read as words, weighted by TF-IDF. Raises UsageProblem when one of them has another type than string.
    """
    from sklearn.pipeline import Pipeline

    if _has_pipeline(estimator) or _is_repository_class(type(estimator), root):
        return estimator
    return Pipeline([("prepare", _column_transformer(estimator, inputs, text)), ("model", estimator)])


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


def _column_transformer(estimator: Any, inputs: Sequence[ModelField], text: Sequence[str]) -> Any:
    """Return the ColumnTransformer for the family of the estimator."""
    from sklearn.base import clone
    from sklearn.compose import ColumnTransformer

    _require_text(inputs, text)
    family = _family(estimator)
    numbers, codes = _FAMILIES[family](estimator)
    names = {
        kind: [one.name for one in inputs if one.type == kind and one.name not in text]
        for kind in ("string", "date", "timestamp")
    }
    numeric = [one.name for one in inputs if one.type not in names]
    parts = [("numbers", numbers, numeric), ("categories", codes, names["string"])]
    for kind in ("date", "timestamp"):
        if names[kind]:
            moments = moment_steps(has_time=kind == "timestamp", cyclic=family not in ("histogram", "trees"))
            if family in ("counts", "bins"):  # their numbers are of the same kind as the others
                moments = _in_sequence(moments, clone(numbers))
            parts.append((f"{kind}s", moments, names[kind]))
    parts += [(f"words{at}", _words(), [name]) for at, name in enumerate(text)]
    return ColumnTransformer(parts, sparse_threshold=0.3 if _takes_sparse_rows(estimator) else 0.0)


def _require_text(inputs: Sequence[ModelField], text: Sequence[str]) -> None:
    for field in inputs:
        if field.name in text and field.type != "string":
            raise UsageProblem.of(
                "train-text-type",
                f"'{field.name}' is of type {field.type}, so it has no words",
                help="Remove it from `train.text`, or declare the column as `type: string` in the Dataset spec.",
            )


def _words() -> Any:
    """Return a Pipeline from a column of texts to the weights of its words; a missing text has none."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    fill = SimpleImputer(strategy="constant", fill_value="", keep_empty_features=True)
    words = TfidfVectorizer(max_features=_MAX_WORDS, sublinear_tf=True)
    return Pipeline([("impute", fill), ("texts", FunctionTransformer(np.ravel)), ("words", words)])


def _takes_sparse_rows(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).input_tags.sparse)


def _family(estimator: Any) -> str:
    if type(estimator).__name__ in _NON_TREE_ENSEMBLES and len(estimator.estimators) == 1:
        return _family(estimator.estimators[0][1])
    kind, name = type(estimator), f"{type(estimator).__module__}.{type(estimator).__name__}"
    if kind.__name__.startswith("HistGradientBoosting"):
        return "histogram"
    if name.startswith(_TREE_MODULES) and kind.__name__ not in _NON_TREE_ENSEMBLES:
        return "trees"
    if name.startswith("sklearn.naive_bayes."):
        return {"MultinomialNB": "counts", "ComplementNB": "counts", "CategoricalNB": "bins"}.get(
            kind.__name__, "other"
        )
    return "independent" if kind.__name__ == "QuadraticDiscriminantAnalysis" else "other"


def _histogram_parts(estimator: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import OrdinalEncoder

    nan, most = float("nan"), min(_MAX_HGB_CATEGORIES, int(estimator.max_bins) - 1)
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=nan, encoded_missing_value=nan, max_categories=most
    )
    # codes stay numbers: `categorical_features` would add functools.partial, an unsafe type, to the model file
    return "passthrough", codes


def _tree_parts(_: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return _medians(), codes


def _scaled_parts(_: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import StandardScaler

    return _in_sequence(_medians(), StandardScaler()), _one_hot()


def _independent_parts(estimator: Any) -> tuple[Any, Any]:
    """Return the parts for an estimator that inverts the covariances of each class: one-hot codes would follow from another."""
    from sklearn.preprocessing import StandardScaler

    return _in_sequence(_medians(), StandardScaler()), _tree_parts(estimator)[1]


def _count_parts(_: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import MinMaxScaler

    return _in_sequence(_medians(), MinMaxScaler(clip=True)), _one_hot()


def _bin_parts(_: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import KBinsDiscretizer

    # one-hot also here: a category that training lacked has no number of its own
    bins = KBinsDiscretizer(encode="onehot-dense")
    return _in_sequence(_medians(), bins), _one_hot()


_FAMILIES: Mapping[str, Callable[[Any], tuple[Any, Any]]] = {
    "histogram": _histogram_parts,
    "trees": _tree_parts,
    "counts": _count_parts,
    "bins": _bin_parts,
    "independent": _independent_parts,
    "other": _scaled_parts,
}


def _in_sequence(first: Any, then: Any) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([("impute", first), ("scale", then)])


def _medians() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", keep_empty_features=True)


def _one_hot() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False)
