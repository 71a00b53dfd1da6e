"""Checks of GitHub's rules for deployments, and of the default permissions of workflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import UNREADABLE_ANSWER, UnknownAnswer, dict_or_empty, dicts_in, string_or_empty

GROUP = "deployments"
_SETTINGS = "Settings > Environments"


def check_environments(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield for each environment of the project who must approve a deployment and which branches may deploy."""
    answer = world.host.fetch("/environments?per_page=100")
    shown = dict_or_empty(answer).get("environments")
    if not isinstance(answer, UnknownAnswer) and not isinstance(shown, list):
        answer = UNREADABLE_ANSWER
    known = {string_or_empty(one.get("name")).casefold(): one for one in dicts_in(shown)}
    for name in world.project.specs.project.spec.environments:
        if isinstance(answer, UnknownAnswer):
            yield DoctorCheckResult(
                GROUP, f"{name}: deployments are guarded", "unknown", answer.why, f"see {_SETTINGS}"
            )
        elif name.casefold() not in known:
            evidence = (
                "GitHub has no environment of this name; the first job that names it creates one without protection"
            )
            yield DoctorCheckResult(
                GROUP, f"{name}: deployments are guarded", "advisory", evidence, f"create it: {_SETTINGS}"
            )
        else:
            yield _check_reviewers(world, name, known[name.casefold()])
            yield _check_branch_policy(name, known[name.casefold()])


def _check_reviewers(world: DoctorContext, name: str, environment: dict[str, Any]) -> DoctorCheckResult:
    what = f"{name}: deployments need an approval"
    wanted = world.project.specs.project.spec.policy.approvals.get(name, 0)
    rules = [rule for rule in dicts_in(environment.get("protection_rules")) if rule.get("type") == "required_reviewers"]
    reviewers = [one for rule in rules for one in dicts_in(rule.get("reviewers"))]
    if reviewers:
        own = all(rule.get("prevent_self_review") is True for rule in rules)
        evidence = "one of the environment's reviewers must approve"
        evidence += "" if own else "; the reviewer may be the person who started the deployment"
        if environment.get("can_admins_bypass") is True:
            evidence += "; administrators can bypass this"
        return DoctorCheckResult(GROUP, what, "enforced", evidence)
    if wanted:
        evidence = (
            f"GitHub requires no reviewers; mlops-ci itself requires {wanted} signed approvals (`policy.approvals`)"
        )
        return DoctorCheckResult(GROUP, what, "advisory", evidence, f"add required reviewers: {_SETTINGS} > {name}")
    evidence = "nobody must approve: neither GitHub nor the policy requires approvals for this environment"
    help = f"add `policy: {{approvals: {{{name}: 1}}}}` to mlops.yaml"
    return DoctorCheckResult(GROUP, what, "advisory", evidence, help, minor=True)


def _check_branch_policy(name: str, environment: dict[str, Any]) -> DoctorCheckResult:
    what = f"{name}: deployments come from protected branches"
    policy = environment.get("deployment_branch_policy")
    help = f"{_SETTINGS} > {name} > Deployment branches and tags: protected branches only"
    if policy is None:
        return DoctorCheckResult(GROUP, what, "advisory", "workflows of all branches can read its secrets", help)
    if dict_or_empty(policy).get("protected_branches") is True:
        return DoctorCheckResult(GROUP, what, "enforced", "only protected branches may deploy")
    if dict_or_empty(policy).get("custom_branch_policies") is True:
        return DoctorCheckResult(
            GROUP, what, "unknown", "selected branches and tags may deploy; `doctor` does not check which ones", help
        )
    return DoctorCheckResult(GROUP, what, "unknown", UNREADABLE_ANSWER.why, help)


def check_workflow_permissions(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield the default permissions of all workflows."""
    group = "workflows"
    answer = world.host.fetch("/actions/permissions/workflow")
    where = "Settings > Actions > General > Workflow permissions"
    rights, pulls = "a job's token is read-only by default", "workflows cannot approve pull requests"
    level, approves = (
        dict_or_empty(answer).get(name) for name in ("default_workflow_permissions", "can_approve_pull_request_reviews")
    )
    if isinstance(answer, UnknownAnswer):
        yield DoctorCheckResult(group, rights, "unknown", answer.why, f"see {where}")
        yield DoctorCheckResult(group, pulls, "unknown", answer.why, f"see {where}")
        return
    if level == "read":
        yield DoctorCheckResult(group, rights, "enforced", "by the repository's settings")
    elif level == "write":
        yield DoctorCheckResult(group, rights, "advisory", "a job without `permissions` may write", f"{where}: read")
    else:
        yield DoctorCheckResult(group, rights, "unknown", UNREADABLE_ANSWER.why)
    by_request = world.project.specs.project.spec.delivery == "pull-request"
    if approves is False:
        yield DoctorCheckResult(group, pulls, "enforced", "by the repository's settings")
        if by_request:
            evidence = (
                "`delivery: pull-request` opens pull requests, but this setting forbids that for a job's own token"
            )
            yield DoctorCheckResult(
                group, "deployments open pull requests", "advisory", evidence, "give the job the token of a GitHub App"
            )
    elif approves is True:
        evidence = "a job's token can open pull requests and also approve them: the same setting allows both"
        help = f"{where}: switch this setting off" + (
            ", and open pull requests with the token of a GitHub App" if by_request else ""
        )
        yield DoctorCheckResult(group, pulls, "advisory", evidence, help)
    else:
        yield DoctorCheckResult(group, pulls, "unknown", UNREADABLE_ANSWER.why)
