"""`deploy`: assigns a released version to an environment and writes its manifests, in one atomic push."""

from __future__ import annotations

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.lifecycle import DeployReport
from mlops_ci.core.verbs import (
    ALL_SURFACES,
    ASSIGNMENT_OUTPUTS,
    ASSIGNMENT_PERMISSIONS,
    ENVIRONMENT_OPTION,
    FORCE_OPTION,
    MODEL_OPTION,
    REASON_OPTION,
    Option,
    Verb,
)
from mlops_ci.deployment.assignment import AssignmentTerms, plan_assignment
from mlops_ci.deployment.promotion_order import earlier_environments
from mlops_ci.governance.revocations import require_reason
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.events import Event
from mlops_ci.registry.lookup import require_model, require_release
from mlops_ci.registry.state import ModelState
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_environment, require_repository
from mlops_ci.spec.load import PROJECT_FILE, parse_project

SPEC = Verb(
    "deploy",
    "Assign a version to an environment and write its manifests.",
    (
        MODEL_OPTION,
        ENVIRONMENT_OPTION,
        REASON_OPTION,
        FORCE_OPTION,
        Option(
            "skip",
            "An environment that the version has not been in and that comes before --env; needs --reason, and is recorded.",
            multiple=True,
            metavar="ENV",
        ),
    ),
    writes=True,
    syncs="must",
    signs=True,
    surfaces=ALL_SURFACES,
    outputs=ASSIGNMENT_OUTPUTS,
    permissions=ASSIGNMENT_PERMISSIONS,
    icon="upload-cloud",
    details="Manifests and assignment are one atomic push. If the branch is protected, a pull request is opened instead.",
    judges=True,
)


def deploy(
    project: Project,
    *,
    model: str,
    env: str,
    reason: str | None = None,
    force: bool = False,
    skip: tuple[str, ...] = (),
) -> Outcome[DeployReport]:
    """Plan the deployment of MODEL or MODEL@VERSION (default: the newest release).

    `force` also allows a version that was rolled back, or a deprecated model; `skip` names environments that the version need
    not have been in. Raises UsageProblem for an unknown environment or version, and for `force` or `skip` without a reason;
    Findings when the version has not been in the previous environment, was rolled back or
    revoked, or an event of the model does not verify.
    """
    require_reason(reason, force=force)
    name, _, version = model.partition("@")
    environment = require_environment(project, env)
    verified = verify_project(project, name)
    state = require_model(project, verified.state, name)
    verified.require_signing(name)
    verified.require_verified(name)
    release = require_release(state, version or None)
    skipped = _pass_earlier_environments(project, state, release, environment, skip, reason)
    terms = AssignmentTerms(reason, force=force, skipped=skipped)
    return plan_assignment(project, state, release, environment, terms)


def _pass_earlier_environments(
    project: Project, state: ModelState, release: Event, environment: str, skip: tuple[str, ...], reason: str | None
) -> tuple[str, ...]:
    """Return the environments of `skip` that the version has not been in; raises Findings for another that it must be in."""
    order = project.specs.project.spec.environments
    specs = [one.spec for one in project.specs.deployments.values()]
    deployable = {spec.environment for spec in specs if spec.model == state.model}
    earlier = earlier_environments(order, environment, deployable, _environments_at(project, release.commit))
    for name in skip:
        if require_environment(project, name) not in order[: order.index(environment)]:
            raise UsageProblem.of(
                "skip-needless",
                f"'{name}' does not come before '{environment}', so it cannot be skipped",
                help=f"leave out --skip {name}; the order is: {', '.join(order)}",
            )
    if skip and not (reason or "").strip():
        raise UsageProblem.of(
            "reason-missing",
            "--skip goes round an environment, so it needs a reason",
            help="add --reason TEXT, for example: --reason 'the canary cluster is down'",
        )
    passed = {name for name in order if any(one.version == release.version for one in state.assignments(name))}
    asked = [name for name in earlier if name not in skip or name in passed]
    if asked and asked[-1] not in passed:
        before = asked[-1]
        command = f"mlops-ci deploy {state.model}@{release.version} --env"
        raise Findings.of(
            "deploy-out-of-order",
            f"{state.model} v{release.version} was never deployed to '{before}', which comes before '{environment}'",
            help=f"{command} {before}; or go round it, for a reason that is recorded: {command} {environment} --skip {before}"
            " --reason TEXT",
        )
    return tuple(name for name in earlier if name in skip and name not in passed)


def _environments_at(project: Project, commit: str) -> tuple[str, ...] | None:
    """Return the project's environments at a commit; None where it has no valid Project there."""
    repo = require_repository(project.context.repo)
    folder = project.reference.path
    path = PROJECT_FILE if folder == "." else f"{folder}/{PROJECT_FILE}"
    content = repo.read_blob(f"{commit}:{path}")
    found = parse_project(content) if content is not None else None
    return found.spec.environments if found else None
