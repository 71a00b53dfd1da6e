"""A champion that cannot be measured any more is replaced for a reviewed reason only."""

from __future__ import annotations

import json

from tests.support.consumer import Consumer, edit

MODEL, DATA, TABLE = "models/diagnosis.yaml", "data/patients.yaml", "data/patients.csv"
REASON = "the sensor for it was taken out of service"


def without(consumer: Consumer, column: str) -> None:
    """Take a column out of the data, and out of the specs."""
    path = consumer.root / TABLE
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    at = header.index(column)
    path.write_text("".join(",".join(row[:at] + row[at + 1 :]) + "\n" for row in (header, *rows)))
    edit(consumer, DATA, f"    {column}: {{type: number, nulls: {{max: 0}}, min: 0}}\n", "")
    edit(consumer, MODEL, f"    - {column}\n", "")


def test_a_lost_column_makes_the_champion_incomparable_until_a_reason_is_given(gated: Consumer) -> None:
    """Given a release, when one of its inputs is gone, then nothing is released before the spec says why it may be."""
    gated.ok("release")
    without(gated, "worst_area")
    gated.commit("Do without the area")
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
