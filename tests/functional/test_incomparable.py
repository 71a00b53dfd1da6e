"""A champion that cannot be measured any more is replaced for a reviewed reason only."""

from __future__ import annotations

import json

from tests.functional.conftest import Consumer, edit

MODEL, DATA = "models/diagnosis.yaml", "data/patients.yaml"
REASON = "the holdout of epoch 1 was published"


def test_a_fresh_holdout_makes_the_champion_incomparable_until_a_reason_is_given(gated: Consumer) -> None:
    """Given a release, when the split changes, then nothing is released before the spec says why it may be."""
    gated.ok("release")
    edit(gated, DATA, "spec:\n", "spec:\n  split: {epoch: 2}\n")
    gated.commit("A fresh holdout")
    gated.git("push", "--quiet")
    answer = gated.answer("gate")
    assert answer["record"]["verdict"] == "incomparable"
    assert "champion-incomparable" in [found["id"] for found in answer["diagnostics"]]
    refused = gated.answer("release", code=1)
    assert [found["id"] for found in refused["diagnostics"]] == ["release-refused"]

    edit(gated, MODEL, "  gate:\n", f"  gate:\n    acceptIncomparable: {REASON}\n")
    edit(gated, MODEL, "min: 0.93", "min: 0.6")
    edit(gated, MODEL, "min: 0.87", "min: 0.6")
    gated.commit("Accept it")
    gated.git("push", "--quiet")
    assert gated.answer("gate")["record"]["verdict"] == "pass"
    (released,) = gated.answer("release")["record"]["models"]
    assert released["sentence"].endswith(f"accepted: {REASON}")
    message = gated.git("tag", "-l", "--format=%(contents)", f"diagnosis@v{released['version']}")
    assert REASON in json.dumps(message)
