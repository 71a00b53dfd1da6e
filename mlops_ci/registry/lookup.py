"""What a command line names, looked up in the registry: a model, one of its releases, the release's record."""

from __future__ import annotations

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.events import Release
from mlops_ci.core.suggestions import suggest
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState, RegistryState
from mlops_ci.repository.context import Project


def require_model(project: Project, registry: RegistryState, name: str) -> ModelState:
    """Return a model's state; raises UsageProblem when it is neither specified nor in the registry."""
    names = {*project.specs.models, *registry.models}
    if name not in names:
        raise UsageProblem.of(
            "model-unknown",
            f"there is no model '{name}'",
            help=suggest(name, sorted(names), otherwise="the models are") or "there is none yet: mlops-ci init",
        )
    return registry.model(name)


def require_release(state: ModelState, version: str | None) -> Event:
    """Return the release of that version (None: the newest); raises UsageProblem when there is none."""
    if version is None:
        if state.latest_release is None:
            raise UsageProblem.of(
                "release-unknown",
                f"'{state.model}' has no release yet",
                help=f"mlops-ci gate {state.model} && mlops-ci release {state.model}",
            )
        return state.latest_release
    wanted = version.removeprefix("v")
    if wanted not in state.releases:
        raise UsageProblem.of(
            "release-unknown",
            f"'{state.model}' has no version {wanted}",
            help=suggest(wanted, state.releases, otherwise="its versions are")
            or f"mlops-ci release {state.model} makes the first",
        )
    return state.releases[wanted]


def require_release_record(release: Event) -> Release:
    """Return the release's record; raises Findings when its tag carries none (another tool wrote it)."""
    if not isinstance(release.record, Release):
        raise Findings.of(
            "release-without-evidence",
            f"{release.ref.name} carries no record of a gate, so it cannot be deployed",
            help="release it with `mlops-ci gate` and `mlops-ci release`",
        )
    return release.record
