"""What the next event is called and what it follows, whatever somebody has pushed before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.base import EventRef
from mlops_ci.registry.next_event import find_predecessor, next_event_number, next_release_version
from mlops_ci.registry.state import ModelState, fold_refs
from mlops_ci.repository.refs import Ref
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag

RELEASED = tag(replace(RELEASE, commit="a" * 40), "1" * 40, 100, "a" * 40)
DEPLOYED = tag(assignment(1, previous=EventRef("delay@v1.0.0", "1" * 40)), "2" * 40, 200, "a" * 40)


def lightweight(name: str) -> Ref:
    return Ref(f"refs/tags/{name}", "c" * 40, "commit", "", "", 0, "a commit\n")


def log(newest: str) -> Ref:
    return Ref("refs/mlops/log/delay", "f" * 40, "commit", "", "", 0, f"{newest}\n")


def state_of(*refs: Ref, unverified: str = "") -> ModelState:
    found = fold_refs([RELEASED, DEPLOYED, *refs]).model("delay")
    return found.without(frozenset({unverified}) if unverified else frozenset())


def test_a_second_release_on_a_commit_takes_nothing_from_the_first_ones_assignments() -> None:
    state = state_of(plain_tag("delay@v9.0.0", "3" * 40, 300, "a" * 40), unverified="3" * 40)
    assert state.current_assignments["prod"].version == "1.0.0"
    assert state.current_assignments["prod"].record is not None


def test_without_a_record_an_assignment_is_of_the_last_release_on_its_commit() -> None:
    refs = [
        plain_tag("m@v1.0.0", "1" * 40, 10),
        plain_tag("m@v1.1.0", "2" * 40, 20),
        plain_tag("m#prod#1", "3" * 40, 30),
    ]
    assert fold_refs(refs).model("m").current_assignments["prod"].version == "1.1.0"


def test_a_tag_that_is_no_event_cannot_hold_up_the_next_one_by_its_number() -> None:
    assert next_event_number(state_of(lightweight("delay#prod#2"), lightweight("delay#staging#3"))) == 4
    assert next_event_number(state_of(lightweight("delay#prod#7"))) == 2


def test_nor_can_an_event_that_does_not_verify() -> None:
    forged = plain_tag("delay#prod#3", "3" * 40, 300)
    honest = tag(assignment(2, previous=EventRef("delay#prod#1", "2" * 40)), "4" * 40, 400, "a" * 40)
    assert next_event_number(state_of(forged, unverified="3" * 40)) == 2
    assert next_event_number(state_of(forged, honest, unverified="3" * 40)) == 4


def test_a_version_of_a_forged_release_is_left_out_and_one_of_a_lightweight_tag_is_named() -> None:
    forged = plain_tag("delay@v1.1.0", "3" * 40, 300)
    ahead = plain_tag("delay@v1.2.0", "3" * 40, 300)
    assert next_release_version(state_of(forged, unverified="3" * 40), "minor") == "1.2.0"
    assert next_release_version(state_of(ahead, unverified="3" * 40), "minor") == "1.1.0"
    with pytest.raises(Findings) as caught:
        next_release_version(state_of(lightweight("delay@v1.1.0")), "minor")
    (told,) = caught.value.diagnostics
    assert told.id == "tag-name-taken"
    assert "git push origin ':refs/tags/delay@v1.1.0'" in (told.help or "")


def test_the_next_event_follows_the_log_and_not_what_somebody_wrote_beside_it() -> None:
    forged = plain_tag("delay#prod#2", "3" * 40, 300)
    half = tag(assignment(2, previous=EventRef("delay#prod#1", "2" * 40)), "4" * 40, 400, "a" * 40)
    assert find_predecessor(state_of(forged, log("delay#prod#1"), unverified="3" * 40)) == EventRef(
        "delay#prod#1", "2" * 40
    )
    assert find_predecessor(state_of(half, log("delay#prod#1"))) == EventRef("delay#prod#2", "4" * 40)
    assert find_predecessor(state_of()) == EventRef("delay#prod#1", "2" * 40)
    assert find_predecessor(ModelState("delay")) is None


def test_nothing_follows_an_event_that_the_log_names_and_nobody_has() -> None:
    state_of(log("delay#prod#1")).require_newest_known()
    with pytest.raises(EnvironmentProblem) as caught:
        state_of(log("delay#prod#2")).champion("prod")
    (told,) = caught.value.diagnostics
    assert told.id == "newest-event-missing"
    assert "ends with 'delay#prod#2'" in told.message
