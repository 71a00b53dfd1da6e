"""The log against the tags, both ways, and the chain of their records: what one does not say of the other is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.governance.audit import chain, log
from mlops_ci.governance.audit.inventory import LogEntry, ModelInventory
from mlops_ci.registry.state import fold_refs
from mlops_ci.repository.refs import Ref
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag

V1 = EventRef("delay@v1.0.0", "1" * 40)
PROD = EventRef("delay#prod#1", "2" * 40)
RECORDS: tuple[tuple[EventRef, Release | Assignment], ...] = ((V1, RELEASE), (PROD, assignment(1, previous=V1)))
REFS = tuple(tag(record, ref.oid, date) for date, (ref, record) in enumerate(RECORDS, 1))


def entry(at: int, **changes: Any) -> LogEntry:
    """The log's commit about the event at that place."""
    ref, record = RECORDS[at]
    content = canonical_json(encode(record)).encode()
    return LogEntry(f"{at}" * 40, ("0" * 40,) * at, ref.name, ref, content)._replace(**changes)


LOG = (entry(0), entry(1))


def inventory(refs: tuple[Ref, ...] = REFS, entries: tuple[LogEntry, ...] = LOG, **changes: Any) -> ModelInventory:
    tags = {ref.name.removeprefix("refs/tags/"): ref.oid for ref in refs}
    return replace(ModelInventory("delay", fold_refs(refs).model("delay"), tags, entries), **changes)


def found(held: ModelInventory) -> list[tuple[str, str]]:
    return [(one.id, one.message) for one in log.breaks(held)]


def test_a_log_that_says_of_each_tag_what_it_is_is_whole() -> None:
    assert found(inventory()) == []
    assert list(chain.breaks(inventory(), signing=True)) == []


def test_a_tag_that_was_deleted_is_missed_by_the_log() -> None:
    assert found(inventory(REFS[:1])) == [
        ("audit-tag-missing", "tag delay#prod#1 is in the log of 'delay', but the tag was deleted")
    ]


def test_a_tag_that_was_made_anew_is_not_the_one_of_the_log() -> None:
    moved = REFS[1]._replace(oid="f" * 40)
    assert found(inventory((REFS[0], moved))) == [
        ("audit-tag-moved", "tag delay#prod#1 is object ffffffffff, but the log of 'delay' names 2222222222")
    ]


def test_a_tag_beside_the_log_is_named_unless_another_tool_made_it() -> None:
    assert found(inventory(entries=LOG[:1])) == [
        ("audit-tag-unlogged", "tag delay#prod#1 is not in the log of 'delay'")
    ]
    foreign = plain_tag("delay@v0.9.0", "9" * 40, 0, "9" * 40)
    assert found(inventory((foreign, *REFS))) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "lacks the record of"),
        (b"{}", "has a record that differs from the record of the tag"),
        (b"\xff", "has a record that differs from the record of the tag"),
        (LOG[0].record, "has a record that differs from the record of the tag"),
    ],
)
def test_a_log_with_another_record_than_its_tag_disagrees(content: bytes | None, why: str) -> None:
    assert found(inventory(entries=(LOG[0], entry(1, record=content)))) == [
        ("audit-log-disagrees", f"commit 1111111111 of refs/mlops/log/delay {why} delay#prod#1")
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"parents": ("0" * 40, "3" * 40)}, "has 2 parents, but a commit of a log has at most one"),
        ({"title": "hello"}, "has the title 'hello' but names delay#prod#1"),
        ({"ref": None}, "has the title 'delay#prod#1' but names no tag"),
        (
            {"title": "late#prod#1", "ref": EventRef("late#prod#1", PROD.oid)},
            "names late#prod#1, which is not an event of this model",
        ),
    ],
)
def test_a_commit_that_is_no_entry_is_named(changes: dict[str, Any], why: str) -> None:
    ids = dict(found(inventory(entries=(LOG[0], entry(1, **changes)))))
    assert ids["audit-log-malformed"] == f"commit 1111111111 of refs/mlops/log/delay {why}"


def test_an_event_is_logged_once() -> None:
    assert found(inventory(entries=(*LOG, entry(1, oid="5" * 40)))) == [
        ("audit-log-malformed", "commit 5555555555 of refs/mlops/log/delay repeats the tag delay#prod#1")
    ]


def test_a_log_that_is_gone_or_cut_at_its_beginning_is_named() -> None:
    assert found(inventory(entries=())) == [
        ("audit-log-missing", "'delay' has events, but this clone has no refs/mlops/log/delay")
    ]
    assert found(inventory(is_incomplete=True)) == [
        ("audit-log-malformed", "refs/mlops/log/delay is incomplete: its first event is missing")
    ]


def test_a_model_that_only_other_tools_tagged_needs_no_log() -> None:
    assert found(inventory((plain_tag("delay@v0.9.0", "9" * 40, 0),), ())) == []


def test_each_event_follows_the_one_before_it_in_the_log() -> None:
    loose = tag(assignment(1), PROD.oid, 2)
    (one,) = chain.breaks(inventory((REFS[0], loose)), signing=False)
    assert (one.id, one.message) == (
        "audit-chain-broken",
        "the record of delay#prod#1 names no event as its predecessor, but its predecessor in the log is delay@v1.0.0 (1111111111)",
    )


def test_two_events_that_follow_one_are_a_fork() -> None:
    other = tag(assignment(2, "staging", previous=V1), "3" * 40, 3)
    (one,) = [one for one in chain.breaks(inventory((*REFS, other)), signing=False) if one.id == "audit-chain-forked"]
    assert one.message == "the records of delay#staging#2 and delay#prod#1 both name delay@v1.0.0 as their predecessor"


def test_a_tag_that_is_dated_before_the_one_it_follows_is_named() -> None:
    backdated = tag(RECORDS[1][1], PROD.oid, 1)
    (one,) = chain.breaks(inventory((REFS[0], backdated)), signing=False)
    assert (one.id, one.message) == (
        "audit-date-order",
        "the date of delay#prod#1 is not later than that of delay@v1.0.0, the event before it in the log",
    )


@pytest.mark.parametrize(("date", "signing", "severity"), [(0, False, "note"), (0, True, "error"), (9, False, "error")])
def test_what_another_tool_made_before_us_is_history_and_later_it_is_not_ours(
    date: int, signing: bool, severity: str
) -> None:
    foreign = plain_tag("delay#staging#2", "9" * 40, date, "9" * 40)
    (one,) = chain.breaks(inventory((foreign, *REFS)), signing=signing)
    assert (one.id, one.severity) == ("audit-tag-foreign", severity)
