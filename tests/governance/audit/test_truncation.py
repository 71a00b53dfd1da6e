"""What somebody noted down must still be there: ids of the log, of tags, of their commits and of pinned runs."""

from __future__ import annotations

from typing import cast

import pytest

from mlops_ci.core.errors import UsageProblem
from mlops_ci.governance.audit import truncation
from mlops_ci.governance.audit.inventory import LogEntry, ModelInventory
from mlops_ci.registry.state import fold_refs
from mlops_ci.repository.git import Repository
from tests.support.registry_samples import RELEASE, tag

TAG, COMMIT, LOG, PIN = "1" * 40, "c" * 40, "a" * 40, "b" * 40
HELD = ModelInventory(
    "delay",
    fold_refs([tag(RELEASE, TAG, 1)]).model("delay"),
    {},
    (LogEntry(LOG, (), "delay@v1.0.0", None, None),),
    pins={"1.0.0": PIN},
)


def gone(*seen: str) -> list[str | None]:
    """Which of the ids are missed, in a repository without a branch, which is therefore not asked."""
    return [one.about for one in truncation.breaks(cast("Repository", None), [HELD], [], None, seen)]


@pytest.mark.parametrize("oid", [TAG, COMMIT, LOG, PIN])
def test_whatever_the_registry_is_made_of_is_found_by_its_id_or_the_beginning_of_it(oid: str) -> None:
    assert gone(oid, oid[:7], oid[:20]) == []


def test_an_id_of_nothing_is_missed_once_for_each_time_it_was_noted() -> None:
    assert gone("f" * 40, LOG, "e" * 7) == ["f" * 40, "e" * 7]


@pytest.mark.parametrize("text", ["main", "abcdef", "A" * 40, "1" * 65, "", "1111111\n"])
def test_what_is_no_id_is_a_fault_of_the_command_line(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        gone(text)
    assert caught.value.diagnostics[0].id == "object-id-invalid"
