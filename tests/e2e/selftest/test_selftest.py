"""The gate's error rates on a user's own holdout and models."""

from __future__ import annotations

import pytest

from tests.support.consumer import Consumer, edit

MODEL = "models/diagnosis.yaml"


@pytest.mark.slow
def test_on_the_own_holdout_equal_models_are_promoted_no_more_often_than_claimed(gated: Consumer) -> None:
    """Given a release and another candidate, when the two are exchanged by chance, then one in twenty passes at most."""
    gated.ok("release")
    edit(gated, MODEL, "sklearn.linear_model.LogisticRegression", "sklearn.naive_bayes.GaussianNB")
    edit(gated, MODEL, "    params: {max_iter: 1000}\n", "")
    gated.ok("train")
    report = gated.answer("selftest", "diagnosis", "--trials", "100", "--jobs", "1")["record"]
    assert (report["model"], report["trials"], report["alpha"]) == ("diagnosis", 100, pytest.approx(0.05))
    equal, seen = report["measured"]
    assert (equal["claim"], equal["metric"], equal["rows"]) == ("false promotion", "auc", 122)
    assert equal["value"] <= 0.05 + 2 * equal["error"]
    assert 0.3 < equal["naive"] < 0.7
    assert equal["setting"] == "diagnosis and diagnosis@v1.0.0, predictions exchanged at random"
    assert (seen["claim"], "limit" in seen, seen["value"] <= 0.2) == ("promotion", False, True)
    shown = gated.ok("selftest", "diagnosis", "--trials", "25", "--jobs", "1")
    assert "1 of 1 claim holds" in shown


def test_the_champion_alone_has_nobody_to_be_compared_with(gated: Consumer) -> None:
    answer = gated.answer("selftest", "diagnosis", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["selftest-alone"]
    gated.ok("release")
    assert (
        "diagnosis@v1.0.0 is the same model"
        in gated.answer("selftest", "diagnosis", code=1)["diagnostics"][0]["message"]
    )
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 900")
    assert [found["id"] for found in gated.answer("selftest", "diagnosis", code=1)["diagnostics"]] == ["run-missing"]


def test_outside_a_project_there_is_no_model_to_test(gated: Consumer) -> None:
    answer = gated.answer("selftest", "diagnosis", "-C", str(gated.root.parent), code=2)
    assert [found["id"] for found in answer["diagnostics"]] == ["project-not-found"]
