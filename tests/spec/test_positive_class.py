"""Which class of a binary target is the positive one, and what is said where the spec does not say it."""

from __future__ import annotations

import json

import pytest

from mlops_ci.spec.load import load_specs
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.positive_class import format_label_in_spec, is_usual_pair, positive_class
from mlops_ci.spec.spec_types import Cost, ModelSpec
from mlops_ci.spec.validation.cost_classes import cost_class_findings
from mlops_ci.spec.validation.positive import positive_class_findings
from mlops_ci.spec.yaml.compose import parse_plain_scalar
from tests.support.examples import EXAMPLES

Label = str | int | bool


@pytest.fixture
def model() -> LocatedSpec[ModelSpec]:
    found, _ = load_specs(EXAMPLES / "project")
    assert found is not None
    return found.models["demo"]


@pytest.mark.parametrize(
    ("labels", "last"),
    [
        (("legit", "fraud"), "legit"),
        ((True, False), True),
        ((2, 1), 2),
        ((10, 9), 10),
        ((-1, 1), 1),
        (("Y", "N"), "Y"),
        (("good", "bad"), "good"),
    ],
)
def test_unless_the_spec_names_it_the_positive_class_sorts_last(labels: tuple[Label, Label], last: Label) -> None:
    assert positive_class(labels, None) == last
    assert [positive_class(labels, named) for named in labels] == list(labels)
    assert positive_class(labels, "other") is None


def test_a_boolean_class_may_be_written_as_a_number_and_a_number_is_no_text() -> None:
    assert positive_class((False, True), 1) is True
    assert positive_class((0, 1), True) == 1
    assert positive_class((0, 1), "1") is None
    assert positive_class((), None) is None


@pytest.mark.parametrize(
    "labels", [(0, 1), (True, False), ("no", "Yes"), ("Y", "N"), ("0", "1"), ("false", "true"), ("T", "F")]
)
def test_some_pairs_say_themselves_what_is_positive(labels: tuple[Label, Label], model: LocatedSpec[ModelSpec]) -> None:
    assert is_usual_pair(labels)
    assert list(positive_class_findings(model, labels, None)) == []


@pytest.mark.parametrize("labels", [(1, 2), (-1, 1), ("fraud", "legit"), ("good", "bad"), ("no", "1"), ("yes", "true")])
def test_of_other_pairs_the_taken_class_is_named(labels: tuple[Label, Label], model: LocatedSpec[ModelSpec]) -> None:
    (found,) = positive_class_findings(model, labels, None)
    assert (found.id, found.severity) == ("positive-unnamed", "warning")
    taken = positive_class(labels, None)
    assert f"are about {taken!r}, because it sorts last" in found.message
    assert (
        found.help
        == f"write `positive: {format_label_in_spec(labels[0])}` or `positive: {format_label_in_spec(labels[1])}` beside `target`"
    )
    assert list(positive_class_findings(model, labels, labels[0])) == []


def test_a_class_that_there_is_not_is_an_error_that_says_what_to_write(model: LocatedSpec[ModelSpec]) -> None:
    (misspelt,) = positive_class_findings(model, ("fraud", "legit"), "frad", "main (1234567890)")
    assert (misspelt.id, misspelt.severity, misspelt.help) == ("positive-unknown", "error", "did you mean 'fraud'?")
    assert misspelt.message == (
        "the positive class 'frad' (from main (1234567890)) is not a label of 'late': its labels are 'fraud' and 'legit'"
    )
    (quoted,) = positive_class_findings(model, (0, 1), "1")
    assert quoted.help == "write it as the data have it: `positive: 1`"
    (number,) = positive_class_findings(model, ("0", "1"), 1)
    assert number.help == 'write it as the data have it: `positive: "1"`'
    assert list(positive_class_findings(model, ("a", "b", "c"), "d")) == []  # another finding: the task is not binary


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("fraud", "fraud"),
        ("yes", "yes"),
        ("true", '"true"'),
        ("1", '"1"'),
        ("null", '"null"'),
        ("a: b", '"a: b"'),
        (-1, "-1"),
        (True, "true"),
    ],
)
def test_a_label_is_written_so_that_yaml_reads_it_back(label: Label, text: str) -> None:
    assert format_label_in_spec(label) == text
    assert (json.loads(text) if text.startswith('"') else parse_plain_scalar(text)) == label


def test_a_cost_names_classes_as_the_data_have_them(model: LocatedSpec[ModelSpec]) -> None:
    costs = (Cost(1, "0", 5.0), Cost(False, 2, 1.0))
    found = list(cost_class_findings(model, (0, 1), costs))
    assert [(one.id, one.severity) for one in found] == [("cost-class-unknown", "error")] * 2
    assert found[0].message == "the class '0' of a cost is not a label of 'late': its labels are 0 and 1"
    assert found[0].help == "write it as the data have it: `predicted: 0`"
    assert list(cost_class_findings(model, (0, 1), (Cost(True, 0, 5.0), Cost(0, 1, 1.0)))) == []
    assert list(cost_class_findings(model, ("a", "b", "c"), costs)) == []
