"""Who may get past rulesets, by the names that people know them by."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_ci.governance.doctor.bypass import bypass_row
from mlops_ci.governance.doctor.host import UnknownAnswer


def actor(kind: Any, number: Any = 7, mode: Any = "always") -> dict[str, Any]:
    return {"actor_type": kind, "actor_id": number, "bypass_mode": mode}


def row(*rulesets: Any) -> tuple[str, str]:
    found = bypass_row("tags", "who is exempt", rulesets)
    return found.state, found.evidence


def exempt(*actors: Any) -> dict[str, Any]:
    return {"bypass_actors": list(actors)}


def test_without_exceptions_the_rules_are_enforced() -> None:
    assert row(exempt(), exempt()) == ("enforced", "by the rulesets, without exemptions")


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (actor("RepositoryRole", 5), "administrators"),
        (actor("RepositoryRole", 2), "maintainers"),
        (actor("RepositoryRole", 99), "role 99"),
        (actor("RepositoryRole", None), "a role"),
        (actor("OrganizationAdmin"), "administrators of the organization"),
        (actor("DeployKey", None), "deploy keys"),
        (actor("Integration"), "the App 7"),
        (actor("Team"), "team 7"),
        (actor("User"), "user 7"),
        (actor("Robot"), "Robot 7"),
        (actor(None), "somebody 7"),
        (actor("User", mode="pull_request"), "user 7 (by pull request)"),
    ],
)
def test_each_kind_has_a_name(one: dict[str, Any], name: str) -> None:
    assert row(exempt(one)) == ("advisory", f"exempt are: {name}")


def test_who_is_exempt_from_several_rulesets_is_named_once() -> None:
    admins, app = actor("RepositoryRole", 5), actor("Integration", 12)
    assert row(exempt(admins), exempt(app, admins))[1] == "exempt are: administrators, the App 12"


def test_one_ruleset_that_is_not_known_makes_the_whole_unknown() -> None:
    assert row(exempt(actor("User")), UnknownAnswer("no token")) == ("unknown", "no token")


@pytest.mark.parametrize("hidden", [{}, {"bypass_actors": None}, {"bypass_actors": {}}, None, "text"])
def test_a_list_that_this_token_does_not_see_is_not_an_empty_one(hidden: Any) -> None:
    assert row(hidden) == ("unknown", "only an administrator of the rules can see who is exempt")


def test_what_is_no_actor_is_passed_over() -> None:
    assert row(exempt("text", None, 3))[0] == "enforced"
