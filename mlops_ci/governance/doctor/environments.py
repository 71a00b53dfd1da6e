"""What GitHub enforces on deployments, and on workflows as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.results.doctor import Examined
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.host import UNREADABLE, Unknown, fields, objects, word

GROUP = "deployments"
_SETTINGS = "Settings > Environments"


def environments(world: World) -> Iterator[Examined]:
    """Tell for each of the project's environments who must approve a deployment, and from which branches it may come."""
    answer = world.host.ask("/environments?per_page=100")
    shown = fields(answer).get("environments")
    if not isinstance(answer, Unknown) and not isinstance(shown, list):
        answer = UNREADABLE
    known = {word(one.get("name")).casefold(): one for one in objects(shown)}
    for name in world.project.specs.project.spec.environments:
        if isinstance(answer, Unknown):
            yield Examined(GROUP, f"{name}: deployments are guarded", "unknown", answer.why, f"see {_SETTINGS}")
        elif name.casefold() not in known:
            evidence = "GitHub has no environment of this name: a job that names it makes an open one"
            yield Examined(GROUP, f"{name}: deployments are guarded", "advisory", evidence, f"make it: {_SETTINGS}")
        else:
            yield _reviewers(world, name, known[name.casefold()])
            yield _origins(name, known[name.casefold()])


def _reviewers(world: World, name: str, environment: dict[str, Any]) -> Examined:
    what = f"{name}: somebody approves deployments"
    wanted = world.project.specs.project.spec.policy.approvals.get(name, 0)
    rules = [rule for rule in objects(environment.get("protection_rules")) if rule.get("type") == "required_reviewers"]
    reviewers = [one for rule in rules for one in objects(rule.get("reviewers"))]
    if reviewers:
        own = all(rule.get("prevent_self_review") is True for rule in rules)
        evidence = "one of its reviewers must" + ("" if own else "; whoever started the deployment may be that one")
        if environment.get("can_admins_bypass") is True:
            evidence += "; administrators may go past that"
        return Examined(GROUP, what, "enforced", evidence)
    if wanted:
        evidence = f"GitHub asks nobody; mlops-ci itself asks for {wanted} signed approvals (`policy.approvals`)"
        return Examined(GROUP, what, "advisory", evidence, f"add required reviewers: {_SETTINGS} > {name}")
    evidence = "nobody must: the policy asks for no approvals there"
    return Examined(GROUP, what, "advisory", evidence, f"`policy: {{approvals: {{{name}: 1}}}}`", minor=True)


def _origins(name: str, environment: dict[str, Any]) -> Examined:
    what = f"{name}: deployments come from protected branches"
    policy = environment.get("deployment_branch_policy")
    help = f"{_SETTINGS} > {name} > Deployment branches and tags: protected branches only"
    if policy is None:
        return Examined(GROUP, what, "advisory", "a workflow of any branch gets its secrets", help)
    if fields(policy).get("protected_branches") is True:
        return Examined(GROUP, what, "enforced", "only those have it")
    if fields(policy).get("custom_branch_policies") is True:
        return Examined(
            GROUP, what, "unknown", "branches and tags of chosen names; which these are is not looked at", help
        )
    return Examined(GROUP, what, "unknown", UNREADABLE.why, help)


def settings(world: World) -> Iterator[Examined]:
    """Tell what every workflow may do by default."""
    group = "workflows"
    answer = world.host.ask("/actions/permissions/workflow")
    where = "Settings > Actions > General > Workflow permissions"
    rights, pulls = "tokens of jobs only read by default", "workflows cannot approve pull requests"
    level, approves = (
        fields(answer).get(name) for name in ("default_workflow_permissions", "can_approve_pull_request_reviews")
    )
    if isinstance(answer, Unknown):
        yield Examined(group, rights, "unknown", answer.why, f"see {where}")
        yield Examined(group, pulls, "unknown", answer.why, f"see {where}")
        return
    if level == "read":
        yield Examined(group, rights, "enforced", "by the repository's settings")
    elif level == "write":
        yield Examined(group, rights, "advisory", "a job that asks for nothing may write", f"{where}: read")
    else:
        yield Examined(group, rights, "unknown", UNREADABLE.why)
    by_request = world.project.specs.project.spec.delivery == "pull-request"
    if approves is False:
        yield Examined(group, pulls, "enforced", "by the repository's settings")
        if by_request:
            evidence = "`delivery: pull-request` opens pull requests, which a job's own token may not do here"
            yield Examined(group, "deployments open pull requests", "advisory", evidence, "give the job an App's token")
    elif approves is True:
        evidence = "a job's token can open pull requests and approve them: one setting allows both"
        help = f"{where}: do not allow it" + (", and let an App's token open them" if by_request else "")
        yield Examined(group, pulls, "advisory", evidence, help)
    else:
        yield Examined(group, pulls, "unknown", UNREADABLE.why)
