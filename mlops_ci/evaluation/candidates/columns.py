"""The columns that a candidate needs: its features, its target, and the columns that the gate's rules name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.data.column_types import OTHER_TYPE
from mlops_ci.evaluation.base_branch_rules import GateRules
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.slice_conditions import parse_condition
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.validation.training import weights_column_findings


def columns_to_learn(model: ModelSpec, dataset: DatasetSpec) -> tuple[str, ...]:
    """Return the columns that a training reads beside the target: the features, and those that only the training reads.

    `dataset` has the split that divides the rows. By time, it also divides the rows that early stopping needs.
    """
    is_divided = model.train.early_stopping is not None and dataset.split.by == "time"
    times = (dataset.time or "time",) if is_divided else ()
    return tuple(dict.fromkeys((*model.features, *model.train.training_columns, *times)))


def required_columns(rules: GateRules) -> dict[str, tuple[str | int, ...]]:
    """Return the columns that the gate's rules need, each with the path in the Model spec that names it."""
    evaluate = rules.evaluate
    columns: dict[str, tuple[str | int, ...]] = {}
    for index, one in enumerate(evaluate.slices):
        names = (one,) if isinstance(one, str) else parse_condition(one.where).columns
        columns |= dict.fromkeys(names, ("spec", "evaluate", "slices", index))
    columns |= {
        name: ("spec", "dataset") for name in (rules.dependence.group, rules.dependence.time) if name is not None
    }
    if evaluate.weights:
        columns[evaluate.weights] = ("spec", "evaluate", "weights")
    for metric, custom in evaluate.custom.items():
        columns |= dict.fromkeys(custom.columns, ("spec", "evaluate", "custom", metric, "columns"))
    conditions = {one.name for one in evaluate.slices if not isinstance(one, str)}
    for index, requirement in enumerate(rules.gate.requirements):
        if requirement.by:
            columns[requirement.by] = ("spec", "gate", "requirements", index, "by")
        if isinstance(requirement.slices, tuple):
            place = ("spec", "gate", "requirements", index, "slices")
            columns |= {name: place for name in requirement.slices if name not in conditions}
    return columns


def slice_columns(rules: GateRules) -> tuple[str, ...]:
    """Return the columns that define slices: those that `evaluate.slices` reports, and those that a requirement names."""
    conditions = {one.name for one in rules.evaluate.slices if not isinstance(one, str)}
    reported = [one for one in rules.evaluate.slices if isinstance(one, str)]
    named = [item.slices for item in rules.gate.requirements if isinstance(item.slices, tuple)]
    return tuple(dict.fromkeys((*reported, *(name for names in named for name in names if name not in conditions))))


def missing_column_findings(
    model: LocatedSpec[ModelSpec], rules: GateRules, types: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """Return a finding for each column that a model or its rules name but the data do not have.

    `types` maps the names of the data's columns to their types.
    """
    spec, by_rules = model.spec, required_columns(rules)
    places: list[tuple[str, tuple[str | int, ...]]] = []
    places += [(name, ("spec", "features", index)) for index, name in enumerate(spec.features)]
    places += [(spec.target, ("spec", "target"))]
    if spec.train.weights_column is not None:
        places += [(spec.train.weights_column, ("spec", "train", "weights"))]
    places += [(name, ("spec", "train", "columns", index)) for index, name in enumerate(spec.train.columns or ())]
    places += list(by_rules.items())
    findings = []
    for name, place in places:
        if name in types:
            continue
        help = suggest(name, types, otherwise="the data have")
        needed_by = f", which the rules of {rules.base} need" if rules.base and name in by_rules else ""
        message = f"dataset '{spec.dataset}' has no column '{name}'{needed_by}"
        findings.append(Diagnostic("model-column-missing", message, model.locate(*place), help))
    return tuple(findings)


def training_column_findings(model: LocatedSpec[ModelSpec], types: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Return the findings about columns that only the training reads; `types` are those of the data's columns."""
    return (*weights_column_findings(model, types), *_unreadable_feature_findings(model, types))


def _unreadable_feature_findings(model: LocatedSpec[ModelSpec], types: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield the finding `feature-type` for each feature of lists, structs, bytes or times of day."""
    for index, name in enumerate(model.spec.features):
        if types.get(name) == OTHER_TYPE:
            yield Diagnostic(
                "feature-type",
                f"the feature {quote(name)} is a list, a struct, bytes or a time of day, which no estimator here reads",
                model.locate("spec", "features", index),
                "write its parts as columns of numbers or texts, or remove it from the features",
            )
