"""The sentence of a comparison and the values beside it, from evidence that is given."""

from __future__ import annotations

import pytest

from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.requirements import Reason, RequirementResult, RequirementTerms
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.evaluation.stats.intervals import Difference, Estimate
from mlops_ci.evaluation.verdict.alignment import ScoredModel
from mlops_ci.evaluation.verdict.evidence_set import BaselineEvidence, EvidenceSet
from mlops_ci.evaluation.verdict.summary import comparison_sentence, metric_values, operational_values
from mlops_ci.spec.spec_types import GateSpec
from mlops_ci.training.predictions import Predictions

MODEL = ScoredModel("m@v2.0.0", "m", Predictions(), operational_metrics={"model-size-mb": 3.0})
SURE = Estimate(0.75, lambda p: 0.75 + (p - 0.5) / 10)  # 0.705 to 0.795 at 0.05 and 0.95


def case(whole: MetricEvidence, champion: BaselineEvidence) -> EvidenceSet:
    return EvidenceSet(whole, GateSpec(confidence=0.9), MODEL, {"champion": champion})


def alone(**candidate: Estimate) -> EvidenceSet:
    return case(MetricEvidence(1_200, candidate, {}, {}), BaselineEvidence(absence_reason="there is no champion yet"))


def compared(difference: float) -> EvidenceSet:
    """Given an accuracy of 0.75 against one of 0.5, and a difference whose limits lie 0.125 away."""
    found = Difference(difference, lambda p: difference + (0.125 if p > 0.5 else -0.125), lambda _: 0.5, lambda _: 0.5)
    both = {"accuracy": SURE, "brier": SURE}, {"accuracy": Estimate(0.5), "brier": Estimate(0.5)}
    whole = MetricEvidence(1_200, *both, {"accuracy": found})
    return case(whole, BaselineEvidence("m@v1.0.0", whole))


def result(metric: str, difference: float | None = None, slice_: str | None = None) -> RequirementResult:
    return RequirementResult(
        RequirementTerms(metric, "threshold", min=0.5),
        "pass",
        Reason("interval-clear"),
        difference=difference,
        slice=slice_,
    )


@pytest.mark.parametrize(
    ("difference", "how"),
    [
        (0.25, "better by 0.250 [0.125, 0.375]"),
        (-0.25, "worse by 0.250 [0.125, 0.375]"),
        (0.0, "neither better nor worse [-0.125, 0.125]"),
        (-0.0625, "worse by 0.062 [-0.062, 0.188]"),
    ],
)
def test_two_models_are_compared_by_what_the_better_one_is_ahead(difference: float, how: str) -> None:
    sentence = comparison_sentence([result("accuracy", difference)], compared(difference), ["accuracy"])
    assert sentence == f"accuracy 0.750 against 0.500 for m@v1.0.0: {how} (one-sided 90 % bounds) on 1,200 holdout rows"


def test_what_was_tested_on_the_whole_comes_before_slices_and_floors() -> None:
    of_slice, floor, whole = result("brier", 0.1, "city=Oslo"), result("brier"), result("accuracy", 0.25)
    sentence = comparison_sentence([of_slice, floor, whole], compared(0.25), ["brier"])
    assert sentence.startswith("accuracy 0.750 against ")
    assert comparison_sentence([result("unknown"), floor], compared(0.25), []).startswith("brier 0.750 [")


def test_a_candidate_alone_has_its_value_with_a_two_sided_interval_where_it_has_one() -> None:
    # at 90 % confidence, 5 % on either side
    sentence = comparison_sentence([result("accuracy")], alone(accuracy=SURE), [])
    assert (
        sentence
        == "accuracy 0.750 [0.705, 0.795] (two-sided 90 % interval) on 1,200 holdout rows; there is no champion yet"
    )
    sentence = comparison_sentence([], alone(accuracy=Estimate(0.75)), ["unknown", "accuracy"])
    assert sentence == "accuracy 0.750 on 1,200 holdout rows; there is no champion yet"


def test_without_any_value_there_is_nothing_to_say() -> None:
    assert comparison_sentence([], alone(), ["accuracy"]) == "no metric has a value on 1,200 holdout rows"


def test_values_come_as_a_whole_and_by_slice_each_side_its_own() -> None:
    wide = Estimate(0.75, lambda p: round(p, 9))
    part = MetricEvidence(90, {"accuracy": Estimate(0.5)}, {"accuracy": Estimate(0.25)}, {})
    values = list(
        metric_values({"accuracy": wide}, 1_200, {("city", "Oslo"): part}, "champion", GateSpec(confidence=0.9))
    )
    assert values == [
        MetricValue("accuracy", 0.75, 0.05, 0.95, None, 1_200),
        MetricValue("accuracy", 0.25, None, None, "city=Oslo", 90),
    ]


def test_of_what_was_measured_of_the_package_only_what_is_wanted_is_reported() -> None:
    assert list(operational_values(MODEL, ["accuracy", "model-size-mb"])) == [MetricValue("model-size-mb", 3.0)]
    assert list(operational_values(MODEL, ["accuracy"])) == []
