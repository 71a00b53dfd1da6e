"""Validation of a model's metrics and gate requirements: metric names, groups, bounds and tests."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.metrics import METRIC_DEFINITIONS, MetricDefinition, find_metric, metric_names
from mlops_ci.spec.spec_types import ModelSpec, Requirement, Task


def gate_spec_findings(model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    """Yield the findings about `evaluate.metrics` and about the gate's requirements."""
    spec = model.spec
    for index, name in enumerate(spec.evaluate.metrics):
        where = model.locate("spec", "evaluate", "metrics", index)
        yield from _metric_findings(name, spec, where, tested="evaluate.metrics")
    first: dict[Requirement, Location] = {}
    for index, requirement in enumerate(spec.gate.requirements):
        at = ("spec", "gate", "requirements", index)
        tested = None if requirement.test is None else f"the test '{requirement.test}'"
        yield from _metric_findings(requirement.metric, spec, model.locate(*at, "metric"), tested=tested)
        yield from _group_findings(model, requirement, at)
        yield from _operational_findings(model, requirement, at)
        yield from _bound_findings(model, requirement, at)
        here = model.locate(*at)
        if first.setdefault(requirement, here) is not here:
            yield Diagnostic(
                "requirement-repeated",
                f"this requirement repeats the one at {first[requirement].line}:{first[requirement].column}",
                here,
                "delete one of them, or correct the field in which they should differ",
                "warning",
            )
        if requirement.slices == "all" and not spec.evaluate.slices:
            yield Diagnostic(
                "gate-no-slices",
                "`slices: all` means the slices of `evaluate.slices`, and the spec has none",
                model.locate(*at, "slices"),
                "add `evaluate: {slices: [COLUMN]}`, or list columns here",
            )
    given = spec.gate.requirements
    if given and all(requirement.against is not None for requirement in given):
        yield Diagnostic(
            "gate-no-floor",
            "every requirement compares with an older version: without a champion the verdict is inconclusive, "
            "so no first version can be released",
            model.locate("spec", "gate", "requirements", key=True),
            f"add a floor or a ceiling, such as `{_example_floor(spec.task)}`",
            "warning",
        )


def _example_floor(task: Task) -> str:
    floors: dict[Task, str] = {
        "binary-classification": "{metric: auc, min: 0.65}",
        "multiclass-classification": "{metric: auc-ovr, min: 0.65}",
        "regression": "{metric: r2, min: 0.1}",
    }
    return floors[task]


def _definition(name: str, spec: ModelSpec) -> MetricDefinition | None:
    """Return a metric's definition, or None for an unknown metric and for a custom metric of the model.

    Installed packages are not searched for a name that is a custom metric.
    """
    return METRIC_DEFINITIONS.get(name) if name in spec.evaluate.custom else find_metric(name)


def _metric_findings(name: str, spec: ModelSpec, where: Location, *, tested: str | None) -> Iterator[Diagnostic]:
    """Yield a finding for a metric that the task does not have, or that is not allowed in `tested`.

    `tested` names the place in messages. It is None in a floor, a ceiling or a ratio, where every metric is allowed.
    """
    task, own = spec.task, spec.evaluate.custom
    known = _definition(name, spec)
    if known is None and name in own:
        return
    if known is None or task not in known.tasks:
        names = (*metric_names(task, include_operational=tested is None, include_group_metrics=tested is None), *own)
        help = suggest(name, names, otherwise=f"metrics for {task} are")
        if known is not None:
            help = f"it is a metric for {' and '.join(known.tasks)}; metrics for {task} are: {', '.join(names)}"
        yield Diagnostic("gate-metric-unknown", f"metric {quote(name)} is not one of this model's metrics", where, help)
    elif known.is_operational and tested is not None:
        yield Diagnostic(
            "gate-metric-operational",
            f"metric {quote(name)} is an operational cost of the model and cannot be used in {tested}",
            where,
            f"use a ceiling, `{{metric: {name}, max: …}}`,"
            f" or a ratio, `{{metric: {name}, against: champion, maxRatio: 1.2}}`",
        )
    elif known.compares_groups and tested is not None:
        yield Diagnostic(
            "gate-metric-groups",
            f"metric {quote(name)} compares groups of rows and cannot be used in {tested}",
            where,
            f"use a ceiling: `{{metric: {name}, by: COLUMN, max: 0.1}}`",
        )
    elif known.higher_is_better is None and tested is not None and tested != "evaluate.metrics":
        yield Diagnostic(
            "gate-metric-undirected",
            f"for metric {quote(name)}, neither higher nor lower is better, so it cannot be used in {tested}",
            where,
            f"use a floor and a ceiling: `{{metric: {name}, min: …, max: …}}`",
        )


def _group_findings(
    model: LocatedSpec[ModelSpec], requirement: Requirement, at: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    """Yield a finding when `by` is missing, or is given for a metric that does not compare groups."""
    known = _definition(requirement.metric, model.spec)
    if known is not None and known.compares_groups and requirement.against is None and requirement.by is None:
        yield Diagnostic(
            "gate-metric-groups",
            f"metric {quote(requirement.metric)} compares groups of rows, and the requirement names no group column",
            model.locate(*at, "metric"),
            "add `by: COLUMN`",
        )
    elif requirement.by is not None and (known is None or not known.compares_groups):
        yield Diagnostic(
            "gate-metric-groups",
            f"metric {quote(requirement.metric)} does not compare groups of rows, so `by` has no effect",
            model.locate(*at, "by", key=True),
            "delete `by`; use `evaluate.slices` to report values by group",
        )


def _operational_findings(
    model: LocatedSpec[ModelSpec], requirement: Requirement, at: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    """Yield a finding for a ratio of a metric that is not operational, and for a training cost without a price."""
    name, known = requirement.metric, _definition(requirement.metric, model.spec)
    if known is None or model.spec.task not in known.tasks:
        return  # another finding reports this metric
    if requirement.max_ratio is not None and not known.is_operational:
        yield Diagnostic(
            "gate-metric-statistical",
            f"metric {quote(name)} is estimated from rows: a limit on its ratio to the champion's value would pass or fail by chance",
            model.locate(*at, "maxRatio", key=True),
            f"use a test: `{{metric: {name}, against: champion, test: non-inferiority, margin: …}}`",
        )
    if name == "training-cost" and model.spec.evaluate.cost_per_hour is None:
        yield Diagnostic(
            "gate-no-price",
            "`training-cost` needs the price of one hour of training, and the spec does not give it",
            model.locate(*at, "metric"),
            "add `evaluate: {costPerHour: PRICE}`, or require `training-seconds`",
        )


def _bound_findings(
    model: LocatedSpec[ModelSpec], requirement: Requirement, at: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    least, most, known = requirement.min, requirement.max, _definition(requirement.metric, model.spec)
    if least is not None and most is not None and least > most:
        yield Diagnostic(
            "spec-bounds", f"min {least:g} is greater than max {most:g}", model.locate(*at, "max"), "swap them"
        )
    if known is None or model.spec.task not in known.tasks or known.higher_is_better is None:
        return  # the better direction is unknown for a metric of another task, and some metrics have none
    up = known.higher_is_better
    side, bound = ("min", least) if up else ("max", most)
    if (
        bound is not None
        and known.best_value is not None
        and (bound > known.best_value if up else bound < known.best_value)
    ):
        yield Diagnostic(
            "gate-bound-impossible",
            f"no model can reach {side} {bound:g}: the best {requirement.metric} is {known.best_value:g}",
            model.locate(*at, side),
            f"did you mean {bound / 100:g}?" if up and 1 < bound <= 100 else None,
        )
    wrong, only = ("max", least is None) if up else ("min", most is None)
    if only and requirement.against is None:
        yield Diagnostic(
            "gate-bound-direction",
            f"{requirement.metric} is better when {'higher' if up else 'lower'}: a requirement with only `{wrong}` rejects the good models",
            model.locate(*at, wrong, key=True),
            f"did you mean `{side}`?",
            "warning",
        )
