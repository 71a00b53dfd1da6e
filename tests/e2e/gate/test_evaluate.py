"""A gate with weights, groups, conditions, costs, fairness and a metric of the user's own, from spec to report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops_ci.core.codec import decode
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.reports.requirements import reason_text, requirement_label
from tests.support.consumer import Consumer, edit

MODEL, DATA = "models/diagnosis.yaml", "data/patients.yaml"
EVALUATE = "    metrics: [auc, accuracy, log-loss, brier]\n"


def gate(consumer: Consumer, code: int = 0) -> dict[str, Any]:
    """What one model's gate came to: the answer's diagnostics, and the model's comparison where there is one."""
    answer = consumer.answer("gate", code=code)
    (one,) = answer["record"]["models"]
    return {"found": {found["id"]: found for found in answer["diagnostics"]}, **one.get("comparison", {})}


def value(comparison: dict[str, Any], metric: str, slice_: str | None = None) -> dict[str, Any]:
    (found,) = [one for one in comparison["metrics"] if (one["metric"], one.get("slice")) == (metric, slice_)]
    result: dict[str, Any] = found
    return result


@pytest.fixture
def project(gated: Consumer) -> Consumer:
    """Without a remote, so that each test's rules are its own."""
    gated.git("remote", "remove", "origin")
    return gated


def test_conditions_cut_slices_that_are_reported_and_tested(project: Consumer) -> None:
    project.ok("release")
    edit(project, MODEL, EVALUATE, EVALUATE + '    slices:\n    - {name: large, where: "mean_radius >= 14"}\n')
    edit(
        project,
        MODEL,
        "{metric: auc, against: champion, test: non-inferiority, margin: 0.02}",
        "{metric: accuracy, against: champion, test: no-regression, margin: 0.02, slices: [large]}",
    )
    edit(project, MODEL, "max_iter: 1000", "max_iter: 1000, C: 0.9")
    edit(project, MODEL, "  gate:\n", "  gate:\n    minSliceRows: 20\n")
    comparison = gate(project)
    large, whole = value(comparison, "accuracy", "large"), value(comparison, "accuracy")
    assert 20 <= large["rows"] < whole["rows"]
    (tested,) = [one for one in comparison["requirements"] if one["requirement"].get("against") == "champion"]
    assert tested["reason"] == {"code": "no-regression-shown", "tests": 2, "skipped": tested["reason"]["skipped"]}
    assert "large" in project.ok("gate")  # the worst slices


def test_a_condition_that_the_data_do_not_fit_is_a_finding_at_its_place(project: Consumer) -> None:
    edit(project, DATA, "    mean_radius: {type: number, nulls: {max: 0}, min: 0}\n", "")
    edit(project, MODEL, EVALUATE, EVALUATE + "    slices:\n    - {name: large, where: \"mean_radius == 'x'\"}\n")
    found = gate(project, code=1)["found"]["slice-condition-invalid"]
    assert (found["location"]["path"], "cannot be compared with the string 'x'" in found["message"]) == (MODEL, True)


@pytest.mark.slow
def test_weights_change_values_and_verdicts_say_so(project: Consumer) -> None:
    plain = value(gate(project), "accuracy")
    edit(project, MODEL, EVALUATE, EVALUATE + "    weights: mean_radius\n")
    weighted = value(gate(project), "accuracy")
    assert weighted["value"] != plain["value"]
    assert weighted["value"] == pytest.approx(plain["value"], abs=0.05)
    edit(project, MODEL, "    weights: mean_radius\n", "    weights: malignant\n")
    whole = value(gate(project), "accuracy")  # the malignant ones only
    assert whole["value"] != plain["value"]


def test_weights_that_are_none_stop_the_gate(project: Consumer) -> None:
    path = project.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},weight", *(f"{row},-1" for row in rows)]) + "\n")
    edit(project, MODEL, EVALUATE, EVALUATE + "    weights: weight\n")
    found = gate(project, code=1)["found"]["weights-invalid"]
    assert "the column 'weight' cannot be used as weights" in found["message"]


@pytest.mark.slow
def test_rows_of_one_group_stay_on_one_side_and_count_once(project: Consumer) -> None:
    """Given wards, when they are the groups, then the holdout is worth as many rows as it has wards, and the gate says so."""
    path = project.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},ward", *(f"{row},{at % 120}" for at, row in enumerate(rows))]) + "\n")
    edit(project, DATA, "  key: [patient_id]\n", "  key: [patient_id]\n  group: ward\n")
    edit(project, MODEL, "{metric: accuracy, min: 0.87}", "{metric: accuracy, min: 0.5}")
    comparison = gate(project)
    assert comparison["verdict"] == "inconclusive"
    reason = decode(Reason, comparison["requirements"][1]["reason"])
    assert (reason.code, reason.needed) == ("too-few-rows", 50)
    assert 0 < (reason.effective_rows or 0) < 50
    edit(project, MODEL, "  gate:\n", "  gate:\n    minRows: 3\n")
    assert gate(project)["requirements"][1]["verdict"] == "pass"


@pytest.mark.slow
def test_blocks_of_time_are_groups(project: Consumer) -> None:
    path = project.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    dated = [f"{row},2020-{1 + at % 12:02d}-{1 + at % 28:02d}T{at % 24:02d}:00:00" for at, row in enumerate(rows)]
    path.write_text("\n".join([f"{header},seen", *dated]) + "\n")
    edit(project, DATA, "  key: [patient_id]\n", "  key: [patient_id]\n  time: seen\n  blocks: 1d\n")
    edit(project, DATA, "    malignant:", "    seen: {type: timestamp}\n    malignant:")
    edit(project, MODEL, "  gate:\n", "  gate:\n    minRows: 5\n")
    wide = value(gate(project), "accuracy")
    edit(project, DATA, "  blocks: 1d\n", "  blocks: 1m\n")
    narrow = value(gate(project), "accuracy")
    assert wide["value"] == narrow["value"]
    assert wide["upper"] - wide["lower"] != pytest.approx(narrow["upper"] - narrow["lower"], rel=0.01)


def test_blocks_of_what_is_no_time_stop_the_gate(project: Consumer) -> None:
    edit(project, DATA, "  key: [patient_id]\n", "  key: [patient_id]\n  time: mean_radius\n  blocks: 1d\n")
    edit(project, DATA, "    mean_radius: {type: number, nulls: {max: 0}, min: 0}\n", "")
    found = gate(project, code=1)["found"]["blocks-time-type"]
    assert "'mean_radius' has the type double" in found["message"]


COSTS = """    costs:
    - {actual: 1, predicted: 0, cost: 10}
    - {actual: 0, predicted: 1, cost: 1}
"""


@pytest.mark.slow
def test_costs_and_a_metric_of_ones_own_are_metrics_like_others(project: Consumer) -> None:
    """Given the same costs as a table and as a function, then both are the same; only the table's worst case is known."""
    (project.root / "metrics.py").write_text(
        "def price(y_true, y_pred, rows):\n"
        "    assert 'mean_radius' in rows and 'patient_id' in rows\n"
        "    return 10.0 * ((y_true == 1) & (y_pred == 0)) + ((y_true == 0) & (y_pred == 1))\n\n"
        "def sure(y_true, y_pred, rows):\n    return abs(y_pred - 0.5)\n"
    )
    custom = (
        "    custom:\n"
        '      price: {entrypoint: "metrics.py:price", better: lower, columns: [patient_id]}\n'
        '      sure: {entrypoint: "metrics.py:sure", better: higher, of: probabilities}\n'
    )
    edit(project, MODEL, EVALUATE, "    metrics: [cost, price, sure]\n" + COSTS + custom)
    edit(project, MODEL, "{metric: accuracy, min: 0.87}", "{metric: price, max: 2}\n      - {metric: cost, max: 2}")
    comparison = gate(project)
    cost, price, sure = (value(comparison, name) for name in ("cost", "price", "sure"))
    assert price["value"] == cost["value"]
    assert cost["lower"] <= price["lower"] < price["upper"] < cost["upper"]
    assert 0.3 < sure["value"] < 0.5
    assert [one["verdict"] for one in comparison["requirements"][1:3]] == ["pass", "pass"]

    (project.root / "metrics.py").write_text(
        "def price(y, p, rows):\n    return p / 0 * 0\n\ndef sure(y, p, rows):\n    1/0\n"
    )
    found = gate(project, code=1)["found"]["metric-failed"]
    assert "'price' is NaN or infinite for" in found["message"] or "ZeroDivisionError" in found["message"]


def test_a_metric_that_gives_one_number_is_told_what_to_give(project: Consumer) -> None:
    (project.root / "metrics.py").write_text("def share(y, p, rows):\n    return (y == p).mean()\n")
    edit(
        project,
        MODEL,
        EVALUATE,
        EVALUATE + '    custom:\n      share: {entrypoint: "metrics.py:share", better: higher}\n',
    )
    found = gate(project, code=1)["found"]["metric-failed"]
    assert "returned an array of shape () for" in found["message"]
    assert "must return one number for each row" in found["help"]


def test_a_fairness_gap_has_a_ceiling(project: Consumer) -> None:
    path = project.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},clinic", *(f"{row},{'ABC'[at % 3]}" for at, row in enumerate(rows))]) + "\n")
    edit(project, MODEL, "  gate:\n", "  gate:\n    minSliceRows: 10\n")
    edit(
        project,
        MODEL,
        "{metric: accuracy, min: 0.87}",
        "{metric: demographic-parity-difference, by: clinic, max: 0.9}\n"
        "      - {metric: equalized-odds-difference, by: clinic, max: 0.001}",
    )
    parity, odds = gate(project)["requirements"][1:3]
    assert parity["requirement"] == {
        "metric": "demographic-parity-difference",
        "test": "threshold",
        "max": 0.9,
        "by": "clinic",
    }
    assert parity["verdict"] == "pass"
    assert parity["reason"]["rate"] == "selection"
    assert odds["verdict"] == "inconclusive"


def test_the_report_explains_every_requirement_in_a_sentence(project: Consumer) -> None:
    project.ok("release")
    edit(project, MODEL, "max_iter: 1000", "max_iter: 1000, C: 0.9")
    shown = project.ok("gate").splitlines()
    answer = json.loads(project.ok("gate", "--format", "json"))
    requirements = answer["record"]["models"][0]["comparison"]["requirements"]
    for item in (decode(RequirementResult, one) for one in requirements):
        came_to = {"pass": "holds", "inconclusive": "cannot be decided"}[item.verdict]
        assert f"  “{requirement_label(item)}” {came_to}: {reason_text(item)}." in shown
