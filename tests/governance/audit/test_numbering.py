"""Versions go up by one step, numbers have no gaps, and an assignment is of the release that it names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.records.base import EventRef, FileDigest
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.governance.audit.inventory import LogEntry, ModelInventory
from mlops_ci.governance.audit.numbering import breaks
from mlops_ci.registry.events import next_version
from mlops_ci.registry.state import fold_refs
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag

Records = tuple[Release | Assignment, ...]


def oid(number: int) -> str:
    return f"{number:040x}"


def inventory(*records: Release | Assignment, log: tuple[str, ...] = ()) -> ModelInventory:
    """Given a model's events in that order, the n-th of them with the object id n and a date of its own."""
    refs = [tag(one, oid(at), at, getattr(one, "commit", "c" * 40)) for at, one in enumerate(records, 1)]
    entries = tuple(LogEntry(oid(900 + at), (), name, None, None) for at, name in enumerate(log))
    return ModelInventory("delay", fold_refs(refs).model("delay"), {}, entries)


def release(version: str, commit: int = 1) -> Release:
    return replace(RELEASE, version=version, commit=oid(commit))


def of(number: int, version: str, at: int, environment: str = "prod") -> Assignment:
    """The assignment of a version whose release is the event number `at`."""
    return assignment(number, environment, version, release=EventRef(f"delay@v{version}", oid(at)))


def found(held: ModelInventory) -> list[tuple[str, str]]:
    return [(one.id, one.message) for one in breaks(held)]


def test_what_the_toolkit_writes_is_whole() -> None:
    held = inventory(release("1.0.0", 1), of(1, "1.0.0", 1), release("1.1.0", 2), of(2, "1.1.0", 3), of(3, "1.0.0", 1))
    assert found(held) == []


@given(st.lists(st.sampled_from(["major", "minor", "patch"]), min_size=1, max_size=8))
def test_any_way_up_by_single_steps_is_whole(steps: list[str]) -> None:
    versions: list[str] = []
    for step in steps:
        versions.append(next_version(versions[-1] if versions else None, step))  # type: ignore[arg-type]  # one of the three
    assert found(inventory(*(release(version, at) for at, version in enumerate(versions)))) == []


HIGHEST = "is out of sequence: the highest version before it was"


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("2.0.0",), "delay@v2.0.0 is out of sequence: no version came before it, so 1.0.0 was expected"),
        (("1.0.0", "1.2.0"), f"delay@v1.2.0 {HIGHEST} v1.0.0, so 2.0.0 or 1.1.0 or 1.0.1 was expected"),
        (
            ("1.0.0", "1.1.0", "1.0.1"),
            f"delay@v1.0.1 {HIGHEST} v1.1.0, so 2.0.0 or 1.2.0 or 1.1.1 was expected",
        ),
    ],
)
def test_a_version_that_is_no_step_above_the_highest_is_named(versions: tuple[str, ...], said: str) -> None:
    held = inventory(*(release(version, at) for at, version in enumerate(versions)))
    assert found(held) == [("audit-version-step", said)]


def test_versions_of_other_tools_may_jump_and_are_counted_from() -> None:
    refs = [plain_tag("delay@v3.0.0", oid(1), 1, oid(8)), tag(release("3.0.1", 9), oid(2), 2, oid(9))]
    assert found(ModelInventory("delay", fold_refs(refs).model("delay"), {})) == []


def test_a_gap_and_a_repeated_number_are_named_once_each() -> None:
    gap = inventory(release("1.0.0"), of(1, "1.0.0", 1), of(3, "1.0.0", 1))
    assert found(gap) == [("audit-number-skipped", "delay#prod#3 has number 3, but number 2 was expected")]
    twice = inventory(release("1.0.0"), of(1, "1.0.0", 1), of(1, "1.0.0", 1, environment="staging"))
    assert found(twice) == [("audit-number-repeated", "delay#staging#1 has the same number as delay#prod#1")]


def test_a_tag_that_is_gone_leaves_no_gap_where_the_log_knows_it() -> None:
    """Given that number 2 was deleted, then it is for the chain of the log to say so, and 3 still follows 2."""
    records = (release("1.0.0"), of(1, "1.0.0", 1), of(3, "1.0.0", 1))
    log = ("delay@v1.0.0", "delay#prod#1", "delay#staging#2", "delay#prod#3")
    assert found(inventory(*records, log=log)) == []


def test_two_versions_on_one_commit_are_named() -> None:
    held = inventory(release("1.0.0", 1), release("1.0.1", 1))
    (one,) = found(held)
    assert one[0] == "audit-commit-shared"
    assert one[1].startswith("delay@v1.0.1 is on the same commit as delay@v1.0.0")


OTHER = (FileDigest("model.skops", "f" * 64, 3),)
DIFFERS = "delay#prod#1 and its release delay@v1.0.0 differ in "


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_files": OTHER}, f"{DIFFERS}model files"),
        ({"model_digest": "f" * 64}, f"{DIFFERS}model digest"),
        ({"run_key": "f" * 32}, f"{DIFFERS}run key"),
        ({"train_digest": "f" * 64}, f"{DIFFERS}train digest"),
        ({"train_digest": "f" * 64, "run_key": "f" * 32}, f"{DIFFERS}run key, train digest"),
        (
            {"release": EventRef("delay@v1.0.0", "f" * 40)},
            "delay#prod#1 names the release delay@v1.0.0 (ffffffffff), which does not exist here",
        ),
    ],
)
def test_an_assignment_that_is_not_of_its_release_is_named(changes: dict[str, object], said: str) -> None:
    held = inventory(release("1.0.0"), replace(of(1, "1.0.0", 1), **changes))  # type: ignore[arg-type]  # a test's own names and values
    assert found(held) == [("audit-assignment-differs", said)]


def test_an_assignment_before_its_release_is_named() -> None:
    held = inventory(of(1, "1.0.0", 2), release("1.0.0"))
    assert found(held) == [
        ("audit-assignment-differs", "delay#prod#1 names the release delay@v1.0.0, which is newer than this event")
    ]
