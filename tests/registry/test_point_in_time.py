"""The registry as it was at a time, an event or a commit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.base import EventRef
from mlops_ci.registry.point_in_time import state_at
from mlops_ci.registry.state import RegistryState, fold_refs
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, Person, RefUpdate
from tests.registry.test_state import chain
from tests.support.registry_samples import RELEASE, assignment, tag

NOON = 1_793_534_400  # 2026-11-01T12:00:00Z
HOUR = 3_600


def registry() -> RegistryState:
    """Given v1 at noon, in prod at one o'clock, v2 at two; and another model, released at half past one."""
    v2 = replace(RELEASE, version="2.0.0", commit="b" * 40, previous=EventRef("delay#prod#1", "2" * 40))
    return fold_refs(
        [
            tag(RELEASE, "1" * 40, NOON),
            tag(assignment(1, previous=EventRef("delay@v1.0.0", "1" * 40)), "2" * 40, NOON + HOUR),
            tag(v2, "3" * 40, NOON + 2 * HOUR, "b" * 40),
            tag(replace(RELEASE, model="fare", commit="d" * 40), "4" * 40, NOON + HOUR + HOUR // 2, "d" * 40),
        ]
    )


def names(state: RegistryState) -> dict[str, list[str]]:
    return {name: [event.name for event in model.events] for name, model in state.models.items()}


@pytest.mark.parametrize(
    ("at", "delay", "fare"),
    [
        ("2026-11-01T12:00:00Z", 1, 0),
        ("2026-11-01T12:59:59", 1, 0),
        ("2026-11-01T13:00", 2, 0),
        ("2026-11-01 14:30+01:00", 2, 1),
        ("2026-11-01", 3, 1),
        ("2026-10-31", 0, 0),
        ("2026-11-01T11:59:59.999", 0, 0),
    ],
)
def test_a_time_takes_each_models_events_up_to_then(at: str, delay: int, fare: int) -> None:
    state, _ = state_at(None, registry(), at)
    assert (len(state.model("delay").events), len(state.model("fare").events)) == (delay, fare)
    assert ("delay" in state.models) == bool(delay)


def test_a_date_is_its_days_end_and_the_answer_says_so() -> None:
    assert state_at(None, registry(), "2026-11-01")[1] == "2026-11-01T23:59:59+00:00"


def test_a_prefix_ends_at_the_first_event_that_is_later() -> None:
    """Given clocks that run backwards along the log, then nothing behind a later event is taken for earlier."""
    state = fold_refs(chain())
    assert names(state.rewind_to(400)) == {}
    assert names(state.rewind_to(500)) == names(state)


def test_an_event_takes_its_model_exactly_up_to_it_and_the_others_up_to_its_time() -> None:
    state, when = state_at(None, registry(), "delay#prod#1")
    assert names(state) == {"delay": ["delay@v1.0.0", "delay#prod#1"]}
    assert when == "2026-11-01T13:00:00+00:00"
    assert names(state_at(None, registry(), "delay@v2.0.0")[0])["fare"] == ["fare@v1.0.0"]


def test_an_event_is_taken_whatever_the_clocks_say() -> None:
    state, _ = state_at(None, fold_refs(chain()), "delay#prod#3")
    assert len(state.model("delay").events) == 5


def commit(repo: Repository, message: str, seconds: int, *parents: str) -> str:
    return repo.write_commit(repo.write_tree({}), parents, message, Person("Ada", "ada@example.org"), seconds)


def test_a_commit_of_a_log_is_the_event_that_it_stands_for(repo: Repository) -> None:
    first = commit(repo, "delay@v1.0.0", 1)
    second = commit(repo, "delay#prod#1", 2, first)
    assert repo.update_refs([RefUpdate("refs/mlops/log/delay", second, ZERO_OID)])
    assert names(state_at(repo, registry(), first)[0]) == {"delay": ["delay@v1.0.0"]}
    assert names(state_at(repo, registry(), second[:10])[0])["delay"] == ["delay@v1.0.0", "delay#prod#1"]


def test_a_commit_of_a_log_whose_tag_is_not_here_is_no_guess(repo: Repository) -> None:
    entry = commit(repo, "delay@v7.0.0", 1)
    assert repo.update_refs([RefUpdate("refs/mlops/log/delay", entry, ZERO_OID)])
    with pytest.raises(UsageProblem) as caught:
        state_at(repo, registry(), entry)
    assert "delay@v7.0.0" in caught.value.diagnostics[0].message


def test_any_other_commit_stands_for_its_committers_time(repo: Repository) -> None:
    other = commit(repo, "delay@v1.0.0\n\ncommitter Eve <e@x> 1 +0000", NOON + HOUR)
    assert repo.update_refs([RefUpdate("refs/heads/other", other, ZERO_OID)])
    state, when = state_at(repo, registry(), "other")
    assert names(state) == {"delay": ["delay@v1.0.0", "delay#prod#1"]}
    assert when == "2026-11-01T13:00:00+00:00"


@pytest.mark.parametrize("at", ["yesterday", "", "--all", "2026-13-01", "0" * 40, "HEAD:README", "refs/heads/*"])
def test_what_is_neither_is_said_to_be_neither(repo: Repository, at: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        state_at(repo, registry(), at)
    assert caught.value.diagnostics[0].id == "at-unknown"


@given(st.one_of(st.text(max_size=30), st.datetimes(timezones=st.timezones()).map(str), st.dates().map(str)))
def test_any_text_is_a_time_or_a_usage_problem(at: str) -> None:
    try:
        _, when = state_at(None, registry(), at)
    except UsageProblem:
        return
    assert when.endswith("+00:00")


def test_the_past_knows_of_the_gaps_of_the_present() -> None:
    lacking = fold_refs([ref for ref in chain() if ref.name != "refs/tags/delay#prod#2"])
    assert lacking.rewind_to(10_000).model("delay").gaps == ("4" * 40,)
