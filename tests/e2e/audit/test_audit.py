"""What the verbs themselves write has no breaks."""

from __future__ import annotations

from tests.support.consumer import Consumer


def test_what_was_released_and_deployed_has_no_breaks(gated: Consumer) -> None:
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")

    found = gated.answer("audit")

    assert found["diagnostics"] == []
    told = {name: found["record"][name] for name in ("events", "runs", "files")}
    assert told == {"events": 3, "runs": 1, "files": 5}
    assert found["record"]["manifests"] >= 14
