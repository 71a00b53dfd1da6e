"""Validation of the classes that `evaluate.costs` names, against the labels that the target has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.positive_class import format_label, format_label_in_spec
from mlops_ci.spec.spec_types import Cost, ModelSpec


def cost_class_findings(
    model: LocatedSpec[ModelSpec], labels: Sequence[str | int | bool], costs: Sequence[Cost]
) -> Iterator[Diagnostic]:
    """Yield the finding `cost-class-unknown` for each class of a cost that is none of the `labels` of a binary target.

    Yields nothing when the number of labels is not two: that is another finding.
    """
    if len(labels) != 2:
        return
    shown = " and ".join(map(format_label, labels))
    for index, cost in enumerate(costs):
        for field, named in (("actual", cost.actual), ("predicted", cost.predicted)):
            if named in labels:
                continue
            same = next((one for one in labels if str(one).casefold() == str(named).casefold()), None)
            yield Diagnostic(
                "cost-class-unknown",
                f"the class {format_label(named)} of a cost is not a label of {quote(model.spec.target)}: its labels are {shown}",
                model.locate("spec", "evaluate", "costs", index, field),
                f"write it as the data have it: `{field}: {format_label_in_spec(same)}`"
                if same is not None
                else suggest(str(named), list(map(str, labels))),
            )
