"""What a question to a holdout costs: asking again is free, and a spent budget is an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.codec import decode, encode
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import AppendLedger, Push, StoreRun
from mlops_ci.core.records.comparison import HoldoutLedgerEntry, HoldoutQuestion
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.holdout.budget import (
    Reservation,
    plan_ledger_entry,
    plan_publish,
    reserve_question,
    settle_question,
    with_question_number,
    without_question_number,
)
from mlops_ci.registry.holdout_ledger import HoldoutLedger, ledger_ref
from mlops_ci.repository.context import Project
from mlops_ci.spec.spec_types import GateSpec
from tests.evaluation.conftest import DATASET, identify, open_project, write_project
from tests.support.git_calls import git_in
from tests.support.registry_samples import COMPARISON, PROJECT, RUN

LEDGER = ledger_ref("flights", 1)
BUDGET = 4
ALLOWED = "that the holdout budget of refs/mlops/ledger/flights/1 allows"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Given a project in git, whose holdout answers four questions; the tests read it."""
    root = tmp_path_factory.mktemp("air")
    write_project(root, dataset=f"{DATASET}  split: {{holdoutBudget: {BUDGET}}}\n")
    git_in(root)("init", "--quiet")
    return open_project(root, in_git=True)


@pytest.fixture(scope="module")
def candidate(project: Project) -> Candidate:
    return identify(project.context.root)


def asked(candidate: Candidate, model: str) -> AppendLedger:
    """A question that the same command has planned, about the holdout of the candidate and another model."""
    entry = HoldoutLedgerEntry(
        "flights", 1, candidate.sides.split.holdout_digest, model, "delay", "k", "", project=PROJECT
    )
    return AppendLedger(LEDGER, None, encode(entry), "a question")


def low_budget(number: int | None, budget: int, **given: Any) -> list[str]:
    question = HoldoutQuestion("flights", 1, budget, number)
    made = Reservation(
        **{"state": "new", "gate": GateSpec(), "ledger": HoldoutLedger(LEDGER, None, ()), "question": question, **given}
    )
    return [one.message for one in made.diagnostics]


def test_a_fifth_of_the_budget_is_when_it_is_said_what_is_left() -> None:
    assert low_budget(39, 50) == []
    assert low_budget(40, 50) == [f"this was evaluation 40 of 50 {ALLOWED}: 10 are left"]
    assert low_budget(1, 1) == [f"this was evaluation 1 of 1 {ALLOWED}: 0 are left"]
    assert low_budget(4, 5) == [f"this was evaluation 4 of 5 {ALLOWED}: 1 is left"]


def test_who_asks_nothing_new_is_not_warned() -> None:
    assert low_budget(50, 50, state="free") == []
    assert low_budget(None, 50) == []
    assert low_budget(50, 50, ledger=None) == []


@given(st.integers(1, 1000), st.data())
def test_once_warned_every_later_question_is_warned(budget: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, budget))
    if low_budget(number, budget):
        assert all(low_budget(later, budget) for later in range(number, budget + 1))
    assert low_budget(budget, budget)


def test_where_nobody_counts_the_gate_keeps_its_confidence(project: Project, candidate: Candidate) -> None:
    split = replace(candidate.rules.split, holdout_budget=None)
    uncounted = replace(candidate, rules=replace(candidate.rules, split=split))
    found = reserve_question(project, uncounted, RUN)
    assert (found.state, found.gate.confidence, found.question) == ("free", 0.95, None)


def test_each_of_four_questions_has_a_quarter_of_the_error_probability(project: Project, candidate: Candidate) -> None:
    found = reserve_question(project, candidate, RUN)
    assert (found.state, found.question) == ("new", HoldoutQuestion("flights", 1, BUDGET, 1))
    assert found.gate.confidence == pytest.approx(1 - 0.05 / 4)


def test_questions_of_the_same_command_are_counted_before_they_are_written(
    project: Project, candidate: Candidate
) -> None:
    pending = [asked(candidate, digest * 64) for digest in "abc"]
    found = reserve_question(project, candidate, RUN, pending)
    assert found.question == HoldoutQuestion("flights", 1, BUDGET, 4)


def test_asking_again_about_the_same_model_is_free_even_when_the_budget_is_spent(
    project: Project, candidate: Candidate
) -> None:
    pending = [asked(candidate, digest) for digest in ("a" * 64, RUN.model_digest, "b" * 64, "c" * 64)]
    found = reserve_question(project, candidate, RUN, pending)
    assert (found.state, found.question) == ("free", HoldoutQuestion("flights", 1, BUDGET, 2))
    assert plan_ledger_entry(project, candidate, RUN, found) == ()


def test_a_spent_budget_refuses_the_next_model_at_the_datasets_split(project: Project, candidate: Candidate) -> None:
    pending = [asked(candidate, digest * 64) for digest in "abcd"]
    with pytest.raises(Findings) as caught:
        reserve_question(project, candidate, RUN, pending)
    (found,) = caught.value.diagnostics
    assert found.id == "holdout-exhausted"
    assert found.message.startswith("the holdout of 'flights' (epoch 1) has used its budget of 4 evaluations;")
    assert found.location is not None
    assert found.location.path == "flights.yaml"


def test_questions_to_another_ledger_do_not_count(project: Project, candidate: Candidate) -> None:
    pending = [replace(asked(candidate, digest * 64), ref=ledger_ref("flights", 2)) for digest in "abcd"]
    found = reserve_question(project, candidate, RUN, pending).question
    assert found is not None
    assert found.number == 1


def test_without_the_remote_a_new_question_is_not_asked_and_an_old_one_is(
    project: Project, candidate: Candidate
) -> None:
    offline = replace(project, context=replace(project.context, offline=True))
    with pytest.raises(EnvironmentProblem, match="the evaluations on the holdout of 'flights' cannot be counted"):
        reserve_question(offline, candidate, RUN)
    assert reserve_question(offline, candidate, RUN, [asked(candidate, RUN.model_digest)]).state == "free"


def test_the_entry_of_a_new_question_holds_the_pair_that_was_asked_about(
    project: Project, candidate: Candidate
) -> None:
    (entry,) = plan_ledger_entry(project, candidate, RUN, reserve_question(project, candidate, RUN))
    question = decode(HoldoutLedgerEntry, entry.question)
    assert (entry.ref, entry.parent) == (LEDGER, None)
    assert (question.holdout_digest, question.model_digest) == (
        candidate.sides.split.holdout_digest,
        RUN.model_digest,
    )
    assert (question.model, question.run, question.project.name) == ("delay", RUN.key, "air")


def test_what_another_job_has_answered_takes_the_next_place(project: Project) -> None:
    assert project.context.repo is not None
    answer = replace(COMPARISON, holdout_question=HoldoutQuestion("flights", 1, BUDGET))
    number, (entry,) = settle_question(project, answer, project.context.repo, ())
    assert (number, entry.ref) == (1, LEDGER)
    assert settle_question(project, answer, project.context.repo, (entry,)) == (1, ())
    other = replace(answer, model_digest="f" * 64)
    assert settle_question(project, other, project.context.repo, (entry,))[0] == 2
    assert settle_question(project, COMPARISON, project.context.repo, ()) == (None, ())


def test_an_answer_is_stored_without_its_place_and_shown_with_it() -> None:
    numbered = HoldoutQuestion("flights", 1, BUDGET, 3)
    shown = with_question_number(COMPARISON, Reservation("new", GateSpec(), question=numbered))
    assert shown.holdout_question == numbered
    assert without_question_number(shown).holdout_question == HoldoutQuestion("flights", 1, BUDGET)
    assert without_question_number(COMPARISON) == COMPARISON


def test_runs_are_stored_here_before_the_questions_about_them_travel(project: Project, candidate: Candidate) -> None:
    runs, question = Plan((StoreRun("refs/mlops/runs/delay/k", {}, "delay"),)), asked(candidate, "a" * 64)
    assert plan_publish(project, runs, ()) == runs
    assert plan_publish(project, runs, (question,)).writes == (*runs.writes, Push(None), question, Push(None))
    assert plan_publish(project, Plan(), (question,)).writes == (question, Push(None))
