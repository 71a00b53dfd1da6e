"""Validation of the parts of a model's `train` block that say how it is fitted: weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.train_spec import BALANCED
from mlops_ci.spec.validation.dataset import undeclared_column_findings

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
    if data is None:
        return
    if name is not None:
        yield from undeclared_column_findings(data, name, where, "weights column")
    columns = data.spec.columns
    declared = {name: column.expected_type for name, column in columns.items() if column.expected_type is not None}
    yield from weights_column_findings(model, {**dict.fromkeys(columns, "number"), **declared})


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
