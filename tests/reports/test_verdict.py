"""The gate's answer in one sentence: what the verdict is, why, and what to do next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.records.comparison import Verdict
from mlops_ci.core.requirements import Reason
from mlops_ci.core.results.gate import GatedModel, GateReport, worst_verdict
from mlops_ci.reports.verdict import gate_report_sentence
from mlops_ci.spec.spec_types import Requirement
from tests.support.report_samples import judged, requirement

F1 = Requirement("f1", min=0.5)


def sentence(*models: GatedModel) -> str:
    return gate_report_sentence(GateReport(worst_verdict(one.verdict for one in models), models, 0))


def test_a_gate_without_an_answer_or_a_model_lets_nothing_pass() -> None:
    assert gate_report_sentence(None).startswith(
        "The gate has no result, so it is not shown that any model is good enough:"
    )
    assert sentence() == "No model was evaluated, so it is not shown that any model is good enough."


def test_one_model_that_passes_is_told_with_its_numbers_and_several_are_counted() -> None:
    assert sentence(judged()) == (
        "delay meets every requirement (auc 0.710 on 2,000 holdout rows): after the merge,"
        " mlops-ci release makes a new version."
    )
    assert sentence(judged(), judged(model="cancel")).startswith(
        "All 2 models meet every requirement: after the merge, mlops-ci release makes a new version of each."
    )


def test_a_failure_names_the_requirement_and_counts_the_others() -> None:
    failing = judged("fail", requirements=(requirement("fail"), requirement("pass"), requirement("fail", F1)))
    said = sentence(failing)
    assert said.startswith(
        "Do not merge yet: delay does not meet the requirement “auc: at least 0.65” and 1 other requirement: "
    )
    assert said.endswith(".")


def test_what_failed_before_the_comparison_is_told_by_its_own_sentence() -> None:
    stopped = GatedModel("delay", "fail", "2 checks of flights failed")
    assert sentence(stopped) == "Do not merge yet: delay was stopped: 2 checks of flights failed."


@pytest.mark.parametrize(
    ("others", "more"),
    [(0, ""), (1, " 1 other model is refused, too."), (2, " 2 other models are refused, too.")],
)
def test_models_with_the_same_verdict_are_counted_and_those_that_pass_are_not(others: int, more: str) -> None:
    stopped = [GatedModel(f"m{number}", "fail", "it broke") for number in range(others + 1)]
    assert sentence(judged(), *stopped) == f"Do not merge yet: m0 was stopped: it broke.{more}"


def test_the_worst_model_is_told_of_wherever_it_stands() -> None:
    assert "cancel" in sentence(judged(), judged("inconclusive", "delay"), judged("fail", "cancel"))


def test_an_undecided_one_says_how_many_rows_would_decide_where_that_is_known_of_all() -> None:
    known = replace(requirement("inconclusive"), labels_needed=1200)
    fewer = replace(requirement("inconclusive", F1, limit_reason(0.5)), labels_needed=300)
    said = sentence(judged("inconclusive", requirements=(fewer, known)))
    assert said.startswith("Not decided: delay may or may not meet the requirement “f1: at least 0.5”: ")
    assert said.endswith(" About 1,200 more labelled rows are needed to decide this.")
    unknown = replace(fewer, labels_needed=None)
    assert "more labelled rows" not in sentence(judged("inconclusive", requirements=(unknown, known)))


def test_a_gate_with_nothing_to_judge_by_says_so() -> None:
    one = GatedModel("delay", "inconclusive", "there is no champion and no floor")
    assert sentence(one) == "Not decided: delay has no requirement that can decide: there is no champion and no floor."


def test_what_cannot_be_compared_names_the_way_to_accept_it() -> None:
    one = judged("incomparable", text="the champion needs a column that is gone")
    assert sentence(one) == (
        "Not decided: delay cannot be compared with its champion (the champion needs a column that is gone). Fix the cause,"
        " or accept it with a reason (acceptIncomparable)."
    )


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive", "incomparable"])
def test_every_answer_is_whole_sentences(verdict: Verdict) -> None:
    for models in ((judged(verdict),), (judged(verdict), judged(verdict, "cancel"))):
        said = sentence(*models)
        assert said.endswith(".")
        assert ".." not in said
        assert "  " not in said


def limit_reason(limit: float) -> Reason:
    return Reason("interval-crosses-limit", limit=limit)
