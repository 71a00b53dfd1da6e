"""Look up the model, release or release record that a command line names."""

from __future__ import annotations

from mlops_ci.core.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.suggestions import suggest
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState, RegistryState
from mlops_ci.repository.context import Project


def require_model(project: Project, registry: RegistryState, name: str) -> ModelState:
    """Return a model's state; raises UsageProblem `model-unknown` when neither a spec nor the registry has the model."""
    names = {*project.specs.models, *registry.models}
    if name not in names:
        raise UsageProblem.of(
            "model-unknown",
            f"there is no model '{name}'",
            help=suggest(name, sorted(names), otherwise="the models are")
            or "this project has no model yet: create one with `mlops-ci init`",
        )
    return registry.model(name)


def require_release(state: ModelState, version: str | None) -> Event:
    """Return the release of a version (None: the newest); raises UsageProblem `release-unknown` when there is none.

    Raises EnvironmentProblem `release-missing` for a version that events name and whose tag is not here.
    """
    if version is None:
        if state.latest_release is None:
            _require_tag(state, None)
            raise UsageProblem.of(
                "release-unknown",
                f"'{state.model}' has no release yet",
                help=f"mlops-ci gate {state.model} && mlops-ci release {state.model}",
            )
        return state.latest_release
    wanted = version.removeprefix("v")
    tagged = [one for one in state.events if one.kind == "release" and one.version == wanted]
    if tagged and wanted not in state.releases and not set(tagged) & set(state.events_in_force):
        raise UsageProblem.of(
            "release-unknown",
            f"version {wanted} of '{state.model}' is not in force: {tagged[0].name} does not verify, or was set aside",
            help=f"use another version ({', '.join(state.releases) or 'none is left'}); what is wrong with it: mlops-ci audit {state.model}",
        )
    if tagged and wanted not in state.releases:
        raise UsageProblem.of(
            "release-unknown",
            f"version {wanted} of '{state.model}' was revoked",
            help=f"use another version ({', '.join(state.releases) or 'none is left'}); why it was revoked:"
            f" mlops-ci history {state.model}",
        )
    if wanted not in state.releases:
        _require_tag(state, wanted)
        raise UsageProblem.of(
            "release-unknown",
            f"'{state.model}' has no version {wanted}",
            help=suggest(wanted, state.releases, otherwise="its versions are")
            or f"create the first release: mlops-ci release {state.model}",
        )
    return state.releases[wanted]


def _require_tag(state: ModelState, version: str | None) -> None:
    """Raise EnvironmentProblem if an event in force names a version (None: any) whose release is not among the events."""
    released = {event.version for event in state.events if event.kind == "release"}
    for event in state.events_in_force:
        if event.record is not None and event.version not in released and version in (None, event.version):
            tag = f"{state.model}@v{event.version}"
            raise EnvironmentProblem.of(
                "release-missing",
                f"{event.name} names the release {tag}, and this clone has no such tag",
                help="git fetch --tags; if the remote does not have the tag either, it was deleted: push it from a clone that has it"
                f" (git push origin 'refs/tags/{tag}')",
            )


def require_release_record(release: Event) -> Release:
    """Return the release's record; raises Findings `release-without-evidence` when its tag has none (another tool wrote it)."""
    if not isinstance(release.record, Release):
        raise Findings.of(
            "release-without-evidence",
            f"tag {release.ref.name} has no record of a gate, so this release cannot be deployed",
            help="another tool wrote the tag: make a release with `mlops-ci gate` and `mlops-ci release`",
        )
    return release.record


def ensure_own_run(project: Project, run: TrainingRun, ref: str) -> None:
    """Raise Findings `run-of-another-project` for a run that another project of this repository stored under the model's name."""
    if not project.identity.owns_model(run.model, run.project.name, run.project.path):
        raise Findings.of(
            "run-of-another-project",
            f"{ref} is a run of project '{run.project.name}' in {run.project.path}, which has a model '{run.model}', too, with the same"
            " spec, code and data",
            location=spec.locate("metadata", "name") if (spec := project.specs.models.get(run.model)) else None,
            help="all models of a repository share its refs, so rename one of the two models\nIf this project was renamed or moved, say so"
            f" below `spec` in its mlops.yaml: formerly: [{{name: {run.project.name}, path: {run.project.path}}}]",
        )
