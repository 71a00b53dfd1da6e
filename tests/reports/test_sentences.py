"""A comparison in sentences: one a requirement, and what a reader must know of how it was judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.records.comparison import ComparedRelease, Comparison, HoldoutQuestion, MetricValue
from mlops_ci.core.requirements import Reason
from mlops_ci.reports import sentences
from mlops_ci.spec.spec_types import Requirement
from tests.support.report_samples import DIGEST, comparison, requirement

BETTER = Requirement("auc", against="champion", test="superiority")
NO_CHAMPION = Reason("no-baseline")


def _with(*metrics: MetricValue) -> Comparison:
    return replace(comparison(), metrics=metrics)


def test_requirements_that_do_not_apply_for_one_reason_share_a_sentence() -> None:
    aside = requirement("not-applicable", BETTER, NO_CHAMPION)
    other = replace(aside, requirement=replace(aside.requirement, metric="accuracy"))
    shown = list(
        sentences.requirement_sentences(replace(comparison(), requirements=(requirement("pass"), aside, other)))
    )
    assert shown == [
        "“auc: at least 0.65” holds: 0.710, between 0.690 and 0.730.",
        "2 requirements do not apply: there is no champion yet.",
    ]


def test_one_that_does_not_apply_alone_is_named() -> None:
    one = replace(comparison(), requirements=(requirement("not-applicable", BETTER, NO_CHAMPION),))
    assert list(sentences.requirement_sentences(one)) == [
        "“auc: better than the champion” does not apply: there is no champion yet."
    ]


def test_the_reason_why_a_requirement_does_not_apply_stands_once() -> None:
    sentence = "auc 0.710 on 1,000 holdout rows; there is no champion yet"
    floor, aside = requirement("pass"), requirement("not-applicable", BETTER, NO_CHAMPION)
    alone = replace(comparison(), sentence=sentence, requirements=(floor,))
    both = replace(alone, requirements=(floor, aside))
    assert sentences.headline(alone) == sentence  # here nothing else says so
    assert sentences.headline(both) == "auc 0.710 on 1,000 holdout rows"
    shown = "\n".join((sentences.headline(both), *sentences.requirement_sentences(both)))
    assert shown.count("there is no champion yet") == 1


@pytest.mark.parametrize("name", [" (two-sided 95 % interval)", ""], ids=["today", "earlier versions"])
def test_an_interval_whose_bounds_are_in_the_table_is_left_out_with_its_name(name: str) -> None:
    one = MetricValue("auc", 0.71, 0.68, 0.74, None, 1000)
    sentence = f"auc 0.710 [0.680, 0.740]{name} on 1,000 holdout rows"
    alone = replace(comparison(sentence=sentence, metrics=(one,)), requirements=(requirement("pass"),))
    assert sentences.headline(alone) == "auc 0.710 on 1,000 holdout rows"


def test_notes_tell_other_rules_a_retrain_and_rows_left_out() -> None:
    champion = ComparedRelease("1.2.0", DIGEST, DIGEST, "c" * 40, excluded=40)
    one = replace(
        comparison(),
        champion=champion,
        champion_state="compared",
        occasion="retrained",
        rules_source="main (0123456789)",
    )
    retrained, rules, left_out = sentences.evaluation_notes(one)
    assert retrained.startswith("This candidate is a retrain of v1.2.0: ")
    assert rules.startswith("The rules are those of main (0123456789)")
    assert "trained on 40 of the 1,000 holdout rows" in left_out
    assert list(sentences.evaluation_notes(comparison())) == []


def test_the_worst_slices_are_of_the_first_required_metric_and_large_enough() -> None:
    small = MetricValue("auc", 0.1, slice="city=Bergen", rows=3)
    sliced = [MetricValue("auc", 0.6 + at / 100, 0.5, 0.9, f"city={at}", 300) for at in range(5)]
    found = sentences.worst_slices(_with(*sliced, small))
    assert found is not None
    assert found[0] == "auc by slice, the worst of 6 slices:"
    assert [one.slice for one in found[1]] == ["city=0", "city=1", "city=2"]
    assert sentences.worst_slices(_with(MetricValue("auc", 0.7))) is None


def test_the_budget_of_a_holdout_never_falls_below_nothing() -> None:
    asked = HoldoutQuestion("flights", 1, 20, 7)
    line = sentences.holdout_budget_line(replace(comparison(), holdout_question=asked))
    assert line == "13 of 20 evaluations on the holdout of flights, epoch 1, are left"
    beyond = replace(comparison(), holdout_question=replace(asked, number=23))
    assert (sentences.holdout_budget_line(beyond) or "").startswith("0 of 20")
    assert sentences.holdout_budget_line(comparison()) is None
