"""`deploy`: assigns a released version to an environment and writes its manifests, in one atomic push."""

from __future__ import annotations

from mlops_ci.core.errors import Findings
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
    Verb,
)
from mlops_ci.deployment.assignment import plan_assignment
from mlops_ci.governance.revocations import require_reason
from mlops_ci.registry.lookup import require_model, require_release
from mlops_ci.registry.state import ModelState, read_registry
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_environment

SPEC = Verb(
    "deploy",
    "Assign a version to an environment and write its manifests.",
    (MODEL_OPTION, ENVIRONMENT_OPTION, REASON_OPTION, FORCE_OPTION),
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
    project: Project, *, model: str, env: str, reason: str | None = None, force: bool = False
) -> Outcome[DeployReport]:
    """Plan the deployment of MODEL or MODEL@VERSION (default: the newest release).

    `force` also allows a version that was rolled back, or a deprecated model. Raises UsageProblem for an unknown environment
    or version, and for `force` without a reason; Findings when the version has not been in the previous environment, or was
    rolled back or revoked.
    """
    require_reason(reason, force=force)
    name, _, version = model.partition("@")
    environment = require_environment(project, env)
    registry = read_registry(project.context.repo)
    state = require_model(project, registry, name)
    release = require_release(state, version or None)
    _require_previous_environment(project, state, release.version, environment)
    return plan_assignment(project, state, release, environment, reason, force=force)


def _require_previous_environment(project: Project, state: ModelState, version: str, environment: str) -> None:
    order = project.specs.project.spec.environments
    position = order.index(environment)
    if position == 0:
        return
    before = order[position - 1]
    if all(event.version != version for event in state.assignments(before)):
        raise Findings.of(
            "deploy-out-of-order",
            f"{state.model} v{version} was never deployed to '{before}', which comes before '{environment}'",
            help=f"mlops-ci deploy {state.model}@{version} --env {before}",
        )
