"""`rollback`: the version that ran before, with its manifests, as an event of its own that says why."""

from __future__ import annotations

from mlops_ci.assignment import assign, known_environment, known_release
from mlops_ci.errors import Findings
from mlops_ci.outcomes import DeployReport
from mlops_ci.plan import Outcome
from mlops_ci.project import Project
from mlops_ci.registry import ModelState, read


def rollback(
    project: Project, *, model: str, env: str, reason: str, version: str | None = None
) -> Outcome[DeployReport]:
    """Plan the return to `version`, or to the one that ran before today's.

    Raises UsageProblem for an unknown environment or version, Findings when nothing ran before.
    """
    environment = known_environment(project, env)
    state = read(project.context.repo).model(model)
    release = known_release(state, version or _before(state, environment))
    return assign(project, state, release, environment, reason, rollback=True)


def _before(state: ModelState, environment: str) -> str:
    """Return what ran before the version that runs now; what was rolled back from is not gone back to."""
    ran: list[str] = []
    for event in state.assignments(environment):
        if event.rollback and event.version in ran:
            del ran[ran.index(event.version) + 1 :]
        elif not ran or ran[-1] != event.version:
            ran.append(event.version)
    if len(ran) < 2:
        raise Findings.of(
            "rollback-nowhere",
            f"'{state.model}' has run no other version in '{environment}'"
            if ran
            else f"'{state.model}' has not run in '{environment}'",
            help="name a released version with --version",
        )
    return ran[-2]
