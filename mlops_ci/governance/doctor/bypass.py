"""The actors that may bypass rulesets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor.host import UnknownAnswer, dict_or_empty, dicts_in, join_names, string_or_empty

# GitHub's ids of the built-in repository roles
_ROLES = {1: "readers", 2: "maintainers", 3: "triagers", 4: "writers", 5: "administrators"}


def bypass_row(group: str, what: str, rulesets: Iterable[Any]) -> DoctorCheckResult:
    """Return the row that names the actors that may bypass the given rulesets."""
    actors: dict[str, None] = {}
    for ruleset in rulesets:
        if isinstance(ruleset, UnknownAnswer):
            return DoctorCheckResult(group, what, "unknown", ruleset.why)
        found = dict_or_empty(ruleset).get("bypass_actors")
        if not isinstance(found, list):
            evidence = "only an administrator of the rules can see who is exempt"
            return DoctorCheckResult(
                group, what, "unknown", evidence, "run `mlops-ci doctor` with an administrator's token"
            )
        actors |= dict.fromkeys(_actor_names(found))
    if not actors:
        return DoctorCheckResult(group, what, "enforced", "by the rulesets, without exemptions")
    evidence = f"exempt are: {join_names(list(actors))}"
    return DoctorCheckResult(
        group, what, "advisory", evidence, "remove as many exemptions as possible, and every exemption of a person"
    )


def _actor_names(actors: list[Any]) -> Iterator[str]:
    for actor in dicts_in(actors):
        kind, number = string_or_empty(actor.get("actor_type")), actor.get("actor_id")
        mode = string_or_empty(actor.get("bypass_mode"))
        only = " (by pull request)" if mode == "pull_request" else ""
        match kind:
            case "RepositoryRole":
                role = _ROLES.get(number, f"role {number}") if isinstance(number, int) else "a role"
                yield f"{role}{only}"
            case "OrganizationAdmin":
                yield f"administrators of the organization{only}"
            case "DeployKey":
                yield f"deploy keys{only}"
            case "Integration":
                yield f"the App {number}{only}"
            case "Team":
                yield f"team {number}{only}"
            case "User":
                yield f"user {number}{only}"
            case _:
                yield f"{kind or 'somebody'} {number}{only}"
