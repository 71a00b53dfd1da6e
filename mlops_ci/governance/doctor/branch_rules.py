"""Checks of GitHub's rules for the default branch: its rulesets first, then classic branch protection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor import bypass, guarded_files
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import (
    UNREADABLE_ANSWER,
    UnknownAnswer,
    dict_or_empty,
    dicts_in,
    join_names,
    string_or_empty,
)
from mlops_ci.governance.doctor.workflows import find_toolkit_workflows
from mlops_ci.integrations.github.queries import quote_segment

GROUP = "branch"
_SETTINGS = "Settings > Rules > Rulesets, for the default branch"


class BranchProtection:
    """The known protection of a branch.

    `unknown` says why the rulesets are not known, `open` why classic protection is not known; None if they are known.
    """

    def __init__(self, world: DoctorContext, branch: str) -> None:
        rules = world.host.fetch(f"/rules/branches/{quote_segment(branch)}?per_page=100")
        readable = isinstance(rules, list) and all(isinstance(rule, dict) for rule in rules)
        self.unknown = rules if isinstance(rules, UnknownAnswer) else None if readable else UNREADABLE_ANSWER
        self.rules = tuple(dicts_in(rules))
        classic = world.host.fetch(f"/branches/{quote_segment(branch)}/protection")
        self.open = UNREADABLE_ANSWER if not isinstance(classic, dict | UnknownAnswer) else None
        if isinstance(classic, UnknownAnswer) and "Branch not protected" not in classic.why:
            self.open = classic
        self.classic = dict_or_empty(classic)

    def rules_of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the rules of one type."""
        return [rule for rule in self.rules if rule.get("type") == kind]

    def parameters(self, kind: str) -> list[dict[str, Any]]:
        """Return the parameters of the rules of one type."""
        return [dict_or_empty(rule.get("parameters")) for rule in self.rules_of_type(kind)]

    def is_on(self, name: str) -> bool:
        """Return whether a setting of classic protection is on."""
        return dict_or_empty(self.classic.get(name)).get("enabled") is True

    def is_off(self, name: str) -> bool:
        """Return whether a setting of classic protection is known to be off."""
        return dict_or_empty(self.classic.get(name)).get("enabled") is False


def check_branch_rules(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield for each requirement on the default branch whether GitHub enforces it."""
    # a checkout of a single commit may not know the default branch, but GitHub does
    branch = world.branch or string_or_empty(dict_or_empty(world.host.fetch("")).get("default_branch"))
    if not branch:
        yield DoctorCheckResult(GROUP, "protection of the default branch", "unknown", "the default branch is not known")
        return
    found = BranchProtection(world, branch)
    yield from _check_reviews(world, found)
    yield _check_gate_required(world, found)
    for what, kind, classic, harm in (
        (
            "history is not rewritten",
            "non_fast_forward",
            found.is_off("allow_force_pushes"),
            "a forced push can remove commits",
        ),
        (
            "the branch is not deleted",
            "deletion",
            found.is_off("allow_deletions"),
            "everyone with push access can delete it",
        ),
    ):
        yield _row(found, what, bool(found.rules_of_type(kind)) or classic, harm, f"restrict it: {_SETTINGS}")
    signed = bool(found.rules_of_type("required_signatures")) or found.is_on("required_signatures")
    yield _row(
        found,
        "commits are signed",
        signed,
        "the author of a commit is not verified",
        f"{_SETTINGS}: require signed commits",
        minor=True,
    )
    yield _check_merge_queue(world, found)
    yield _check_exemptions(world, found)


def _row(
    found: BranchProtection, what: str, holds: bool, harm: str, help: str, *, evidence: str = "", minor: bool = False
) -> DoctorCheckResult:
    """Return the row of a requirement: enforced if a known rule does it, advisory if no rule can, else unknown."""
    if holds:
        return DoctorCheckResult(GROUP, what, "enforced", evidence or "by a rule of the branch")
    if found.unknown is not None:
        return DoctorCheckResult(GROUP, what, "unknown", found.unknown.why, help)
    if found.open is not None:
        evidence = f"no ruleset enforces it, and the classic branch protection is not known: {found.open.why}"
        return DoctorCheckResult(GROUP, what, "unknown", evidence, help)
    return DoctorCheckResult(GROUP, what, "advisory", harm, help, minor=minor)


def _check_reviews(world: DoctorContext, found: BranchProtection) -> Iterator[DoctorCheckResult]:
    classic = found.classic.get("required_pull_request_reviews")
    asked = [*found.parameters("pull_request"), *([dict_or_empty(classic)] if isinstance(classic, dict) else [])]
    count = max((n for one in asked if type(n := one.get("required_approving_review_count")) is int), default=0)
    owned = any(
        one.get("require_code_owner_review") is True or one.get("require_code_owner_reviews") is True for one in asked
    )
    yield _row(
        found,
        "changes come by pull request",
        bool(asked),
        "everyone with push access can write to the branch without the gate",
        f"require a pull request: {_SETTINGS}",
    )
    yield _row(
        found,
        "somebody else reviews",
        count >= 1,
        "a pull request needs no approval",
        f"require an approval: {_SETTINGS}",
        evidence=f"required approvals: {count}",
    )
    what, help = "owners review specs, policy and workflows", f"require a review by code owners: {_SETTINGS}"
    covered = guarded_files.find_unowned_paths(world)
    if owned and (covered is None or covered[1]):
        evidence = "a review by code owners is required, but " + (
            "there is no CODEOWNERS" if covered is None else f"it names no owners for {join_names(covered[1])}"
        )
        yield DoctorCheckResult(GROUP, what, "advisory", evidence, "add their owners to .github/CODEOWNERS")
        return
    yield _row(
        found,
        what,
        owned,
        "an approval by any reviewer is enough",
        help,
        evidence="a review by code owners is required",
    )


def _check_gate_required(world: DoctorContext, found: BranchProtection) -> DoctorCheckResult:
    what = "the gate must pass"
    expected = {name for one in find_toolkit_workflows(world) for name in one.checks}
    classic = dict_or_empty(found.classic.get("required_status_checks"))
    rules = [*found.parameters("required_status_checks"), {"required_status_checks": classic.get("checks")}]
    required = {
        string_or_empty(one.get("context")) for rule in rules for one in dicts_in(rule.get("required_status_checks"))
    }
    required |= (
        {one for one in classic.get("contexts", ()) if isinstance(one, str)}
        if isinstance(classic.get("contexts"), list)
        else set()
    )
    if hit := sorted(required & expected):
        return DoctorCheckResult(GROUP, what, "enforced", f"the check {join_names(hit)} is required")
    names = f"require the check {' or '.join(repr(name) for name in sorted(expected)) or 'of the gate'}: {_SETTINGS}"
    harm = (
        f"the required checks do not include the gate: {join_names(sorted(required))}"
        if required
        else "no check is required"
    )
    if not expected:
        harm = f"{harm}; no workflow {world.source_phrase} runs the gate"
    return _row(found, what, False, harm, names)


def _check_merge_queue(world: DoctorContext, found: BranchProtection) -> DoctorCheckResult:
    what = "merge queue"
    if not found.rules_of_type("merge_queue"):
        return _row(
            found,
            what,
            False,
            "there is no merge queue: a pull request may be merged after others whose changes its gate did not test",
            f"{_SETTINGS}: require merge queue",
            minor=True,
        )
    deaf = [one.path for one in find_toolkit_workflows(world) if one.checks and "merge_group" not in one.events]
    if deaf:
        evidence = (
            f"a merge queue is required, but {join_names(deaf)} does not run on merge_group, so nothing can be merged"
        )
        return DoctorCheckResult(GROUP, what, "problem", evidence, "add `merge_group:` to `on:`")
    return DoctorCheckResult(GROUP, what, "enforced", "the gate runs on the merged state")


def _check_exemptions(world: DoctorContext, found: BranchProtection) -> DoctorCheckResult:
    what = "nobody is exempt from the branch's rules"
    if not found.rules and not found.classic:
        why = found.unknown or found.open
        return (
            DoctorCheckResult(GROUP, what, "unknown", why.why)
            if why
            else DoctorCheckResult(GROUP, what, "advisory", "there are no rules", minor=True)
        )
    named = {number for rule in found.rules if type(number := rule.get("ruleset_id")) is int}
    if not all(type(rule.get("ruleset_id")) is int for rule in found.rules):
        return DoctorCheckResult(GROUP, what, "unknown", UNREADABLE_ANSWER.why)
    if found.classic and not found.is_on("enforce_admins"):
        evidence = "classic protection does not apply to administrators"
        return DoctorCheckResult(GROUP, what, "advisory", evidence, "apply it to administrators too")
    row = bypass.bypass_row(GROUP, what, [world.host.fetch(f"/rulesets/{number}") for number in sorted(named)])
    if row.state == "enforced" and (why := found.unknown or found.open) is not None:
        return DoctorCheckResult(
            GROUP,
            what,
            "unknown",
            f"nobody is exempt from the rules that are known, but not all rules are known: {why.why}",
        )
    return row
