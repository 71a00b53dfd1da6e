"""`rollback`: the version that ran before, with its manifests, as an event of its own that says why."""

from __future__ import annotations

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.lifecycle import DeployReport
from mlops_ci.core.verbs import (
    ALL_SURFACES,
    ASSIGNMENT_OUTPUTS,
    ASSIGNMENT_PERMISSIONS,
    ENVIRONMENT_OPTION,
    REQUIRED_REASON_OPTION,
    Option,
    Verb,
)
from mlops_ci.deployment.assignment import plan_assignment
from mlops_ci.registry.lookup import require_model, require_release
from mlops_ci.registry.state import ModelState, read_registry
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_environment

SPEC = Verb(
    "rollback",
    "Assign the previous version and rewrite its manifests.",
    (
        Option("model", "A model.", positional=True, required=True, metavar="MODEL"),
        ENVIRONMENT_OPTION,
        Option("version", "The version to return to; by default the one assigned before.", metavar="VERSION"),
        REQUIRED_REASON_OPTION,
    ),
    writes=True,
    syncs="must",
    signs=True,
    surfaces=ALL_SURFACES,
    outputs=ASSIGNMENT_OUTPUTS,
    permissions=ASSIGNMENT_PERMISSIONS,
    icon="rotate-ccw",
    judges=True,
)


def rollback(
    project: Project, *, model: str, env: str, reason: str, version: str | None = None
) -> Outcome[DeployReport]:
    """Plan the return to `version`, or to the one that ran before today's; where nothing runs now, to the last that ran.

    Raises UsageProblem for an unknown environment or version, Findings when nothing ran before.
    """
    if not reason.strip():
        raise UsageProblem.of("reason-missing", "a rollback says why", help="--reason 'late arrivals doubled'")
    environment = require_environment(project, env)
    registry = read_registry(project.context.repo)
    state = require_model(project, registry, model)
    ran = {event.version for event in state.assignments(environment)}
    release = require_release(state, version or _previous_version(state, environment))
    if release.version not in ran:
        raise Findings.of(
            "rollback-nowhere",
            f"{state.model} v{release.version} has never run in '{environment}', so going there is no way back",
            help=f"mlops-ci deploy {state.model}@{release.version} --env {environment}",
        )
    return plan_assignment(project, state, release, environment, reason, rollback=True)


def _previous_version(state: ModelState, environment: str) -> str:
    """Return what ran before the version that runs now; what was rolled back from is not gone back to."""
    ran: list[str] = []
    for event in state.assignments(environment):
        if event.is_rollback and event.version in ran:
            del ran[len(ran) - ran[::-1].index(event.version) :]
        elif not ran or ran[-1] != event.version:
            ran.append(event.version)
    if ran and environment not in state.current_assignments:
        return ran[-1]
    if len(ran) < 2:
        others = sorted({event.version for event in state.assignments(environment)} - set(ran))
        raise Findings.of(
            "rollback-nowhere",
            f"nothing ran in '{environment}' before v{ran[0]}"
            if ran
            else f"'{state.model}' has not run in '{environment}'",
            help=f"name a version that ran there with --version: {', '.join(others)}"
            if others
            else "there is nothing to go back to",
        )
    return ran[-2]
