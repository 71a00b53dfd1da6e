"""A gate that keeps its claims is found to; one that compares numbers, or looks away, is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.cli.main import run_command_line
from mlops_ci.evaluation.simulation import holdout_reuse, leak_trials, trials
from mlops_ci.evaluation.simulation.claims import claim_series, superiority_requirement
from mlops_ci.evaluation.simulation.runner import measure_claims
from mlops_ci.evaluation.stats.evidence import MetricEvidence
from mlops_ci.spec.spec_types import GateSpec, Requirement


@pytest.fixture(autouse=True)
def _one_claim_about_copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table takes a tenth of a second, whatever its size: all claims about copies are for a test of their own."""
    if "slow" not in request.keywords:
        first = leak_trials.leak_claims()[:1]
        monkeypatch.setattr(leak_trials, "leak_claims", lambda: first)


def quiet(_: str) -> None:
    """Nobody watches."""


def selftest(capsys: pytest.CaptureFixture[str], folder: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    code = run_command_line(["selftest", *argv, "--format", "json", "-C", str(folder)])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, answer


def test_every_claim_holds_in_an_empty_folder_and_the_naive_rule_is_measured_beside_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, answer = selftest(capsys, tmp_path, "--trials", "60", "--jobs", "1")
    assert (code, answer["diagnostics"]) == (0, [])
    report = answer["record"]
    assert (report["trials"], report["alpha"], report["budget"]) == (60, 0.05, 50)
    promoted = [row for row in report["measured"] if row["claim"] == "false promotion"]
    assert {row["metric"] for row in promoted} == {"accuracy", "auc", "average-precision", "f1", "rmse"}
    assert {row["rows"] for row in promoted} == {500, 2_000, 10_000}
    assert all(0.3 < row["naive"] < 0.7 for row in promoted)  # a coin's flip, whatever the number of rows
    (overstated,) = [row for row in report["measured"] if row["claim"] == "overstatement"]
    assert 1.5 < overstated["naive"] < 3
    assert abs(overstated["value"]) < 0.8


def test_the_same_trials_give_the_same_numbers_on_one_process_or_two() -> None:
    assert measure_claims(2, 1, quiet) == measure_claims(2, 2, quiet)


def by_numbers(requirement: Requirement, evidence: MetricEvidence, gate: GateSpec) -> bool:
    return gate.confidence > 0 and trials.passes_naive_rule(requirement, evidence)


def never(*_: object, **__: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (by_numbers, {"false promotion", "non-inferiority at the margin", "overstatement"}),
        (never, {"power"}),
    ],
)
def test_a_gate_that_does_not_keep_its_claims_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    rule: Callable[..., bool],
    broken: set[str],
) -> None:
    for module in (trials, holdout_reuse):
        monkeypatch.setattr(module, "passes_gate", rule)
    code, answer = selftest(capsys, tmp_path, "--trials", "12", "--jobs", "1")
    assert code == 1
    assert {found["id"] for found in answer["diagnostics"]} == {"selftest-exceeded"}
    rows = answer["record"]["measured"]
    found = {
        row["claim"] for row in rows if any(f"{row['claim']} of" in one["message"] for one in answer["diagnostics"])
    }
    assert found == broken


def test_the_level_after_spending_passes_less_often() -> None:
    strongest = next(one for one in claim_series() if one.claims[0].kind == "power")
    counts = trials.run_claim_trials(strongest, (1,), 40)
    assert counts.spent[0] < counts.gate[0] <= counts.naive[0]
    assert strongest.claims[0].requirement == superiority_requirement("accuracy")


def test_the_table_names_what_it_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert (
        run_command_line(["selftest", "--trials", "2", "--jobs", "1", "--format", "markdown", "-C", str(tmp_path)]) == 0
    )
    out = capsys.readouterr().out
    assert "| claim | metric | rows | models | measured | must be | naive | budget spent |" in out
    assert "| overstatement | accuracy | 500 | equal, 50 pull requests |" in out


@pytest.mark.parametrize("given", ["0", "-3", "many"])
def test_trials_are_a_positive_number(given: str, tmp_path: Path) -> None:
    assert run_command_line(["selftest", "--trials", given, "-C", str(tmp_path)]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("claim", leak_trials.leak_claims(), ids=lambda claim: f"{claim.setting}-{claim.rows}")
def test_copies_are_found_and_chance_is_no_copy(claim: leak_trials.LeakClaim) -> None:
    counts = leak_trials.run_leak_trials(claim, (1, 2), 12)
    assert counts.gate == ((12,) if claim.has_copies else (0,))


def test_any_equal_row_is_no_copy_and_the_naive_rule_refuses_every_table_of_entities() -> None:
    claim = leak_trials.LeakClaim("repeated entities", 500, 0.01, "entities")
    counts = leak_trials.run_leak_trials(claim, (1, 2), 8)
    assert (counts.trials, counts.gate, counts.naive) == (8, (0,), (8,))
