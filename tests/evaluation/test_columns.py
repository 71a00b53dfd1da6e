"""Which columns the rules of a gate need, and what is said of one that the data do not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlops_ci.evaluation.base_branch_rules import GateRules, RowDependence
from mlops_ci.evaluation.candidates.columns import (
    missing_column_findings,
    required_columns,
    slice_columns,
    training_column_findings,
)
from mlops_ci.spec.spec_types import CustomMetric, EvaluateSpec, GateSpec, Requirement, SliceSpec, SplitSpec
from tests.evaluation.conftest import open_project

NIGHT = SliceSpec("night", "hour >= 22 or dew < 3")
RULES = GateRules(GateSpec(), EvaluateSpec(), SplitSpec(), RowDependence(), Path())
TYPES = dict.fromkeys(("hour", "distance", "late", "origin"), "number")


def test_rules_without_slices_and_weights_need_no_columns() -> None:
    assert required_columns(RULES) == {}


def test_every_part_of_the_rules_that_names_a_column_needs_it_and_says_where() -> None:
    profit = CustomMetric("profit.py:profit", "higher", columns=("fare",))
    requirements = (Requirement("auc", min=0.7, slices=("night", "carrier")), Requirement("tpr-gap", max=0.1, by="sex"))
    rules = replace(
        RULES,
        evaluate=EvaluateSpec(slices=("origin", NIGHT), weights="weight", custom={"profit": profit}),
        gate=GateSpec(requirements=requirements),
        dependence=RowDependence(group="plane", time="day"),
    )
    assert required_columns(rules) == {
        "origin": ("spec", "evaluate", "slices", 0),
        "hour": ("spec", "evaluate", "slices", 1),
        "dew": ("spec", "evaluate", "slices", 1),
        "plane": ("spec", "dataset"),
        "day": ("spec", "dataset"),
        "weight": ("spec", "evaluate", "weights"),
        "fare": ("spec", "evaluate", "custom", "profit", "columns"),
        "carrier": ("spec", "gate", "requirements", 0, "slices"),
        "sex": ("spec", "gate", "requirements", 1, "by"),
    }


def test_the_holdout_is_cut_by_columns_and_not_by_the_names_of_conditions() -> None:
    rules = replace(
        RULES,
        evaluate=EvaluateSpec(slices=("origin", NIGHT)),
        gate=GateSpec(requirements=(Requirement("auc", min=0.7, slices=("night", "carrier", "origin")),)),
    )
    assert slice_columns(rules) == ("origin", "carrier")


def test_data_with_every_column_have_no_findings(root: Path) -> None:
    assert missing_column_findings(open_project(root).specs.models["delay"], RULES, TYPES) == ()


def test_a_column_that_is_missing_is_found_at_the_place_that_names_it(root: Path) -> None:
    """Given data with `dist`, when a feature is `distance`, then the finding is at the feature and offers the other name."""
    model = open_project(root).specs.models["delay"]
    (found,) = missing_column_findings(model, RULES, {"hour": "number", "distances": "number", "late": "integer"})
    assert (found.id, found.location) == ("model-column-missing", model.locate("spec", "features", 1))
    assert (found.message, found.help) == (
        "dataset 'flights' has no column 'distance'",
        "did you mean 'distances'?",
    )


def test_a_column_that_only_the_base_branch_asks_for_is_said_to_be_its(root: Path) -> None:
    rules = replace(RULES, evaluate=EvaluateSpec(slices=("carrier",)), base="main (0123456789)")
    (found,) = missing_column_findings(open_project(root).specs.models["delay"], rules, TYPES)
    assert found.message == ("dataset 'flights' has no column 'carrier', which the rules of main (0123456789) need")


def test_a_feature_that_no_estimator_reads_is_found_at_its_place(root: Path) -> None:
    model = open_project(root).specs.models["delay"]
    first = model.spec.features[0]
    (found,) = training_column_findings(model, {**TYPES, first: "other"})
    assert (found.id, found.severity, found.location) == ("feature-type", "error", model.locate("spec", "features", 0))
    assert training_column_findings(model, {**TYPES, first: "date"}) == ()
