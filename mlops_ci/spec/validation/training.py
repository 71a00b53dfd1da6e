"""Validation of the parts of a model's `train` block that say how it is fitted: weights, the arguments of `fit`, and columns of the training only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.train_spec import BALANCED
from mlops_ci.spec.validation.dataset import undeclared_column_findings

# arguments of `fit` that are no plain values, or that another field gives, each with what to do instead
_ROWS = "the toolkit hands the rows to `fit`: delete it"
_HELD = "use `earlyStopping`, which takes a share of the training rows"
_CODE = "it needs code: write an entrypoint"
_START = "a model that is trained on must not depend on an older one: delete it"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("X", "x", "y", "self", "group", "groups", "qid", "init_score", "base_margin"), _ROWS),
    **dict.fromkeys(("eval_set", "eval_X", "eval_y", "eval_names", "eval_group", "eval_init_score"), _HELD),
    **dict.fromkeys(
        ("eval_sample_weight", "eval_class_weight", "sample_weight_eval_set", "base_margin_eval_set"), _HELD
    ),
    **dict.fromkeys(("X_val", "y_val", "sample_weight_val", "validation_data"), _HELD),
    **dict.fromkeys(("callbacks", "monitor"), _CODE),
    **dict.fromkeys(("xgb_model", "init_model"), _START),
    "sample_weight": "name a column in `train.weights`",
}
_ROUNDS = ("early_stopping_rounds", "early_stopping_round")  # parameters that need validation rows
_NUMBERS = ("integer", "number", "boolean")


def training_options_findings(
    model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec] | None
) -> Iterator[Diagnostic]:
    """Yield the findings about how a model is fitted.

    `data` is the model's dataset, or None when the dataset is missing or invalid.
    """
    spec, where = model.spec, model.locate("spec", "train", "weights")
    if spec.train.weights == BALANCED and spec.task == "regression":
        yield Diagnostic(
            "train-weights-task",
            "`balanced` gives each class the same total weight, and a regression has no classes",
            where,
            "delete `weights`, or name a column with the weight of each row",
        )
    if (name := spec.train.weights_column) in (*spec.features, spec.target) and name is not None:
        role = "the target" if name == spec.target else "a feature"
        yield Diagnostic(
            "train-weights-column",
            f"the weights column {quote(name)} is also {role}",
            where,
            "name another column, or delete it from `features`: a model does not read the weights when it predicts",
        )
    yield from _fit_findings(model)
    yield from _column_findings(model, data)
    if data is None:
        return
    if name is not None:
        yield from undeclared_column_findings(data, name, where, "weights column")
    columns = data.spec.columns
    declared = {name: column.expected_type for name, column in columns.items() if column.expected_type is not None}
    yield from weights_column_findings(model, {**dict.fromkeys(columns, "number"), **declared})


def _fit_findings(model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    """Yield a finding for each argument of `fit` that is no plain value, and for early stopping without validation rows."""
    train = model.spec.train
    for name in train.fit.params if train.fit else ():
        help = _REFUSED.get(name)
        if help is None and "__" in name:
            help = f"write `{name.rpartition('__')[2]}`: it reaches the last step of a Pipeline"
        if help is not None:
            yield Diagnostic(
                "train-fit-refused",
                f"{quote(name)} cannot be an argument of `fit` here",
                model.locate("spec", "train", "fit", "params", name, key=True),
                help,
            )
    library = (train.estimator or "").partition(".")[0]
    for name in _ROUNDS if library in ("xgboost", "lightgbm") else ():
        if name in train.params:
            yield Diagnostic(
                "train-fit-rounds",
                f"{quote(name)} needs validation rows",
                model.locate("spec", "train", "params", name, key=True),
                f"delete it, and write below `train`:\nfit: {{earlyStopping: {{rounds: {train.params[name]}}}}}",
            )


def _column_findings(model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec] | None) -> Iterator[Diagnostic]:
    """Yield a finding for each entry of `train.columns` that is not for the training only, or does not exist."""
    spec = model.spec
    for index, name in enumerate(spec.train.columns or ()):
        where = model.locate("spec", "train", "columns", index)
        if name in (*spec.features, spec.target):
            yield Diagnostic(
                "train-columns-feature",
                f"{quote(name)} is {'the target' if name == spec.target else 'a feature'}, which `fit` gets in any case",
                where,
                "delete it from `train.columns`, or from `features` if the model shall not read it when it predicts",
            )
        if data is not None:
            yield from undeclared_column_findings(data, name, where, "training column")


def weights_column_findings(model: LocatedSpec[ModelSpec], types: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield a finding when `train.weights` names a column that has no numbers, or could mean a column called `balanced`.

    `types` are the types of the columns that are known.
    """
    train, where = model.spec.train, model.locate("spec", "train", "weights")
    if train.weights == BALANCED and BALANCED in types:
        yield Diagnostic(
            "train-weights-column",
            f"`weights: {BALANCED}` is ambiguous: dataset '{model.spec.dataset}' has a column with this name",
            where,
            "rename the column",
        )
    type = types.get(train.weights_column or "")
    if type is not None and type not in _NUMBERS:
        yield Diagnostic(
            "train-weights-column",
            f"the weights column {quote(train.weights or '')} is of type {type}, and a weight is a number",
            where,
            "name a column of numbers",
        )
