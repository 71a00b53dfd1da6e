"""A release accepts what was judged where the branch's policy asks for it, and says where that was."""

from __future__ import annotations

import pytest

from tests.support.consumer import Consumer, edit


def ask_for(consumer: Consumer, trust: str) -> None:
    edit(consumer, "mlops.yaml", "spec:\n", f"spec:\n  policy: {{trust: {trust}}}\n")
    consumer.commit(f"Ask for {trust}")
    consumer.git("push", "--quiet")


def in_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACTIONS": "true", "REPOSITORY": "acme/ml", "ACTOR": "ada", "EVENT_NAME": "push"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)


def test_what_was_judged_on_a_laptop_is_released_where_nothing_more_is_asked_for(gated: Consumer) -> None:
    gated.ok("release")
    assert '"trust":"local"' in gated.git("cat-file", "tag", "diagnosis@v1.0.0")


def test_where_a_job_is_asked_for_a_laptop_is_not_enough(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a policy that asks for CI, when a laptop judged, then nothing is released; and after CI has judged, it is."""
    ask_for(gated, "single-job")
    refused = gated.answer("release", code=1)
    assert [found["id"] for found in refused["diagnostics"]] == ["trust-too-low"]
    assert "refs/tags/diagnosis@v1.0.0" not in gated.published()
    in_a_job(monkeypatch)
    gated.ok("gate")
    gated.ok("release")
    assert '"trust":"single-job"' in gated.git("cat-file", "tag", "diagnosis@v1.0.0")


def test_one_job_is_less_than_jobs_of_their_own(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_for(gated, "separated")
    in_a_job(monkeypatch)
    gated.ok("gate")
    refused = gated.answer("release", code=1)
    assert [found["id"] for found in refused["diagnostics"]] == ["trust-too-low"]


def test_the_policy_is_the_branchs_and_not_the_work_trees(gated: Consumer) -> None:
    """Given a branch that asks for CI, when a clone does not, then the branch counts."""
    ask_for(gated, "separated")
    edit(gated, "mlops.yaml", "separated", "local")
    assert gated.answer("release", code=1)["diagnostics"][0]["id"] in ("worktree-dirty", "trust-too-low")
    gated.commit("Ask for less, unpushed")
    assert "trust-too-low" in str(gated.answer("release", code=1))


def test_with_gated_what_has_passed_is_released_and_the_rest_is_said(gated: Consumer) -> None:
    """Given two models of which one was judged, when all that are gated are released, then the other waits for the gate."""
    second = (gated.root / "models/diagnosis.yaml").read_text().replace("name: diagnosis", "name: second")
    (gated.root / "models" / "second.yaml").write_text(second.replace("max_iter: 1000", "max_iter: 900"))
    gated.commit("A second model")
    gated.git("push", "--quiet")
    assert gated.run("release").returncode == 1
    answer = gated.answer("release", "--gated")
    states = {one["model"]: one["state"] for one in answer["record"]["models"]}
    assert states == {"diagnosis": "released", "second": "ungated"}
    assert [found["severity"] for found in answer["diagnostics"]] == ["warning"]
    assert "second has not passed the gate in its current state" in gated.ok("release", "--gated")
