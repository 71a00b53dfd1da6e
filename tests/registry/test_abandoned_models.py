"""Models that were rolled back from: abandoned, until somebody gives a reason to use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.registry.state import ModelState, fold_refs
from mlops_ci.repository.refs import Ref
from tests.support.registry_samples import RELEASE, assignment, tag


def chained(*records: Release | Assignment) -> ModelState:
    """Fold records that happened one after the other, each on a commit of its release's."""
    refs: list[Ref] = []
    previous = None
    for place, record in enumerate(records, 1):
        commit = f"{record.version.replace('.', '')}{'0' * 40}"[:40]
        made = replace(record, previous=previous)
        made = replace(made, commit=commit) if isinstance(made, Release) else made
        ref = tag(made, f"{place:040x}", place, commit)
        previous = EventRef(ref.name.removeprefix("refs/tags/"), ref.oid)
        refs.append(ref)
    return fold_refs(refs).model("delay")


V1 = replace(RELEASE, version="1.0.0", model_digest="a" * 64)
V2 = replace(RELEASE, version="2.0.0", model_digest="b" * 64)
TWIN = replace(RELEASE, version="3.0.0", model_digest="b" * 64)  # the model of V2, released once more
OF_V1: dict[str, Any] = {"version": "1.0.0", "model_digest": "a" * 64}
OF_V2: dict[str, Any] = {"version": "2.0.0", "model_digest": "b" * 64}
ROLLED_BACK = (
    V1,
    V2,
    assignment(1, **OF_V1),
    assignment(2, **OF_V2),
    assignment(3, **OF_V1, rollback_of="2.0.0"),
)


def test_a_model_that_was_rolled_back_from_is_abandoned_by_that_rollback() -> None:
    assert {digest: event.name for digest, event in chained(*ROLLED_BACK).rolled_back_models.items()} == {
        "b" * 64: "delay#prod#3"
    }


def test_it_is_abandoned_also_where_its_release_is_gone() -> None:
    assert set(chained(V1, *ROLLED_BACK[2:]).rolled_back_models) == {"b" * 64}


OVERRIDDEN: dict[str, Any] = {"reason": "why", "overrides": EventRef("delay#prod#3", "5" * 40)}


@pytest.mark.parametrize(
    ("then", "abandoned"),
    [
        (TWIN, {"b"}),
        (assignment(4, "staging", **OF_V2), {"b"}),
        (replace(TWIN, **OVERRIDDEN), set()),
        (assignment(4, "staging", **OF_V2, **OVERRIDDEN), set()),
        (assignment(4, "staging", **OF_V1, **OVERRIDDEN), {"b"}),
        (assignment(4, **OF_V2, rollback_of="1.0.0"), {"a"}),
        (assignment(4, **OF_V1, rollback_of="1.0.0"), {"b"}),
    ],
    ids=["released", "deployed", "forced-release", "forced-deploy", "another-forced", "rolled-back-to", "to-itself"],
)
def test_only_a_stated_reason_brings_an_abandoned_model_back(then: Release | Assignment, abandoned: set[str]) -> None:
    assert {digest[0] for digest in chained(*ROLLED_BACK, then).rolled_back_models} == abandoned


@given(st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["deploy", "rollback", "forced"])), max_size=8))
def test_what_runs_by_rollback_or_force_is_never_abandoned_and_the_rest_stays(steps: list[tuple[str, str]]) -> None:
    """The model says the same as the fold: leaving a version by a rollback abandons it, coming back for a reason ends that."""
    digests = {"1": "a" * 64, "2": "b" * 64, "3": "b" * 64}
    events: list[Release | Assignment] = [V1, V2, TWIN]
    wanted: set[str] = set()
    running: str | None = None
    for number, (version, how) in enumerate(steps, 1):
        back = f"{running}.0.0" if how == "rollback" and running else None
        changes: dict[str, Any] = {
            "version": f"{version}.0.0",
            "model_digest": digests[version],
            "rollback_of": back,
            **(OVERRIDDEN if how == "forced" else {}),
        }
        events.append(assignment(number, **changes))
        if back is not None and running is not None:
            wanted.add(digests[running])
        if back is not None or how == "forced":
            wanted.discard(digests[version])
        running = version
    assert set(chained(*events).rolled_back_models) == wanted
