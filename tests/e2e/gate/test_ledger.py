"""Where a dataset has a budget, each candidate that is judged on its holdout is counted, at the remote, before it is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.cli import push_plan
from mlops_ci.cli.main import run_command_line
from mlops_ci.cli.push_plan import ApplyResult, apply_plan
from mlops_ci.core.records.events import LedgerHead, Release
from mlops_ci.registry import holdout_ledger, state
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from tests.support.consumer import Consumer, copy_of, edit, home_of_ada
from tests.support.git_calls import git_in

MODEL, DATA = "models/diagnosis.yaml", "data/patients.yaml"
REF = "refs/mlops/ledger/patients/1"


@pytest.fixture
def budgeted(gated: Consumer) -> Consumer:
    """A consumer whose holdout may be asked three times, and whose floors are low."""
    return count_questions(gated)


@pytest.fixture(scope="module")
def world_of_asked(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = count_questions(copy_of(world_of_gated, tmp_path_factory.mktemp("asked")))
        assert made.answer("gate")["record"]["verdict"] == "pass"
    return made


@pytest.fixture
def asked(world_of_asked: Consumer, tmp_path: Path) -> Consumer:
    """The same consumer after its first question, which is at the remote."""
    return copy_of(world_of_asked, tmp_path)


def count_questions(consumer: Consumer) -> Consumer:
    edit(consumer, MODEL, "min: 0.93", "min: 0.6")
    edit(consumer, MODEL, "min: 0.87", "min: 0.6")
    edit(consumer, DATA, "spec:\n", "spec:\n  split: {holdoutBudget: 3}\n")
    consumer.commit("Count questions")
    consumer.git("push", "--quiet")
    return consumer


def another(consumer: Consumer, number: int) -> None:
    """Make another candidate of the model."""
    path = consumer.root / MODEL
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(f"    params: {{C: 0.{number}, max_iter: 5000}}" if "params:" in line else line for line in lines)
    )


def questions(folder: Path) -> list[str]:
    """The models that were judged, oldest first, as a repository has them."""
    lines = git_in(folder)("log", "--reverse", "--format=%H", REF).split()
    return [json.loads(git_in(folder)("show", f"{line}:question.json"))["modelDigest"] for line in lines]


def ids(answer: dict[str, Any]) -> list[str]:
    return [found["id"] for found in answer["diagnostics"]]


def test_a_candidate_is_counted_at_the_remote_once_and_every_test_gets_its_share(budgeted: Consumer) -> None:
    answer = budgeted.answer("gate")
    (model,) = answer["record"]["models"]
    assert "holdout-budget-low" not in ids(answer)
    assert model["comparison"]["confidence"] == pytest.approx(1 - 0.05 / 3)
    assert questions(budgeted.origin) == [model["comparison"]["modelDigest"]]
    (again,) = budgeted.answer("gate")["record"]["models"]
    assert again == model
    assert questions(budgeted.origin) == [model["comparison"]["modelDigest"]]
    assert budgeted.git("log", "-1", "--format=%an %s", REF).startswith("mlops-ci diagnosis: evaluate run ")


def test_without_a_budget_nothing_is_counted(gated: Consumer) -> None:
    gated.ok("gate")
    assert REF not in gated.published()


def test_a_budget_runs_out_and_a_new_epoch_is_a_fresh_holdout(asked: Consumer) -> None:
    for number in (2, 3):
        another(asked, number)
        answer = asked.answer("gate")
        assert ("holdout-budget-low" in ids(answer)) == (number == 3)
    another(asked, 4)
    refused = asked.answer("gate", code=1)
    assert ids(refused) == ["holdout-exhausted"]
    assert "comparison" not in refused["record"]["models"][0]  # nothing was scored
    another(asked, 2)
    assert asked.answer("gate")["record"]["models"][0]["verdict"] in ("pass", "inconclusive")  # it was asked before
    edit(asked, DATA, "{holdoutBudget: 3}", "{holdoutBudget: 3, epoch: 2}")
    another(asked, 4)
    asked.ok("gate")
    assert len(questions(asked.origin)) == 3
    assert "refs/mlops/ledger/patients/2" in asked.published()


def test_models_of_one_command_do_not_spend_more_than_there_is(budgeted: Consumer) -> None:
    """Given a budget of two, when one command has three new models, then two are judged and one is not."""
    edit(budgeted, DATA, "{holdoutBudget: 3}", "{holdoutBudget: 2}")
    budgeted.commit("Allow less")
    budgeted.git("push", "--quiet")
    text = (budgeted.root / MODEL).read_text()
    for number in range(2):
        other = text.replace("name: diagnosis", f"name: other-{number}").replace("seed: 7", f"seed: {number}")
        other = other.replace("params: {max_iter: 1000}", f"params: {{C: 0.{number + 1}, max_iter: 1000}}")
        (budgeted.root / "models" / f"other-{number}.yaml").write_text(other)
    answer = budgeted.answer("gate", code=1)
    assert "holdout-exhausted" in ids(answer)
    assert sum("comparison" not in model for model in answer["record"]["models"]) == 1
    assert len(questions(budgeted.origin)) == 2


def test_the_gate_says_what_a_question_cost_also_when_it_was_asked_before(budgeted: Consumer) -> None:
    first = "\n  evaluation 1 of 3 on the holdout of patients, epoch 1: each test at significance level 0.0167\n"
    assert first in budgeted.ok("gate")
    another(budgeted, 1)
    assert (
        "\n  evaluation 2 of 3 on the holdout of patients, epoch 1: each test at significance level 0.0167\n"
        in budgeted.ok("gate")
    )
    budgeted.git("checkout", "--quiet", "models")
    assert first in budgeted.ok("gate")
    assert (
        "Evaluation 1 of 3 on the holdout of patients, epoch 1: each test at significance level 0.0167."
        in budgeted.ok("gate", "--format", "markdown")
    )


def test_one_model_under_two_names_is_one_question(budgeted: Consumer) -> None:
    text = (budgeted.root / MODEL).read_text().replace("name: diagnosis", "name: twin")
    (budgeted.root / "models" / "twin.yaml").write_text(text)
    one, other = budgeted.answer("gate")["record"]["models"]
    assert one["comparison"]["modelDigest"] == other["comparison"]["modelDigest"]
    assert (one["comparison"]["holdoutQuestion"], other["comparison"]["holdoutQuestion"]["number"]) == (
        other["comparison"]["holdoutQuestion"],
        1,
    )
    assert len(questions(budgeted.origin)) == 1


def test_who_loses_the_race_for_a_place_takes_the_next_one(
    asked: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given two clones that ask at once, when one push is first, then both questions are counted, and nothing is fitted again."""
    asked.git("fetch", "--quiet", "origin", "refs/mlops/ledger/*:refs/mlops/ledger/*")
    rival = tmp_path / "rival"
    git_in(tmp_path)("clone", "--quiet", str(asked.origin), str(rival))
    git_in(rival)("fetch", "--quiet", "origin", f"{REF}:{REF}")
    tree = git_in(rival)("rev-parse", f"{REF}^{{tree}}").strip()
    calls: list[ApplyResult] = []

    def late(*given: Any) -> ApplyResult:
        if not calls:
            theirs = git_in(rival)("commit-tree", tree, "-p", REF, "-m", "theirs").strip()
            git_in(rival)("push", "--quiet", "origin", f"{theirs}:{REF}")
        calls.append(apply_plan(*given))
        return calls[-1]

    monkeypatch.setattr(push_plan, "apply_plan", late)
    another(asked, 5)
    assert run_command_line(["gate", "--format", "json", "-C", str(asked.root)], wait=lambda _: None) == 0
    # the fit and the run are stored here, then the question is pushed
    assert [call.state for call in calls] == ["done", "done", "raced", "done"]
    (model,) = json.loads(capsys.readouterr().out)["record"]["models"]
    assert model["comparison"]["holdoutQuestion"]["number"] == 3  # and not the second, which it was planned as
    assert git_in(asked.origin)("log", "--format=%s", REF).split("\n")[1] == "theirs"
    assert len(questions(asked.origin)) == 3


def test_without_the_remote_a_new_question_waits_and_an_old_one_does_not(asked: Consumer, tmp_path: Path) -> None:
    asked.ok("release")
    asked.origin.rename(tmp_path / "gone")
    assert asked.answer("gate")["record"]["models"][0]["model"] == "diagnosis"
    another(asked, 6)
    runs = asked.git("for-each-ref", "refs/mlops/runs")
    assert ids(asked.answer("gate", code=3)) == ["ledger-offline"]
    assert asked.git("for-each-ref", "refs/mlops/runs") == runs  # nothing was trained for it


def test_what_the_ledger_does_not_have_is_not_released(asked: Consumer) -> None:
    kept = asked.git("rev-parse", REF)
    asked.git("push", "--quiet", "origin", f":{REF}")
    asked.git("update-ref", "-d", REF)
    assert ids(asked.answer("release", code=1)) == ["release-not-counted"]
    asked.git("push", "--quiet", "origin", f"{kept}:{REF}")
    asked.ok("release")


def released(consumer: Consumer) -> Release:
    consumer.ok("release")
    record = state.read_registry(repository(consumer), None).model("diagnosis").events[-1].record
    assert isinstance(record, Release)
    return record


def test_a_release_says_at_which_level_and_where_in_the_ledger_it_was_judged(asked: Consumer) -> None:
    """Given two candidates that were judged, when the first is released, then its tag has its place and the ledger's head."""
    another(asked, 1)
    asked.ok("gate")
    asked.git("checkout", "--quiet", "models")
    record = released(asked)
    assert record.ledger == LedgerHead(REF, asked.published()[REF], 1)
    assert record.evidence.budget == 3
    assert record.evidence.confidence == pytest.approx(1 - 0.05 / 3)
    found = asked.answer("audit")
    assert found["diagnostics"] == []
    assert found["record"]["ledgers"] == [{"ref": REF, "questions": 2, "head": record.ledger.oid}]
    asked.git("update-ref", REF, f"{REF}~1")
    assert ids(asked.answer("audit", code=1)) == ["audit-ledger-rewritten"]


def test_without_a_budget_a_release_names_no_ledger(gated: Consumer) -> None:
    record = released(gated)
    assert (record.ledger, record.evidence.budget, record.evidence.confidence) == (None, None, 0.95)


def test_a_ledger_from_before_the_remote_is_published_before_anything_is_released(budgeted: Consumer) -> None:
    budgeted.git("remote", "remove", "origin")
    budgeted.ok("gate")
    budgeted.git("remote", "add", "origin", str(budgeted.origin))
    budgeted.git("fetch", "--quiet", "origin")
    budgeted.git("branch", "--quiet", "--set-upstream-to", "origin/main")
    (found,) = budgeted.answer("release", code=3)["diagnostics"]
    assert (found["id"], REF in found["message"]) == ("registry-unpublished", True)
    budgeted.git(*found["help"].partition("git ")[2].split())
    record = released(budgeted)
    assert record.ledger is not None
    assert record.ledger.oid == budgeted.published()[REF]


def test_a_ledger_that_was_rewritten_is_noticed(asked: Consumer, tmp_path: Path) -> None:
    git_in(tmp_path)("clone", "--quiet", str(asked.origin), "rival")
    rival = git_in(tmp_path / "rival")
    other = rival("commit-tree", rival("rev-parse", "HEAD^{tree}").strip(), "-m", "nothing was asked").strip()
    rival("push", "--quiet", "--force", "origin", f"{other}:{REF}")
    another(asked, 7)
    assert ids(asked.answer("gate", code=3)) == ["registry-diverged"]


def repository(consumer: Consumer) -> Repository:
    found = git.find_repository(consumer.root)
    assert found is not None
    return found


def test_a_chain_that_is_none_is_not_counted_on(budgeted: Consumer) -> None:
    tree = budgeted.git("rev-parse", "HEAD^{tree}")
    budgeted.git("update-ref", REF, budgeted.git("commit-tree", tree, "-m", "no question"))
    budgeted.git("push", "--quiet", "origin", REF)
    assert ids(budgeted.answer("gate", code=3)) == ["ledger-corrupt"]
    budgeted.git("push", "--quiet", "origin", f":{REF}")
    budgeted.git("update-ref", "-d", REF)
    budgeted.ok("gate")
    one, tree = budgeted.git("rev-parse", REF), budgeted.git("rev-parse", f"{REF}^{{tree}}")
    two = budgeted.git("commit-tree", tree, "-m", "a root of its own")
    budgeted.git("update-ref", REF, budgeted.git("commit-tree", tree, "-p", one, "-p", two, "-m", "joined"))
    budgeted.git("push", "--quiet", "origin", REF)
    assert ids(budgeted.answer("gate", code=3)) == ["ledger-corrupt"]
    budgeted.git("update-ref", REF, one)
    assert len(holdout_ledger.read_ledger(repository(budgeted), "patients", 1, None).questions) == 1


def test_without_a_remote_the_clone_counts(budgeted: Consumer, tmp_path: Path) -> None:
    alone = copy_of(budgeted, tmp_path / "alone")
    alone.git("remote", "remove", "origin")
    alone.ok("gate")
    assert len(questions(alone.root)) == 1
