"""Before anything is trained, the gate says how small a difference it could see."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_ci.core.requirements import Reason, RequirementResult, RequirementTerms
from mlops_ci.evaluation.power_analysis import _assumed_standard_error, _detection_factor, _measured_standard_errors
from mlops_ci.evaluation.simulation.claims import superiority_requirement
from mlops_ci.evaluation.simulation.populations import ClassifierPopulation, find_correlation, find_separation
from mlops_ci.evaluation.simulation.trials import FULL_LEVEL_GATE, passes_gate
from mlops_ci.evaluation.stats.evidence import measure_evidence
from tests.support.consumer import Consumer, edit
from tests.support.registry_samples import COMPARISON

MODEL, DATA = "models/diagnosis.yaml", "data/patients.yaml"
TRIALS = 400


def power(consumer: Consumer) -> list[dict[str, Any]]:
    (model,) = consumer.answer("gate", "--power")["record"]["models"]
    requirements: list[dict[str, Any]] = model["requirements"]
    return requirements


def test_nothing_is_trained_and_every_statistical_requirement_is_told(gated: Consumer) -> None:
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1001")
    before = gated.git("for-each-ref", "refs/mlops/runs")
    (model,) = gated.answer("gate", "--power")["record"]["models"]
    assert gated.git("for-each-ref", "refs/mlops/runs") == before
    assert (model["model"], model["rows"], model["rarest"], model["power"]) == ("diagnosis", 122, 51, 0.8)
    assert [one["requirement"]["metric"] for one in model["requirements"]] == ["auc", "accuracy", "auc"]
    assert all(0.01 < one["smallest"] < 0.2 for one in model["requirements"])


def test_a_stricter_gate_sees_less(gated: Consumer) -> None:
    edit(gated, MODEL, "  gate:\n", "  gate:\n    confidence: 0.8\n")
    lax = power(gated)
    edit(gated, MODEL, "confidence: 0.8", "confidence: 0.999")
    strict = power(gated)
    assert all(one["smallest"] < 0.6 * other["smallest"] for one, other in zip(lax, strict, strict=True))


def test_a_budget_leaves_less_to_be_seen(gated: Consumer) -> None:
    before = power(gated)
    edit(gated, "data/patients.yaml", "spec:\n", "spec:\n  split: {holdoutBudget: 50}\n")
    after = power(gated)
    assert all(one["smallest"] < 0.7 * other["smallest"] for one, other in zip(before, after, strict=True))


def test_what_is_refused_is_said(gated: Consumer) -> None:
    (gated.root / "data" / "patients.csv").write_text("nothing\n")
    assert gated.run("gate", "--power").returncode == 1


def test_the_difference_that_is_told_is_seen_four_times_in_five() -> None:
    rows = 2_000
    error = _assumed_standard_error("accuracy", "binary-classification", {0: 0.5, 1: 0.5}, against=True)
    assert error is not None
    smallest = _detection_factor(0.05) * error / math.sqrt(rows)
    both = (find_separation("accuracy", 0.8 + smallest), find_separation("accuracy", 0.8))
    world = ClassifierPopulation(0.5, both, find_correlation(both, 0.1))
    seen = 0
    for seed in range(TRIALS):
        drawn = world.draw(np.random.default_rng(seed), rows)
        evidence = measure_evidence(["accuracy"], drawn.truth, *drawn.models, seed=0)
        seen += passes_gate(superiority_requirement("accuracy"), evidence, FULL_LEVEL_GATE)
    assert seen / TRIALS == pytest.approx(0.8, abs=0.05)


def _better_than_champion(metric: str) -> RequirementTerms:
    return RequirementTerms(metric, "superiority", "champion", margin=0.0)


def test_the_last_release_tells_how_much_its_models_differed_at_whatever_confidence() -> None:
    tested = RequirementResult(
        _better_than_champion("auc"), "pass", Reason("improvement-shown"), difference=0.02, lower=0.01, upper=0.03
    )
    sliced = replace(tested, requirement=_better_than_champion("accuracy"), slice="sex=1")
    at = {"holdout_rows": 400, "requirements": (tested, sliced)}
    for confidence, z in ((0.95, 1.6449), (0.999, 3.0902)):
        comparison = replace(COMPARISON, confidence=confidence, **at)  # type: ignore[arg-type]  # values of several fields
        assert _measured_standard_errors(comparison) == {"auc": pytest.approx(0.02 / (2 * z) * 20, rel=1e-3)}


def test_after_a_release_its_own_comparison_is_what_is_planned_with(gated: Consumer) -> None:
    gated.ok("release")
    assert {one["basis"] for one in power(gated)} == {"assumption"}  # the first version had nobody to differ from
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1000, C: 0.8")
    edit(gated, MODEL, "margin: 0.02", "margin: 0.2")
    gated.commit("Another candidate")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    assert [one["basis"] for one in power(gated)] == ["assumption", "assumption", "the last release"]


def test_of_several_classes_the_accuracy_is_told_and_the_rest_is_not_made_up() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert _assumed_standard_error("accuracy", "multiclass-classification", shares, against=True) == pytest.approx(
        math.sqrt(0.1)
    )
    assert _assumed_standard_error("f1-macro", "multiclass-classification", shares, against=True) is None


@pytest.mark.parametrize("metric", ["recall", "precision", "f1"])
def test_the_assumed_error_is_that_of_the_positive_class(metric: str) -> None:
    """Given a rare class, when it is positive, then its metric varies more than when the common class is positive."""
    shares = {"fraud": 0.05, "legit": 0.95}
    fraud, legit = (
        _assumed_standard_error(metric, "binary-classification", shares, positive, against=True)
        for positive in ("fraud", "legit")
    )
    assert fraud is not None
    assert legit is not None
    assert fraud > 2 * legit
    last = _assumed_standard_error(metric, "binary-classification", shares, against=True)
    assert last == legit  # no class is named: the label that sorts last


def test_rows_that_depend_on_each_other_see_less(gated: Consumer) -> None:
    """Given forty wards, when they are groups, then the plan is of as many rows as they are worth, and says so."""
    path = gated.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},ward", *(f"{row},{at % 40}" for at, row in enumerate(rows))]) + "\n")
    edit(gated, DATA, "spec:\n", "spec:\n  group: ward\n")
    before = gated.answer("gate", "--power", "--base", "main")["record"]["models"][0]  # which knows of no groups
    grouped = gated.answer("gate", "--power")["record"]["models"][0]
    assert "effectiveRows" not in before
    assert 3 <= grouped["effectiveRows"] <= 20
    for mine, theirs in zip(grouped["requirements"], before["requirements"], strict=True):
        assert mine["smallest"] == pytest.approx(
            theirs["smallest"] * (grouped["rows"] / grouped["effectiveRows"]) ** 0.5, rel=0.5
        )
        assert mine["smallest"] > 1.5 * theirs["smallest"]
    assert f"equivalent to {grouped['effectiveRows']} independent rows" in gated.ok("gate", "--power")
