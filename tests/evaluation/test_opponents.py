"""Which older versions a candidate is tested against, as the registry has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.evaluation.base_branch_rules import GateRules, RowDependence
from mlops_ci.evaluation.candidates.opponents import Opponents, find_anchor, find_champion, find_opponents
from mlops_ci.registry.events import Event
from mlops_ci.spec.spec_types import EvaluateSpec, GateSpec, Requirement, SplitSpec
from tests.evaluation.conftest import assigned_event, model_state, release_event
from tests.support.registry_samples import RELEASE

FIRST, PATCH, SECOND = (release_event(version, None) for version in ("1.0.0", "1.0.1", "1.1.0"))


def released(version: str, occasion: Literal["changed", "retrained"]) -> Event:
    return release_event(version, replace(RELEASE, occasion=occasion))


def test_the_champion_is_what_the_environment_runs() -> None:
    state = model_state(FIRST, SECOND, assigned_event("1.0.0", "prod", 1))
    assert find_champion(state, "prod") == FIRST


def test_where_nothing_runs_the_newest_release_is_the_champion() -> None:
    assert find_champion(model_state(FIRST, SECOND), "prod") == SECOND


def test_before_the_first_release_there_is_no_champion() -> None:
    assert find_champion(model_state(), "prod") is None


def test_without_an_answer_of_the_remote_no_release_is_not_no_champion() -> None:
    with pytest.raises(EnvironmentProblem, match="it is unknown whether a champion exists") as caught:
        find_champion(model_state(), "prod", offline=True)
    assert caught.value.diagnostics[0].id == "champion-unknown"
    assert find_champion(model_state(FIRST), "prod", offline=True) == FIRST


def test_an_environment_that_runs_a_version_without_a_tag_is_an_error() -> None:
    with pytest.raises(Findings) as caught:
        find_champion(model_state(SECOND, assigned_event("1.0.0", "prod", 1)), "prod")
    assert caught.value.diagnostics[0].id == "champion-missing"


def test_the_anchor_is_the_newest_release_that_was_no_retrain() -> None:
    """Given three versions of which the last two were retrained, then small losses are measured from the first."""
    first, second, third = (
        released("1.0.0", "changed"),
        released("1.1.0", "retrained"),
        released("1.2.0", "retrained"),
    )
    assert find_anchor(model_state(first, second, third), third, GateSpec()) == first


def test_without_a_record_a_patch_is_taken_for_a_retrain() -> None:
    assert find_anchor(model_state(FIRST, PATCH), PATCH, GateSpec()) == FIRST
    assert find_anchor(model_state(FIRST, PATCH, SECOND), SECOND, GateSpec()) == SECOND


def test_versions_after_the_champion_are_no_anchor() -> None:
    """Given a champion that is not the newest release, when the anchor is looked for, then newer ones do not count."""
    assert find_anchor(model_state(FIRST, PATCH, SECOND), PATCH, GateSpec()) == FIRST


def test_where_all_were_retrains_the_oldest_is_the_anchor() -> None:
    first, second = released("1.0.1", "retrained"), released("1.0.2", "retrained")
    assert find_anchor(model_state(first, second), second, GateSpec()) == first


@pytest.mark.parametrize("named", ["1.0.0", "v1.0.0"])
def test_an_anchor_that_the_gate_names_is_that_release(named: str) -> None:
    assert find_anchor(model_state(FIRST, SECOND), SECOND, GateSpec(anchor=named)) == FIRST


def test_an_anchor_that_is_not_registered_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(Findings) as caught:
        find_anchor(model_state(FIRST, SECOND), SECOND, GateSpec(anchor="3.0.0"))
    (found,) = caught.value.diagnostics
    assert (found.id, "1.0.0, 1.1.0" in (found.help or "")) == ("anchor-unknown", True)


def test_before_the_first_release_there_is_no_anchor() -> None:
    assert find_anchor(model_state(), None, GateSpec(anchor="1.0.0")) is None


def test_an_anchor_is_looked_for_where_a_requirement_is_against_it() -> None:
    rules = GateRules(GateSpec(), EvaluateSpec(), SplitSpec(), RowDependence(), Path(), champion_environment="prod")
    state = model_state(FIRST, PATCH)
    champion = Requirement("auc", test="non-inferiority", against="champion", margin=0.01)
    anchor = replace(champion, against="anchor")
    assert find_opponents(state, rules, [champion]) == Opponents(PATCH, None)
    assert find_opponents(state, rules, [champion, anchor]) == Opponents(PATCH, FIRST)
