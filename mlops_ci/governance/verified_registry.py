"""The registry without the events that do not verify: what verbs build on, and what they say of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.governance.event_evidence import PolicyBranch, gather_evidence
from mlops_ci.governance.event_faults import EventFault, find_faults
from mlops_ci.governance.model_owners import find_foreign_faults, find_model_owner
from mlops_ci.governance.policy import BranchPolicy, load_policies
from mlops_ci.registry.state import ModelState, RegistryState, read_registry
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository
from mlops_ci.repository.remote_head import remembered_remote_head
from mlops_ci.repository.repository_name import find_repository_name
from mlops_ci.spec.load import PROJECT_FILE

_MAX_NAMED = 5  # events in one list of findings
_BEHIND = "if this clone is merely behind: git fetch; otherwise "
_USUAL_NAMES = ("main", "master")


@dataclass(frozen=True)
class VerifiedRegistry:
    """The registry's state; of the models that were asked for, only what verifies is in force. `faults` are those of the others.

    `unsigned_branch` is the branch that has lost its `signing` while tags are signed.
    """

    state: RegistryState
    faults: Mapping[str, tuple[EventFault, ...]] = field(default_factory=dict)
    unsigned_branch: str | None = None

    def open_faults(self, model: str) -> tuple[EventFault, ...]:
        """Return one fault of each event of a model that is not in force, and that nobody has set aside."""
        aside = self.state.models[model].set_aside if model in self.state.models else {}
        found = {one.event.oid: one for one in reversed(self.faults.get(model, ())) if not one.is_in_force}
        return tuple(one for oid, one in reversed(found.items()) if oid not in aside)

    def warnings(self, *models: str, besides: str = "") -> tuple[Diagnostic, ...]:
        """Return a warning for the events of models that are not in force, but for the one of the object id `besides`."""
        return tuple(one for model in models for one in self._findings(model, "warning", besides))

    def require_verified(self, model: str) -> None:
        """Raise Findings unless every event of a model verifies or was set aside by one that does.

        Raises EnvironmentProblem if the newest event is not known.
        """
        if model in self.state.models:
            self.state.models[model].require_newest_known()
        if found := self._findings(model, "error"):
            raise Findings(found)

    def _findings(self, model: str, severity: Severity, besides: str = "") -> tuple[Diagnostic, ...]:
        faults = [one for one in self.open_faults(model) if one.event.oid != besides]
        found = [
            Diagnostic(
                "event-unverified",
                f"{one.event.name} is not in force, because it does not verify: {one.why}",
                help=f"{_BEHIND * one.is_off_branch}find out who wrote it (mlops-ci audit {model}); to go on without it, an allowed signer runs: mlops-ci retire {model}"
                f" --set-aside '{one.event.name}' --reason TEXT",
                severity=severity,
            )
            for one in faults[:_MAX_NAMED]
        ]
        if len(faults) > _MAX_NAMED:
            more = f"{len(faults) - _MAX_NAMED} more events of '{model}' do not verify either"
            found.append(Diagnostic("event-unverified", more, help=f"mlops-ci audit {model}", severity=severity))
        return tuple(found)

    def require_signing(self, model: str) -> None:
        """Raise Findings `signing-dropped` if the branch has lost its `signing` while events of the model are signed."""
        if (
            self.unsigned_branch is not None
            and model in self.state.models
            and self.state.models[model].has_signed_events
        ):
            raise Findings.of(
                "signing-dropped",
                f"events of '{model}' are signed, but mlops.yaml on branch '{self.unsigned_branch}' has no `signing`: nothing says who may sign",
                help="restore `signing` on the branch (git log -p mlops.yaml); to let tags go without a signature, keep it and write"
                " `required: false`",
            )


def verify_project(project: Project, *models: str) -> VerifiedRegistry:
    """Return the registry, verified for the named models by the policy of the project's branch."""
    repo = project.context.repo
    registry = read_registry(repo, project.identity)
    states = [registry.models[name] for name in dict.fromkeys(models) if name in registry.models]
    if repo is None or not any(state.events for state in states):
        return VerifiedRegistry(registry)
    remote = repo.default_remote()
    try:
        name = find_default_branch(project, repo)
    except EnvironmentProblem:
        if project.context.asks_remote == "must" or any(state.has_signed_events for state in states):
            raise
        return VerifiedRegistry(registry)  # offline, nothing tells which branch counts
    ref = f"refs/{f'remotes/{remote}' if remote else 'heads'}/{name}" if name else "HEAD"
    tip = repo.resolve(f"{ref}^{{commit}}") or repo.head()
    path = (project.context.root / project.specs.project.path).relative_to(repo.root).as_posix()
    return _verify(repo, registry, states, name or "HEAD", tip, path)


def verify_signed(repo: Repository | None, registry: RegistryState, *models: str) -> VerifiedRegistry:
    """Return the registry, verified for those of the named models, or of all, that have signed events.

    This is for queries, which need no project. The branch is the default one as this clone last knew it.
    """
    states = [registry.models[name] for name in models or registry.models if name in registry.models]
    signed = [state for state in states if state.has_signed_events]
    if repo is None or not signed:
        return VerifiedRegistry(registry)
    name, commit = _last_known_branch(repo)
    found = VerifiedRegistry(registry)
    projects: dict[str, list[ModelState]] = {}
    for state in signed:
        projects.setdefault(_project_file(repo, commit, state), []).append(state)
    for path, mine in projects.items():
        one = _verify(repo, found.state, mine, name, commit, path)
        found = VerifiedRegistry(
            one.state, {**found.faults, **one.faults}, one.unsigned_branch or found.unsigned_branch
        )
    return found


def _last_known_branch(repo: Repository) -> tuple[str, str | None]:
    """Return the branch that the remote last named as its default one, or a usual one, and its commit; else what is checked out."""
    remote = repo.default_remote()
    head = remembered_remote_head(repo, remote) if remote is not None else None
    for name in (*((head.branch,) if head and head.branch else ()), *(_USUAL_NAMES if remote is not None else ())):
        commit = repo.resolve(f"refs/remotes/{remote}/{name}^{{commit}}")
        if commit is not None:
            return name, commit
    return repo.current_branch() or "HEAD", repo.head()


def _project_file(repo: Repository, tip: str | None, state: ModelState) -> str:
    """Return the path of the Project spec whose policy holds for a model: its project's, or else the one that its first event names."""
    owner = find_model_owner(repo, tip, state)
    first = next((event.project[1] for event in state.events if event.project), ".")
    folder = owner.reference.path if owner is not None else first
    return PROJECT_FILE if folder == "." else f"{folder}/{PROJECT_FILE}"


def _verify(
    repo: Repository, registry: RegistryState, states: Iterable[ModelState], name: str, tip: str | None, path: str
) -> VerifiedRegistry:
    found = load_policies(repo, [(tip, path)])[tip, path] if tip is not None else None
    branch = PolicyBranch(name, found or BranchPolicy(None, {}), branch_tips(repo, tip))
    asked = tuple(states)
    evidence = gather_evidence(repo, asked, branch, find_repository_name(repo))
    faults = {
        state.model: (*find_faults(state, evidence), *find_foreign_faults(state, find_model_owner(repo, tip, state)))
        for state in asked
    }
    verified = {state.model: verified_state(state, faults[state.model]) for state in asked}
    unsigned = name if evidence.is_signing_dropped and found is not None else None
    return VerifiedRegistry(registry._replace(models={**registry.models, **verified}), faults, unsigned)


def verified_state(state: ModelState, faults: Iterable[EventFault]) -> ModelState:
    """Return the state that follows from the events without faults."""
    return state.without(frozenset(one.event.oid for one in faults if not one.is_in_force))


def branch_tips(repo: Repository, tip: str | None) -> tuple[str, ...]:
    """Return the commits that what is released must be reachable from: the branch's or, without a remote, those of all branches."""
    if repo.default_remote() is not None and tip is not None:
        return (tip,)
    return tuple(dict.fromkeys((*repo.ref_oids("refs/heads/").values(), *((tip,) if tip else ()))))
