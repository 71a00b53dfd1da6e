"""Whoever may push, and has no key, cannot change the registry unseen. What each test finds, it finds by its name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlops_ci.core.records.base import EventRef
from tests.support.attacker import LOG, PIN, Attacker, after
from tests.support.forge import sign

NEWEST = "model-0#trial!#6"


def test_what_nobody_touched_has_no_breaks(attacker: Attacker) -> None:
    found = attacker.audit()

    assert (found.code, found.breaks) == (0, ())
    told = {name: found.record[name] for name in ("events", "signatures", "runs", "files", "manifests")}
    assert told == {"events": 16, "signatures": 16, "runs": 4, "files": 20, "manifests": 16}


# tags


def test_a_tag_that_was_deleted(attacker: Attacker) -> None:
    attacker.point("refs/tags/model-0#prod#2", None)
    assert attacker.audit().names("audit-tag-missing", "model-0#prod#2")


def test_a_tag_that_was_pointed_at_another_version(attacker: Attacker) -> None:
    attacker.point("refs/tags/model-0@v1.0.1", attacker.event("model-0@v1.0.0").oid)
    assert attacker.audit().names("audit-tag-moved", "model-0@v1.0.1")


def test_a_tag_that_was_made_lightweight(attacker: Attacker) -> None:
    attacker.point("refs/tags/model-0@v1.0.1", attacker.event("model-0@v1.0.1").commit)
    assert attacker.audit().names("audit-tag-moved", "model-0@v1.0.1")


def test_a_tag_that_was_backdated(attacker: Attacker) -> None:
    name = "model-0#prod#5"
    attacker.replace(name, attacker.assignment(name), date=attacker.event("model-0@v1.0.0").date)
    assert attacker.audit().names("audit-date-order", name)


def test_a_tag_that_was_rewritten_under_its_old_signature(attacker: Attacker) -> None:
    content = attacker.content(NEWEST)
    old = next(filter(None, attacker.repo.read_objects([attacker.event(NEWEST).oid])))
    signature = old[len(content) :]
    oid = attacker.write_tag(content.replace(b"the trial is over", b"nobody was asked!") + signature)
    record = attacker.event(NEWEST).record
    assert record is not None
    attacker.point(f"refs/tags/{NEWEST}", oid)
    attacker.relog("model-0", {NEWEST: (oid, replace(record, reason="nobody was asked!"))}, attacker.held())

    found = attacker.audit()

    assert found.names("audit-signature-bad", NEWEST)
    assert found.ids == {"audit-signature-bad"}


def test_an_event_that_is_not_signed(attacker: Attacker) -> None:
    record = attacker.event(NEWEST).record
    assert record is not None
    attacker.replace(NEWEST, record)

    found = attacker.audit()

    assert found.names("audit-signature-missing", NEWEST)
    assert found.ids == {"audit-signature-missing"}


def test_an_event_that_a_stranger_signed(attacker: Attacker) -> None:
    record = attacker.event(NEWEST).record
    assert record is not None
    attacker.replace(NEWEST, record, signed=True)

    found = attacker.audit()

    assert found.names("audit-signature-stranger", NEWEST)
    assert found.ids == {"audit-signature-stranger"}


def test_a_record_that_no_longer_is_one(attacker: Attacker) -> None:
    content = attacker.content(NEWEST).replace(b'"reason":', b'"excuse":')
    attacker.point(f"refs/tags/{NEWEST}", attacker.write_tag(content))
    found = attacker.audit()
    assert found.names("audit-record-invalid", NEWEST)
    assert any("unknown field 'excuse'" in item["message"] for item in found.breaks)


def test_a_tag_beside_the_log_without_a_record(attacker: Attacker) -> None:
    attacker.git("-c", "user.name=Eve", "-c", "user.email=eve@example.org", "tag", "-a", "-m", "mine", "model-0#prod#9")
    assert attacker.audit().names("audit-tag-foreign", "model-0#prod#9")


# counters and versions


def test_a_number_that_was_left_out(attacker: Attacker) -> None:
    name = attacker.append(after(attacker.assignment("model-0#prod#5"), number=8))
    assert attacker.audit().names("audit-number-skipped", name)


def test_a_number_that_is_there_twice(attacker: Attacker) -> None:
    name = attacker.append(after(attacker.assignment("model-0#prod#5"), number=6))
    assert attacker.audit().names("audit-number-repeated", name)


def test_a_version_that_was_left_out(attacker: Attacker) -> None:
    name = attacker.append(after(attacker.release(), version="1.0.3"))
    assert attacker.audit().names("audit-version-step", name)


def test_a_second_version_on_one_commit(attacker: Attacker) -> None:
    name = attacker.append(after(attacker.release(), version="1.0.2"))
    assert attacker.audit().names("audit-commit-shared", name)


# the log and the chain


def test_a_record_that_was_edited_in_the_log(attacker: Attacker) -> None:
    held = attacker.held()
    name = "model-0#prod#2"
    record = replace(attacker.assignment(name), version="9.9.9")
    attacker.relog("model-0", {name: (attacker.event(name).oid, record)}, held)
    assert attacker.audit().names("audit-log-disagrees", name)


def test_a_log_that_was_deleted(attacker: Attacker) -> None:
    attacker.point(f"{LOG}model-0", None)
    assert attacker.audit().names("audit-log-missing", f"{LOG}model-0")


def test_a_log_that_holds_something_else(attacker: Attacker) -> None:
    attacker.point(f"{LOG}model-0", attacker.repo.resolve("refs/heads/main"))
    assert attacker.audit().names("audit-log-malformed", f"{LOG}model-0")


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


def test_a_chain_that_was_forked(attacker: Attacker) -> None:
    record = replace(attacker.assignment("model-0#prod#5"), number=7, previous=attacker.event("model-0#prod#2").ref)
    name = attacker.append(record)
    assert attacker.audit().names("audit-chain-forked", name)


def test_a_chain_that_leads_to_another_model(attacker: Attacker) -> None:
    last = attacker.held("model-1").state.events[-1].ref
    name = attacker.append(replace(attacker.assignment("model-0#prod#5"), number=7, previous=last))
    assert attacker.audit().names("audit-chain-broken", name)


def test_an_event_that_was_taken_out_of_the_log_too(attacker: Attacker) -> None:
    held = attacker.held()
    attacker.point("refs/tags/model-0#staging#3", None)
    left = tuple(entry for entry in held.log if entry.tag != "model-0#staging#3")
    attacker.relog("model-0", {}, replace(held, log=left))
    assert attacker.audit().names("audit-chain-broken", "model-0@v1.0.1")


# a tail that was cut off


def test_a_tail_that_was_cut_off_the_log_only(attacker: Attacker) -> None:
    attacker.point(f"{LOG}model-0", attacker.held().log[-2].oid)
    assert attacker.audit().names("audit-tag-unlogged", NEWEST)


def test_a_tail_with_a_release_leaves_its_pin_behind(attacker: Attacker) -> None:
    attacker.cut("model-0", 4)
    assert attacker.audit().names("audit-pin-orphaned", f"{PIN}model-0/v1.0.1")


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


def test_an_assignment_of_a_release_that_is_not_here(attacker: Attacker) -> None:
    release = EventRef("model-0@v1.0.1", attacker.event("model-0@v1.0.0").oid)
    name = attacker.append(after(attacker.assignment("model-0#prod#5"), number=7, release=release))
    assert attacker.audit().names("audit-assignment-differs", name)


@pytest.mark.parametrize("change", ["model_digest", "run_key", "train_digest"])
def test_an_assignment_of_something_else_than_its_release(attacker: Attacker, change: str) -> None:
    name = attacker.append(after(attacker.assignment("model-0#prod#5"), number=7, **{change: "0" * 64}))
    assert attacker.audit().names("audit-assignment-differs", name)


def test_eves_signature_is_a_real_one(attacker: Attacker) -> None:
    """Or the stranger above would not be one."""
    assert sign(attacker.key, b"x").startswith(b"-----BEGIN SSH SIGNATURE-----")
