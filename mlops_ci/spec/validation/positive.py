"""Validation of `positive`, the positive class of a binary task, against the labels that the target has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.positive_class import format_label, format_label_in_spec, is_usual_pair, positive_class
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.validation.cost_classes import cost_class_findings


def positive_spec_findings(
    model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec] | None
) -> Iterator[Diagnostic]:
    """Yield the findings about `positive` and the classes of costs; the labels are known here only if the dataset declares the target's `values`."""
    spec = model.spec
    if spec.task != "binary-classification":
        if spec.positive is not None:
            yield Diagnostic(
                "positive-unused",
                f"`positive` names a class of a binary target, but the task is {spec.task}",
                model.locate("spec", "positive", key=True),
                "delete it, or correct `task`",
            )
        return
    column = data.spec.columns.get(spec.target) if data is not None else None
    if column is None:
        return
    declared = (False, True) if column.type == "boolean" else column.values or ()
    labels = tuple(value for value in declared if isinstance(value, str | int | bool))
    yield from positive_class_findings(model, labels, spec.positive)
    yield from cost_class_findings(model, labels, spec.evaluate.costs)


def positive_class_findings(
    model: LocatedSpec[ModelSpec],
    labels: Sequence[str | int | bool],
    named: str | int | bool | None,
    rules: str = "",
) -> Iterator[Diagnostic]:
    """Yield the finding `positive-unknown` or `positive-unnamed` about a binary target with these labels.

    `named` is the class that the spec names, and `rules` the branch whose spec it is, if not the change's own. Yields
    nothing when the number of labels is not two: that is another finding.
    """
    if len(labels) != 2:
        return
    target = quote(model.spec.target)
    shown = " and ".join(map(format_label, labels))
    found = positive_class(labels, named)
    if found is None and named is not None:
        same = next((one for one in labels if str(one).casefold() == str(named).casefold()), None)
        where = f" (from {rules})" if rules else ""
        yield Diagnostic(
            "positive-unknown",
            f"the positive class {format_label(named)}{where} is not a label of {target}: its labels are {shown}",
            model.locate("spec", "positive"),
            f"write it as the data have it: `positive: {format_label_in_spec(same)}`"
            if same is not None
            else suggest(str(named), list(map(str, labels))) or f"write `positive: {format_label_in_spec(labels[1])}`",
        )
    elif found is not None and named is None and not is_usual_pair(labels):
        yield Diagnostic(
            "positive-unnamed",
            f"the spec does not name the positive class of {target}, whose labels are {shown}: recall, precision, f1,"
            f" average-precision, calibration and fairness are about {format_label(found)}, because it sorts last",
            model.locate("spec", "target"),
            f"write `positive: {format_label_in_spec(labels[0])}` or `positive: {format_label_in_spec(labels[1])}` beside `target`",
            "warning",
        )
