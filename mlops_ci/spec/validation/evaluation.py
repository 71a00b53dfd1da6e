"""Validation of a model's `evaluate` block: slices, weights, costs and custom metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import quote
from mlops_ci.spec.condition_tree import Condition, ConditionError, ensure_types_comparable
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.slice_conditions import CONDITION_HELP, parse_condition
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, SliceSpec
from mlops_ci.spec.validation.dataset import undeclared_column_findings
from mlops_ci.spec.validation.estimator import entrypoint_findings


def evaluation_spec_findings(
    root: Path, model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec] | None
) -> Iterator[Diagnostic]:
    """Yield the findings about `evaluate`, and about the columns that the gate's requirements name.

    `data` is the model's dataset, or None when the dataset is missing or invalid.
    """
    yield from _slice_findings(model, data)
    yield from _cost_findings(model)
    for name, one in model.spec.evaluate.custom.items():
        at = ("spec", "evaluate", "custom", name)
        if name in METRIC_DEFINITIONS:
            yield Diagnostic(
                "metric-name-taken",
                f"a custom metric cannot be named {quote(name)}: a built-in metric has this name",
                model.locate(*at, key=True),
                "give the custom metric another name",
            )
        yield from entrypoint_findings(root, model.locate(*at, "entrypoint"), one.entrypoint)
    if data is not None:
        for name, where, role in _referenced_columns(model):
            yield from undeclared_column_findings(data, name, where, role)


class _ReferencedColumn(NamedTuple):
    """A column that `evaluate` or the gate names outside a slice condition: its name, place and role."""

    name: str
    place: Location
    role: str


def _referenced_columns(model: LocatedSpec[ModelSpec]) -> Iterator[_ReferencedColumn]:
    """Yield each column that `evaluate` or the gate names outside a slice condition."""
    evaluate = model.spec.evaluate
    conditions = {one.name for one in evaluate.slices if isinstance(one, SliceSpec)}
    for index, one in enumerate(evaluate.slices):
        if isinstance(one, str):
            yield _ReferencedColumn(one, model.locate("spec", "evaluate", "slices", index), "slice")
    if evaluate.weights is not None:
        yield _ReferencedColumn(evaluate.weights, model.locate("spec", "evaluate", "weights"), "weights column")
    for name, custom in evaluate.custom.items():
        for index, column in enumerate(custom.columns):
            yield _ReferencedColumn(
                column, model.locate("spec", "evaluate", "custom", name, "columns", index), "column"
            )
    for number, requirement in enumerate(model.spec.gate.requirements):
        at = ("spec", "gate", "requirements", number)
        if requirement.by is not None:
            yield _ReferencedColumn(requirement.by, model.locate(*at, "by"), "group column")
        if isinstance(requirement.slices, tuple):
            for index, column in enumerate(requirement.slices):
                if column not in conditions:
                    yield _ReferencedColumn(column, model.locate(*at, "slices", index), "slice")


def _slice_findings(model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec] | None) -> Iterator[Diagnostic]:
    first: dict[str, Location] = {}
    for index, one in enumerate(model.spec.evaluate.slices):
        at = ("spec", "evaluate", "slices", index)
        name = one if isinstance(one, str) else one.name
        here = model.locate(*at)
        if first.setdefault(name, here) is not here:
            yield Diagnostic(
                "slice-name-taken",
                f"two slices are named {quote(name)}; the first is at {first[name].line}:{first[name].column}",
                here,
                "rename or delete one of them",
            )
        if isinstance(one, SliceSpec):
            where = model.locate(*at, "where")
            try:
                condition = parse_condition(one.where)
                _ensure_condition_fits(condition, data)
            except ConditionError as error:
                yield Diagnostic(
                    "slice-condition-invalid",
                    f"{quote(one.where)} is not a valid condition: {error.message.removesuffix(f'; {CONDITION_HELP}')}",
                    _character_location(where, one.where, error.offset),
                    CONDITION_HELP,
                )
                continue
            if data is not None:
                for column in condition.columns:
                    yield from undeclared_column_findings(data, column, where, "column")


def _ensure_condition_fits(condition: Condition, data: LocatedSpec[DatasetSpec] | None) -> None:
    """Raise ConditionError when a value cannot be compared with a column of the type that the dataset declares."""
    columns = data.spec.columns if data else {}
    ensure_types_comparable(condition, {name: one.type for name, one in columns.items() if one.type is not None})


def _character_location(where: Location, text: str, offset: int) -> Location:
    """Return the place of one character of a text.

    Returns `where` unchanged when the line of the file does not contain the text literally.
    """
    line = where.text or ""
    start = line.find(text, (where.column or 1) - 1)
    return where if start < 0 else replace(where, column=start + 1 + min(offset, max(len(text) - 1, 0)), length=1)


def _cost_findings(model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    costs = model.spec.evaluate.costs
    first: set[tuple[str, str]] = set()
    for index, one in enumerate(costs):
        pair = (repr(one.actual), repr(one.predicted))
        if pair in first:
            yield Diagnostic(
                "cost-repeated",
                f"the cost of the prediction {pair[1]} for the actual value {pair[0]} is given twice",
                model.locate("spec", "evaluate", "costs", index),
                "delete one of the two",
            )
        first.add(pair)
    if costs:
        return
    places = [
        *(("evaluate", "metrics", index) for index, name in enumerate(model.spec.evaluate.metrics) if name == "cost"),
        *(
            ("gate", "requirements", index, "metric")
            for index, one in enumerate(model.spec.gate.requirements)
            if one.metric == "cost"
        ),
    ]
    for place in places:
        yield Diagnostic(
            "metric-cost-missing",
            "the metric 'cost' needs `evaluate.costs`, and the spec has none",
            model.locate("spec", *place),
            "add them, for example `evaluate: {costs: [{actual: true, predicted: false, cost: 5}]}`",
        )
