"""Whoever may push, and has no key, cannot change the registry unseen. What each test finds, it finds by its name."""

from __future__ import annotations

import json

import pytest

from tests.support.attacker import LOG, Attacker, after
from tests.support.forge import sign

NEWEST = "model-0#trial!#6"


def test_what_nobody_touched_has_no_breaks(attacker: Attacker) -> None:
    found = attacker.audit()

    assert (found.code, found.breaks) == (0, ())
    told = {name: found.record[name] for name in ("events", "signatures", "runs", "files", "manifests")}
    assert told == {"events": 16, "signatures": 16, "runs": 4, "files": 20, "manifests": 16}


# tags


def test_a_record_that_no_longer_is_one(attacker: Attacker) -> None:
    content = attacker.content(NEWEST).replace(b'"reason":', b'"excuse":')
    attacker.point(f"refs/tags/{NEWEST}", attacker.write_tag(content))
    found = attacker.audit()
    assert found.names("audit-record-invalid", NEWEST)
    assert any("unknown field 'excuse'" in item["message"] for item in found.breaks)


# the log and the chain


def test_a_log_that_was_merged(attacker: Attacker) -> None:
    held = attacker.held()
    last = held.log[-1]
    assert last.ref is not None
    assert last.record is not None
    attacker.point(f"{LOG}model-0", held.log[-2].oid)
    attacker.log("model-0", last.tag, last.ref.oid, json.loads(last.record), held.log[-3].oid)
    found = attacker.audit()
    assert found.names("audit-log-malformed", "has 2 parents")


def test_an_event_that_was_logged_twice(attacker: Attacker) -> None:
    last = attacker.held().log[-1]
    assert last.ref is not None
    assert last.record is not None
    attacker.log("model-0", last.tag, last.ref.oid, json.loads(last.record))
    assert attacker.audit().names("audit-log-malformed", f"repeats the tag {NEWEST}")


# a tail that was cut off


def test_a_tail_with_an_assignment_leaves_its_manifests_behind(attacker: Attacker) -> None:
    attacker.cut("model-0", 2)
    assert attacker.audit().names("audit-manifest-changed", "deploy/prod/model-0/release.yaml")


def test_a_tail_that_left_nothing_behind_is_missed_by_whoever_kept_its_head(attacker: Attacker) -> None:
    head = attacker.audit().record["models"][0]["head"]
    newest = attacker.event(NEWEST).oid
    attacker.cut("model-0")
    # what the last event took back from the branch is put there again
    folder = "deploy/trial/model-0"
    files = attacker.repo.list_files("refs/heads/main~2", folder)
    attacker.push({f"{folder}/{path}": attacker.repo.read_blob(oid) for path, oid in files.items()})

    assert attacker.audit().code == 0
    for seen in (head, newest, newest[:12]):
        assert attacker.audit("--since", seen).names("audit-truncated", seen)


def test_what_was_seen_before_and_is_still_there_is_no_break(attacker: Attacker) -> None:
    held = attacker.held()
    main = attacker.repo.resolve("refs/heads/main~3") or ""
    seen = [held.log[0].oid, held.log[-1].oid, held.state.events[3].oid, main]
    assert attacker.audit(*(part for oid in seen for part in ("--since", oid))).code == 0


def test_a_branch_that_was_rewritten_by_force(attacker: Attacker) -> None:
    seen = attacker.repo.resolve("refs/heads/main") or ""
    attacker.point("refs/heads/main", attacker.commit({"README": b"new"}, at="refs/heads/main~1"))
    assert attacker.audit("--since", seen).names("audit-truncated", seen)


def test_a_since_that_is_no_object_id(attacker: Attacker) -> None:
    found = attacker.audit("--since", "main")
    assert (found.code, found.ids) == (2, {"object-id-invalid"})


# assignments


@pytest.mark.parametrize("change", ["model_digest", "run_key", "train_digest"])
def test_an_assignment_of_something_else_than_its_release(attacker: Attacker, change: str) -> None:
    name = attacker.append(after(attacker.assignment("model-0#prod#5"), number=7, **{change: "0" * 64}))
    assert attacker.audit().names("audit-assignment-differs", name)


def test_eves_signature_is_a_real_one(attacker: Attacker) -> None:
    """Or the stranger above would not be one."""
    assert sign(attacker.key, b"x").startswith(b"-----BEGIN SSH SIGNATURE-----")
