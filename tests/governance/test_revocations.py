"""What was taken back comes back only for a stated reason, and nobody learns of it only when it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.base import EventRef
from mlops_ci.governance.revocations import find_override, require_reason, revocation_warnings
from mlops_ci.registry.state import ModelState, fold_refs
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag

OLD, NEW = "7" * 64, "8" * 64  # the digests of v1.0.0 and v2.0.0
SECOND = replace(RELEASE, version="2.0.0", model_digest=NEW, commit="b" * 40)
COMMAND = "mlops-ci release delay"


def rolled_back() -> ModelState:
    """Given two versions, and a rollback from the second to the first."""
    back = assignment(2, rollback_of="2.0.0", reason="late arrivals")
    refs = (
        tag(RELEASE, "1" * 40, 1),
        tag(SECOND, "2" * 40, 2, "b" * 40),
        tag(assignment(1, version="2.0.0", model_digest=NEW), "3" * 40, 3, "b" * 40),
        tag(back, "4" * 40, 4),
    )
    return fold_refs(refs).model("delay")


def deprecated() -> ModelState:
    return fold_refs([tag(RELEASE, "1" * 40, 1), plain_tag("delay@deprecated#1", "9" * 40, 2)]).model("delay")


@pytest.mark.parametrize("reason", [None, "", " \n"])
def test_who_forces_says_why(reason: str | None) -> None:
    with pytest.raises(UsageProblem) as caught:
        require_reason(reason, force=True)
    assert caught.value.diagnostics[0].id == "reason-missing"
    require_reason(reason, force=False)
    require_reason("the data were wrong", force=True)


def test_a_model_that_was_rolled_back_from_is_refused_with_the_reason_and_the_way_back() -> None:
    with pytest.raises(Findings) as caught:
        find_override(rolled_back(), NEW, COMMAND, force=False)
    (found,) = caught.value.diagnostics
    assert (found.id, found.severity) == ("model-abandoned", "error")
    assert found.message == (
        "a rollback in 'prod' replaced this model (v2.0.0 of 'delay') with v1.0.0: late arrivals"
        " (delay#prod#2, Ada Lovelace, 2026-11-22T20:00:00+00:00)"
    )
    assert (found.help or "").endswith("mlops-ci release delay --force --reason TEXT")


def test_force_names_the_rollback_that_it_overrides() -> None:
    assert find_override(rolled_back(), NEW, COMMAND, force=True) == EventRef("delay#prod#2", "4" * 40)


@pytest.mark.parametrize("force", [True, False])
def test_the_model_that_was_rolled_back_to_overrides_nothing(force: bool) -> None:
    assert find_override(rolled_back(), OLD, COMMAND, force=force) is None
    assert revocation_warnings(rolled_back(), OLD, None) == ()


def test_who_gates_the_model_again_is_warned_that_its_release_will_be_refused() -> None:
    (warning,) = revocation_warnings(rolled_back(), NEW, None)
    assert (warning.id, warning.severity) == ("model-abandoned", "warning")
    assert "mlops-ci release delay --force --reason TEXT" in (warning.help or "")


def test_whatever_model_of_a_deprecated_one_is_refused_though_its_tag_says_no_reason() -> None:
    with pytest.raises(Findings) as caught:
        find_override(deprecated(), NEW, COMMAND, force=False)
    assert [one.message for one in caught.value.diagnostics] == ["'delay' is deprecated: delay@deprecated#1"]
    assert find_override(deprecated(), NEW, COMMAND, force=True) == EventRef("delay@deprecated#1", "9" * 40)


def test_an_event_after_the_deprecation_brings_the_model_back() -> None:
    again = plain_tag("delay@v1.0.1", "a" * 40, 3, "d" * 40)
    state = fold_refs([tag(RELEASE, "1" * 40, 1), plain_tag("delay@deprecated#1", "9" * 40, 2), again]).model("delay")
    assert revocation_warnings(state, NEW, None) == ()
