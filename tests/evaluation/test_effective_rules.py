"""By whose rules a candidate is judged: those of the branch that it is to be merged into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.evaluation.base_branch_rules import GateRules, effective_rules, find_base, rule_change_warnings
from tests.evaluation.conftest import DATASET, MODEL, open_project, write_project
from tests.support.git_calls import git_in

GATE = "  gate: {requirements: [{metric: auc, min: 0.9}]}\n"
Judge = Callable[[], GateRules]


@pytest.fixture
def judged(root: Path) -> Judge:
    """A repository whose branch main asks for an auc of 0.9; the answer is the rules for the work tree as it is then."""
    run = git_in(root)
    write_project(root, MODEL + GATE)
    run("init", "--quiet", "--initial-branch=main")
    run("add", "--all")
    run("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "Ask for 0.9")

    def rules() -> GateRules:
        project = open_project(root, in_git=True)
        base = find_base(project, "main")
        assert base is not None
        model = project.specs.models["delay"]
        return effective_rules(base, project, model, project.specs.datasets[model.spec.dataset])

    return rules


def test_without_a_base_a_model_is_judged_by_its_own_rules(root: Path) -> None:
    write_project(root, MODEL + GATE)
    project = open_project(root)
    model = project.specs.models["delay"]
    found = effective_rules(None, project, model, project.specs.datasets["flights"])
    assert (found.gate, found.base, found.metric_root) == (model.spec.gate, None, root)
    assert rule_change_warnings(model, found) == ()


def test_rules_that_did_not_change_are_the_candidates_own(judged: Judge) -> None:
    found = judged()
    assert (found.base, found.differences, found.gate.requirements[0].min) == (None, (), 0.9)


def test_a_change_that_relaxes_its_gate_is_judged_by_the_gate_as_it_stood(judged: Judge, root: Path) -> None:
    (root / "delay.yaml").write_text(MODEL + GATE.replace("0.9", "0.5"))
    found = judged()
    assert (found.gate.requirements[0].min, found.differences) == (0.9, ("gate.requirements",))
    assert str(found.base).startswith("main (")
    (warning,) = rule_change_warnings(open_project(root).specs.models["delay"], found)
    assert (warning.id, warning.severity) == ("gate-changed", "warning")


def test_a_change_may_set_a_fresh_holdout_aside_and_that_is_said(judged: Judge, root: Path) -> None:
    (root / "flights.yaml").write_text(DATASET + "  split: {epoch: 2}\n")
    found = judged()
    assert (found.split.epoch, found.holdout_differences) == (2, ("split.epoch",))


def test_a_change_cannot_ask_its_holdout_more_often_nor_let_rows_leak(judged: Judge, root: Path) -> None:
    (root / "flights.yaml").write_text(DATASET + "  split: {holdoutBudget: 99, duplicates: allow}\n")
    found = judged()
    assert (found.split.holdout_budget, found.split.duplicates) == (None, "fail")
    assert set(found.differences) == {"split.holdoutBudget", "split.duplicates"}


def test_a_change_cannot_choose_who_it_has_to_beat(judged: Judge, root: Path) -> None:
    write_project(root, MODEL + GATE, project="  {environments: [staging, prod], champion: staging}\n")
    found = judged()
    assert "the champion's environment" in found.differences
    assert found.champion_environment != "staging"


def test_a_base_with_invalid_specs_has_no_rules_and_that_is_said(judged: Judge, root: Path) -> None:
    run = git_in(root)
    (root / "delay.yaml").write_text(MODEL.replace("task:", "tusk:"))
    run("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-am", "Break it")
    (root / "delay.yaml").write_text(MODEL)
    found = judged()
    assert found.base_problem is not None
    (warning,) = rule_change_warnings(open_project(root).specs.models["delay"], found)
    assert warning.id == "gate-base-invalid"
