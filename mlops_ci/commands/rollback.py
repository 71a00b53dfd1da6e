"""`rollback`: assigns the previous version again and rewrites its manifests, as an event with a reason."""

from __future__ import annotations

from dataclasses import replace

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
from mlops_ci.deployment.assignment import AssignmentTerms, plan_assignment
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.lookup import require_model, require_release
from mlops_ci.registry.state import ModelState
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
    """Plan the return to `version`; by default to the previous version or, if nothing runs now, to the last one that ran.

    An event that does not verify is not in force, and stops no rollback. Raises UsageProblem for an unknown environment or version,
    and Findings when there is no earlier version.
    """
    if not reason.strip():
        raise UsageProblem.of(
            "reason-missing", "a rollback needs a reason", help="--reason 'the number of late arrivals doubled'"
        )
    environment = require_environment(project, env)
    verified = verify_project(project, model)
    state = require_model(project, verified.state, model)
    verified.require_signing(model)
    ran = {event.version for event in state.assignments(environment)}
    release = require_release(
        state, version or _half_rollback(state, environment) or _previous_version(state, environment)
    )
    if release.version not in ran:
        raise Findings.of(
            "rollback-nowhere",
            f"{state.model} v{release.version} has never run in '{environment}', so a rollback to it is not possible",
            help=f"mlops-ci deploy {state.model}@{release.version} --env {environment}",
        )
    outcome = plan_assignment(project, state, release, environment, AssignmentTerms(reason, rollback=True))
    return replace(outcome, diagnostics=(*verified.warnings(model), *outcome.diagnostics))


def _half_rollback(state: ModelState, environment: str) -> str | None:
    """Return the version of a rollback of which only the tag has arrived: the same command again completes it, and goes back no further."""
    half = state.unlogged_event
    is_one = half is not None and half.is_rollback and half is state.current_assignments.get(environment)
    return half.version if half is not None and is_one else None


def _previous_version(state: ModelState, environment: str) -> str:
    """Return the version that ran before the current one, without versions that were rolled back."""
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
            help=f"use --version to go back to a version that a rollback replaced, which is used again then: {', '.join(others)}"
            if others
            else "there is nothing to go back to",
        )
    return ran[-2]
