"""The state of a registry, folded from its tags and logs alone, whatever they are and in whatever order they come."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.base import EventRef
from mlops_ci.registry.events import next_version, version_key
from mlops_ci.registry.next_event import find_highest_version, next_event_number
from mlops_ci.registry.state import ModelState, RegistryState, fold_refs, read_registry
from mlops_ci.repository.git import Repository
from mlops_ci.repository.refs import Ref
from tests.support.git_calls import git_in
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag


def chain() -> list[Ref]:
    """Given v1 released and in prod, then v2, then v1 again by a rollback; clocks that run backwards."""
    v1 = replace(RELEASE, commit="a" * 40)
    v2 = replace(RELEASE, version="2.0.0", commit="b" * 40, previous=EventRef("delay#prod#1", "2" * 40))
    return [
        tag(v1, "1" * 40, 500, "a" * 40),
        tag(assignment(1, previous=EventRef("delay@v1.0.0", "1" * 40)), "2" * 40, 400, "a" * 40),
        tag(v2, "3" * 40, 300, "b" * 40),
        tag(assignment(2, version="2.0.0", previous=EventRef("delay@v2.0.0", "3" * 40)), "4" * 40, 200, "b" * 40),
        tag(assignment(3, rollback_of="2.0.0", previous=EventRef("delay#prod#2", "4" * 40)), "5" * 40, 100, "a" * 40),
    ]


def test_order_is_the_chains_and_never_the_clocks() -> None:
    state = fold_refs(chain()).model("delay")
    assert [event.ref.name for event in state.events] == [
        "delay@v1.0.0",
        "delay#prod#1",
        "delay@v2.0.0",
        "delay#prod#2",
        "delay#prod#3",
    ]
    assert state.current_assignments["prod"].version == "1.0.0"
    assert state.latest_release is not None
    assert state.latest_release.version == "2.0.0"
    assert next_event_number(state) == 4
    assert state.events[-1].is_rollback


@given(st.permutations(chain()))
def test_the_fold_does_not_depend_on_the_order_of_the_listing(refs: list[Ref]) -> None:
    assert [vars(state) for state in fold_refs(refs).models.values()] == [
        vars(state) for state in fold_refs(chain()).models.values()
    ]


def test_the_champion_is_what_runs_in_its_environment_else_the_newest_release() -> None:
    state = fold_refs(chain()).model("delay")
    assert (state.champion("prod") or state.events[0]).version == "1.0.0"
    assert (state.champion("staging") or state.events[0]).version == "2.0.0"
    assert fold_refs([]).model("delay").champion("prod") is None


def test_tags_of_another_tool_are_read_by_date_and_number() -> None:
    refs = [
        plain_tag("churn@v0.1.0", "1" * 40, 10, "a" * 40),
        plain_tag("churn#prod#1", "2" * 40, 20, "a" * 40),
        plain_tag("churn@v0.2.0", "3" * 40, 30, "b" * 40),
        plain_tag("churn#prod#2", "4" * 40, 40, "b" * 40),
    ]
    state = fold_refs(refs).model("churn")
    assert state.current_assignments["prod"].version == "0.2.0"
    assert list(state.releases) == ["0.1.0", "0.2.0"]


@pytest.mark.parametrize(
    "name",
    ["v1.0.0", "delay@1.0.0", "delay@v1.0", "delay@v01.0.0", "#prod#1", "delay@v1.0.0-01", "-x@v1.0.0", "a b@v1.0.0"],
)
def test_tags_outside_the_grammar_are_not_ours(name: str) -> None:
    assert fold_refs([plain_tag(name, "1" * 40, 1)]).models == {}


def test_a_lightweight_tag_is_not_an_event() -> None:
    assert fold_refs([Ref("refs/tags/delay@v1.0.0", "c" * 40, "commit", None, "", 0, "")]).models == {}


def test_an_assignment_of_a_commit_without_a_version_names_the_commit_and_no_champion() -> None:
    state = fold_refs([plain_tag("churn#prod#1", "2" * 40, 20, "a" * 40)]).model("churn")
    assert (state.current_assignments["prod"].version, state.releases) == ("a" * 40, {})
    with pytest.raises(Findings, match="no tag churn@v"):
        state.champion("prod")


@pytest.mark.parametrize("taken_back", ["churn#prod!#3", "churn@v2.0.0!"])
def test_what_is_taken_back_uncovers_the_assignment_before_it(taken_back: str) -> None:
    refs = [
        plain_tag("churn@v1.0.0", "1" * 40, 10, "a" * 40),
        plain_tag("churn#prod#1", "2" * 40, 20, "a" * 40),
        plain_tag("churn@v2.0.0", "3" * 40, 30, "b" * 40),
        plain_tag("churn#prod#2", "4" * 40, 40, "b" * 40),
        plain_tag(taken_back, "5" * 40, 50, "b" * 40),
    ]
    assert fold_refs(refs).model("churn").current_assignments["prod"].version == "1.0.0"


def test_the_highest_version_is_the_latest_by_the_precedence_of_semver() -> None:
    ordered = [
        "0.9.0",
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-beta",
        "1.0.0",
        "1.0.1",
    ]
    assert sorted(set(ordered), key=version_key) == ordered
    state = fold_refs([plain_tag(f"churn@v{version}", "1" * 40, 9 - place) for place, version in enumerate(ordered)])
    assert state.model("churn").latest_release is not None
    assert next(reversed(state.model("churn").releases)) == "0.9.0"
    assert getattr(state.model("churn").latest_release, "version", None) == "1.0.1"


def test_the_log_head_is_part_of_the_state() -> None:
    log = Ref("refs/mlops/log/delay", "9" * 40, "commit", None, "", 0, "")
    assert fold_refs([*chain(), log]).model("delay").log == "9" * 40


@given(st.text(alphabet="ab@#v.0123!-/", max_size=20))
def test_any_tag_name_is_read_without_a_crash(name: str) -> None:
    fold_refs([plain_tag(name, "1" * 40, 1)])


@pytest.mark.parametrize(
    ("latest", "bump", "wanted"),
    [
        (None, "patch", "1.0.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("0.1.0-rc.1", "patch", "0.1.1"),
    ],
)
def test_versions_follow_semver(latest: str | None, bump: str, wanted: str) -> None:
    assert next_version(latest, bump) == wanted  # type: ignore[arg-type]  # the table's own three words


def test_gtos_whole_grammar_is_read() -> None:
    refs = [
        plain_tag("churn@v1.0.0", "1" * 40, 10, "a" * 40),
        plain_tag("churn#prod#1", "2" * 40, 20, "a" * 40),
        plain_tag("churn@v2.0.0", "3" * 40, 30, "b" * 40),
        plain_tag("churn#prod!#2", "4" * 40, 40, "a" * 40),
        plain_tag("churn@v2.0.0!", "5" * 40, 50, "b" * 40),
        plain_tag("churn@deprecated#3", "6" * 40, 60, "b" * 40),
    ]
    state = fold_refs(refs).model("churn")
    assert state.current_assignments == {}
    assert list(state.releases) == ["1.0.0"]
    assert (find_highest_version(state), next_event_number(state)) == ("2.0.0", 4)


def test_versions_are_counted_from_the_highest_not_from_the_last() -> None:
    refs = [plain_tag("m@v2.0.0", "1" * 40, 10, "a" * 40), plain_tag("m@v1.0.1", "2" * 40, 20, "b" * 40)]
    assert find_highest_version(fold_refs(refs).model("m")) == "2.0.0"


def test_an_assignment_whose_release_is_gone_is_not_the_state_before_the_first_one() -> None:
    refs = [ref for ref in chain() if ref.name != "refs/tags/delay@v1.0.0"]
    with pytest.raises(Findings) as caught:
        fold_refs(refs).model("delay").champion("prod")
    assert caught.value.diagnostics[0].id == "champion-missing"


def test_a_record_under_another_name_is_none() -> None:
    other = tag(RELEASE, "1" * 40, 1)._replace(name="refs/tags/evil@v1.0.0")
    (event,) = fold_refs([other]).model("evil").events
    assert event.record is None


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/../b", "a\\b", "", "a\nb"])
def test_a_record_whose_paths_lead_elsewhere_is_none(path: str) -> None:
    good = tag(RELEASE, "1" * 40, 1)
    bad = good._replace(contents=good.contents.replace("delay/signature.json", json.dumps(f"delay/{path}")[1:-1]))
    (event,) = fold_refs([bad]).model("delay").events
    assert event.record is None


def test_a_number_that_no_float_holds_is_no_record_and_no_crash() -> None:
    good = tag(RELEASE, "1" * 40, 1)
    bad = good._replace(contents=good.contents.replace('"value":0.76', f'"value":{"9" * 400}'))
    (event,) = fold_refs([bad]).model("delay").events
    assert event.record is None


def test_a_clone_that_lacks_events_says_so() -> None:
    log = Ref("refs/mlops/log/delay", "9" * 40, "commit", None, "", 0, "delay#prod#3\n")
    whole = [*chain(), log]
    assert fold_refs(whole).gap_warnings == ()
    (warning,) = fold_refs([ref for ref in whole if ref.name != "refs/tags/delay@v2.0.0"]).gap_warnings
    assert (warning.id, warning.severity) == ("registry-incomplete", "warning")


def test_a_log_whose_newest_tag_is_not_here_is_a_gap() -> None:
    log = Ref("refs/mlops/log/delay", "9" * 40, "commit", None, "", 0, "delay#prod#4\n")
    assert fold_refs([*chain(), log]).model("delay").gaps == ("delay#prod#4",)


def test_an_environment_stands_as_long_as_one_assignment_has_not_been_taken_back() -> None:
    refs = [
        plain_tag("churn@v1.0.0", "1" * 40, 10, "a" * 40),
        plain_tag("churn@v2.0.0", "2" * 40, 20, "b" * 40),
        plain_tag("churn#prod#1", "3" * 40, 30, "a" * 40),
        plain_tag("churn#prod#2", "4" * 40, 40, "b" * 40),
        plain_tag("churn#edge#3", "5" * 40, 50, "b" * 40),
        plain_tag("churn#prod#4", "6" * 40, 60, "a" * 40),
        plain_tag("churn#prod!#5", "7" * 40, 70, "a" * 40),
        plain_tag("churn@v2.0.0!", "8" * 40, 80, "b" * 40),
    ]
    standing = [
        [event.name for event in fold_refs(refs[:count]).model("churn").active_assignments("prod")]
        for count in (5, 6, 7, 8)
    ]
    assert standing == [["churn#prod#2", "churn#prod#1"], ["churn#prod#4", "churn#prod#2"], ["churn#prod#2"], []]


def test_a_model_is_deprecated_until_something_happens_to_it() -> None:
    refs = [
        plain_tag("churn@v1.0.0", "1" * 40, 10, "a" * 40),
        plain_tag("churn@deprecated#1", "2" * 40, 20, "a" * 40),
        plain_tag("churn@v2.0.0", "3" * 40, 30, "b" * 40),
    ]
    assert [fold_refs(refs[:count]).model("churn").is_deprecated for count in (0, 1, 2, 3)] == [
        False,
        False,
        True,
        False,
    ]


def test_an_environments_assignments_are_its_own_oldest_first() -> None:
    refs = [
        plain_tag("churn#prod#1", "1" * 40, 10, "a" * 40),
        plain_tag("churn#edge#2", "2" * 40, 20, "a" * 40),
        plain_tag("churn#prod!#3", "3" * 40, 30, "a" * 40),
        plain_tag("churn#prod#4", "4" * 40, 40, "b" * 40),
    ]
    state = fold_refs(refs).model("churn")
    assert [event.name for event in state.assignments("prod")] == ["churn#prod#1", "churn#prod#4"]
    assert state.assignments("unknown") == ()


def test_a_model_that_must_be_there_is_asked_for_by_its_name() -> None:
    registry = fold_refs(chain())
    assert registry.require_model("delay") is registry.models["delay"]
    with pytest.raises(UsageProblem, match="the registry has no events of the model 'delya'") as caught:
        registry.require_model("delya")
    (problem,) = caught.value.diagnostics
    assert (problem.id, "delay" in (problem.help or "")) == ("model-unknown", True)
    with pytest.raises(UsageProblem) as caught:
        fold_refs([]).require_model("delay")
    assert caught.value.diagnostics[0].help == "record the first event: mlops-ci release"


def test_the_registry_of_a_clone_is_that_of_its_tags_and_logs_and_there_is_none_outside_of_one(
    repo: Repository,
) -> None:
    assert read_registry(None, None) == RegistryState({})
    run = git_in(repo.root)
    run("tag", "-m", "first", "churn@v1.0.0")
    run("tag", "-m", "not ours", "nightly")
    log = run("commit-tree", "-m", "churn@v1.0.0", "HEAD^{tree}").strip()
    run("update-ref", "refs/mlops/log/churn", log)
    registry = read_registry(repo, None)
    assert list(registry.models) == ["churn"]
    state = registry.models["churn"]
    assert ([event.name for event in state.events], state.log, state.gaps) == (["churn@v1.0.0"], log, ())


def test_events_without_a_log_may_not_be_all_where_a_record_is_among_them() -> None:
    (warning,) = fold_refs(chain()).gap_warnings
    assert "delay (its log)" in warning.message
    assert fold_refs([plain_tag("churn@v1.0.0", "1" * 40, 10)]).gap_warnings == ()
    assert not fold_refs([]).model("delay").is_log_missing


def test_how_many_events_are_missing_is_told_of_each_model() -> None:
    whole = chain()
    log = Ref("refs/mlops/log/delay", "9" * 40, "commit", None, "", 0, "delay#prod#9\n")
    lacking = [ref for ref in whole if ref.name != "refs/tags/delay@v2.0.0"]
    registry = fold_refs([*lacking, log])
    assert registry.model("delay").gaps == ("3" * 40, "delay#prod#9")
    assert "delay (2)" in registry.gap_warnings[0].message


def test_an_event_on_a_commit_without_a_release_has_its_records_version() -> None:
    (event,) = fold_refs([chain()[3]]).model("delay").events
    assert (event.name, event.version) == ("delay#prod#2", "2.0.0")
    (deprecation,) = fold_refs([plain_tag("churn@deprecated#1", "1" * 40, 1)]).model("churn").events
    assert deprecation.version == ""


def test_an_empty_state_has_no_past() -> None:
    state = ModelState("churn")
    assert (state.last_event, state.latest_event_date, next_event_number(state)) == (None, 0, 1)
    assert (find_highest_version(state), state.latest_release, state.is_deprecated) == (None, None, False)
    state = fold_refs(chain()).model("delay")
    assert (state.last_event, state.latest_event_date) == (state.events[-1], 500)


def test_a_fork_and_events_of_the_same_second_keep_their_dates_and_kinds_place() -> None:
    """Given two events that follow the same one, then the earlier comes first, and with it all that follows it."""
    first = EventRef("delay@v1.0.0", "1" * 40)
    fork = [
        tag(RELEASE, "1" * 40, 1),
        tag(assignment(2, previous=first), "3" * 40, 3),
        tag(assignment(1, previous=first), "2" * 40, 2),
        tag(assignment(3, previous=EventRef("delay#prod#1", "2" * 40)), "4" * 40, 9),
    ]
    numbers = [event.number for event in fold_refs(fork).model("delay").events]
    assert numbers == [0, 1, 3, 2]
    at_once = [
        plain_tag("m#prod#2", "1" * 40, 5),
        plain_tag("m#prod#1", "2" * 40, 5),
        plain_tag("m@v1.0.0", "3" * 40, 5),
    ]
    assert [event.name for event in fold_refs(at_once).model("m").events] == ["m@v1.0.0", "m#prod#1", "m#prod#2"]
